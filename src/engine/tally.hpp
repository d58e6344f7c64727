// Counts what happens, as it becomes durable. Nothing of it is kept over a restart: whoever
// collects counters knows that they begin again.
#pragma once

#include <belay/engine/figures.hpp>
#include <belay/ports/store.hpp>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace belay::engine {

struct DeploymentEnded {
    std::string app;
    domain::State state = domain::State::healthy;
    domain::Reason reason = domain::Reason::none;
    std::optional<double> lead_time;  // seconds
};
struct StageEnded {
    std::string app;
    std::string name;
    double seconds = 0;
};
struct DeliveryDecided {
    std::string app;
    domain::Decision decision = domain::Decision::ignored;
};
using Count = std::variant<DeploymentEnded, StageEnded, DeliveryDecided>;

// What a batch says that counts, once it is durable. Pure.
std::vector<Count> counts_of(const std::vector<ports::Write>& batch);

// Loop thread only.
class Tally {
  public:
    void add(const Count& count);
    void add_probe(const std::string& app, const domain::Probe& probe);

    const std::map<std::string, AppFigures>& apps() const { return apps_; }
    const std::array<std::uint64_t, domain::kReasonCount>& failures() const { return failures_; }
    // Of an app that is no longer there.
    void forget(const std::string& app) { apps_.erase(app); }

  private:
    std::map<std::string, AppFigures> apps_;
    std::array<std::uint64_t, domain::kReasonCount> failures_{};
};

}  // namespace belay::engine
