// Watches the systemd unit that a release's processes are, where it has one.
#pragma once

#include <belay/async/event.hpp>
#include <belay/async/task_group.hpp>
#include <belay/domain/release.hpp>
#include <belay/domain/unit.hpp>

#include <functional>
#include <optional>
#include <string>

namespace belay::engine {

struct Services;

// Loop thread only. stop() must return before it goes. Does nothing for a release without a unit.
class UnitWatch {
  public:
    // Gets every change but UnitChange::Kind::none, once.
    using OnChange = std::function<void(const domain::UnitChange&)>;

    // Looks at the unit whenever systemd says that it has changed, and once in `at_least`.
    UnitWatch(Services& services, const domain::Manifest& manifest, Millis at_least,
              OnChange on_change);

    // Returns when it was looked at for the first time, or could not be.
    Task<void> start();
    Task<void> stop();

  private:
    Task<void> look();
    Task<void> run();

    Services& services_;
    std::string app_;
    std::optional<domain::UnitPlan> unit_;
    Millis at_least_;
    OnChange on_change_;
    std::optional<domain::UnitState> seen_;
    bool blind_ = false;  // the last look saw nothing, which was said
    async::Event changed_;
    async::Subscription changes_;
    async::Cancel ended_;
    async::TaskGroup tasks_;
};

// What a release can't know of its unit's failure, but we can: the group that may read it.
domain::Failure with_hint(domain::Failure failure, const std::string& app,
                          const domain::UnitPlan& unit);

// The last lines that the release's unit wrote since its release went live, its secrets masked;
// empty where it has none, or where the journal can't be read.
Task<std::string> unit_tail(Services& services, domain::Manifest manifest, TimePoint since);
// The sentence, and what was written before it came to that.
std::string with_tail(std::string sentence, const std::string& tail);

// Whether the unit can be acted on, and by us: asked before anything is touched. Errc::conflict,
// forbidden and unavailable say what is wrong, with the cure.
enum class Ask { usable, usable_by_us };
domain::UnitPlan unit_plan(const domain::AppConfig& config, const domain::AppUsers& users = {});
Task<Result<void>> check_unit(Services& services, domain::UnitPlan unit, Ask ask);

}  // namespace belay::engine
