#include "tally.hpp"

#include <algorithm>
#include <chrono>

namespace belay::engine {
namespace {

using domain::Deployment;
using domain::EventRecord;
using domain::State;

// A clock that was set back meanwhile makes no negative time.
double seconds(TimePoint from, TimePoint to) {
    return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

// "build-2" is a build.
std::string kind_of(const std::string& stage) {
    return stage.substr(0, stage.find('-'));
}

DeploymentEnded ended(const Deployment& deployment) {
    DeploymentEnded count;
    count.app = deployment.app;
    count.state = deployment.state;
    count.reason = deployment.failure.reason;
    if (deployment.state == State::healthy && deployment.plan != domain::Plan::restart &&
        deployment.switched_at != TimePoint{})
        count.lead_time = seconds(deployment.created_at, deployment.switched_at);
    return count;
}

bool ended_by_itself(const domain::Stage& stage) {
    return stage.finished_at != TimePoint{} &&
           (stage.state == domain::StageState::passed || stage.state == domain::StageState::failed);
}

}  // namespace

std::vector<Count> counts_of(const std::vector<ports::Write>& batch) {
    std::vector<Count> counts;
    std::vector<const EventRecord*> events;
    for (const auto& write : batch)
        if (const auto* added = std::get_if<ports::AddEvent>(&write))
            events.push_back(&added->event);
    // What has no event of its own is a row that is kept up, not a change.
    auto event_of = [&](DeploymentId id) -> const EventRecord* {
        auto found = std::find_if(events.begin(), events.end(), [&](const auto* event) {
            return event->type == "deployment" && event->deployment == id;
        });
        return found == events.end() ? nullptr : *found;
    };
    for (const auto& write : batch) {
        if (const auto* put = std::get_if<ports::PutDeployment>(&write)) {
            if (domain::is_end(put->deployment.state) && event_of(put->deployment.id))
                counts.emplace_back(ended(put->deployment));
        } else if (const auto* row = std::get_if<ports::PutStage>(&write)) {
            const auto* event = event_of(row->stage.deployment);
            if (event && ended_by_itself(row->stage))
                counts.emplace_back(
                    StageEnded{event->app, kind_of(row->stage.name),
                               seconds(row->stage.started_at, row->stage.finished_at)});
        }
    }
    for (const auto* event : events) {
        if (event->type != "delivery") continue;
        if (auto decision = domain::parse_decision(event->state))
            counts.emplace_back(DeliveryDecided{event->app, *decision});
    }
    return counts;
}

void Tally::add(const Count& count) {
    if (const auto* ended = std::get_if<DeploymentEnded>(&count)) {
        auto& app = apps_[ended->app];
        ++app.ended[static_cast<std::size_t>(ended->state)];
        if (ended->state == State::failed || ended->state == State::rolled_back)
            ++failures_[static_cast<std::size_t>(ended->reason)];
        if (ended->lead_time) app.lead_time.add(*ended->lead_time);
    } else if (const auto* stage = std::get_if<StageEnded>(&count)) {
        auto& stages = apps_[stage->app].stages;
        stages.try_emplace(stage->name, kStageBounds).first->second.add(stage->seconds);
    } else if (const auto* delivery = std::get_if<DeliveryDecided>(&count)) {
        ++apps_[delivery->app].deliveries[delivery->decision];
    }
}

void Tally::add_probe(const std::string& name, const domain::Probe& probe) {
    auto& app = apps_[name];
    ++(probe.passed() ? app.probes_passed : probe.refused ? app.probes_refused : app.probes_failed);
}

}  // namespace belay::engine
