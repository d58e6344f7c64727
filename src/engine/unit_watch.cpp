#include "unit_watch.hpp"

#include "services.hpp"

#include <belay/base/log.hpp>
#include <belay/base/masker.hpp>

#include <fmt/format.h>

#include <utility>

namespace belay::engine {
namespace {

// What a record keeps of a unit's journal.
constexpr std::size_t kTail = 4 * 1024;

// The end of the text, from a line's beginning on.
std::string end_of(std::string text, std::size_t most) {
    if (text.size() <= most) return text;
    text.erase(0, text.size() - most);
    auto line = text.find('\n');
    return line == text.npos ? text : text.substr(line + 1);
}

}  // namespace

UnitWatch::UnitWatch(Services& services, const domain::Manifest& manifest, Millis at_least,
                     OnChange on_change)
    : services_(services),
      app_(manifest.app),
      unit_(manifest.unit),
      at_least_(at_least),
      on_change_(std::move(on_change)),
      tasks_(services.world.executor) {}

Task<void> UnitWatch::start() {
    if (!unit_) co_return;
    changes_ = services_.world.units.watch(unit_->name, [this] { changed_.set(); });
    co_await look();
    if (!ended_.requested()) tasks_.spawn("watch " + unit_->name, run());
}

Task<void> UnitWatch::stop() {
    changes_.end();
    ended_.request();
    co_await tasks_.join();
}

Task<void> UnitWatch::run() {
    while (true) {
        co_await services_.world.timers.wait(changed_, at_least_, ended_);
        if (ended_.requested()) co_return;
        co_await look();
    }
}

// What can't be seen is no verdict.
Task<void> UnitWatch::look() {
    changed_.reset();
    auto state = co_await services_.world.units.state(unit_->name);
    if (ended_.requested()) co_return;
    if (!state) {
        if (!std::exchange(blind_, true))
            log::warning("a unit can't be watched at the moment",
                         {{"unit", unit_->name}, {"error", state.error().message}});
        co_return;
    }
    blind_ = false;
    auto change = domain::compare(unit_->name, seen_, *state);
    const bool told = change.ended() && seen_ && seen_->same_end(*state);
    // On its way from one process to the next it is compared with the one before.
    if (state->up() || change.ended()) seen_ = std::move(*state);
    if (change.kind == domain::UnitChange::Kind::none || told) co_return;
    change.failure = with_hint(std::move(change.failure), app_, *unit_);
    on_change_(change);
}

domain::Failure with_hint(domain::Failure failure, const std::string& app,
                          const domain::UnitPlan& unit) {
    const bool closed =
        failure.exit_code == domain::kExitDirectory || failure.exit_code == domain::kExitExec;
    // systemd takes groups that have a name alone.
    if (closed && unit.gid > 0)
        failure.detail += fmt::format(
            " (group {0} may read this app's releases: groupadd --gid {0} belay-{1}, and "
            "SupplementaryGroups=belay-{1} in {2})",
            unit.gid, app, unit.name);
    return failure;
}

Task<std::string> unit_tail(Services& services, domain::Manifest manifest, TimePoint since) {
    if (!manifest.unit) co_return std::string();
    auto environment =
        co_await services.world.releases.environment(manifest.app, manifest.number, "run");
    if (!environment) co_return std::string();
    Masker masker(secrets_in(manifest, *environment));
    const auto from =
        std::chrono::duration_cast<std::chrono::microseconds>(since.time_since_epoch());
    auto journal = services.world.units.log(manifest.unit->name, from.count());
    std::string text;
    while (true) {
        auto piece = co_await journal->read(0);
        if (!piece) {
            log::debug("a unit's journal was not read", {{"error", piece.error().message}});
            break;
        }
        if (piece->empty()) break;
        text = end_of(text + masker.feed(*piece), kTail);
    }
    co_return end_of(text + masker.flush(), kTail);
}

std::string with_tail(std::string sentence, const std::string& tail) {
    if (!tail.empty()) sentence += "\n" + tail;
    return sentence;
}

domain::UnitPlan unit_plan(const domain::AppConfig& config, const domain::AppUsers& users) {
    return {config.unit_name, config.unit_action, users.run, users.run};
}

Task<Result<void>> check_unit(Services& services, domain::UnitPlan unit, Ask ask) {
    auto state = co_await services.world.units.state(unit.name);
    if (!state) co_return state.error();
    if (auto why = domain::unusable(unit.name, *state, unit.action); !why.empty())
        co_return Error{Errc::conflict, std::move(why)};
    if (ask == Ask::usable) co_return Result<void>{};
    co_return co_await services.world.units.prepare(unit.name);
}

}  // namespace belay::engine
