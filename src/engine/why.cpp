// `belay why`: from the delivery to the outcome, in plain words.
#include "engine_core.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {
namespace {

std::string when(TimePoint time) {
    return format_time(time);
}

void tell(std::vector<std::string>& lines, const domain::Delivery& delivery) {
    lines.push_back(fmt::format("{} arrived {} from {}: event {}{}", to_string(delivery.id),
                                when(delivery.received_at),
                                delivery.forge.empty() ? "an unknown sender" : delivery.forge,
                                delivery.event.empty() ? "unknown" : delivery.event,
                                delivery.repository.empty() ? "" : " of " + delivery.repository));
    for (const auto& change : delivery.changes)
        lines.push_back(fmt::format("  {} {}: {} -> {}", to_string(change.ref_type), change.name,
                                    change.before ? change.before->substr(0, 7) : "nothing",
                                    change.after ? change.after->substr(0, 7) : "nothing"));
    lines.push_back(fmt::format("  decision: {}, answered {}{}", to_string(delivery.decision),
                                delivery.status_code,
                                delivery.reason.empty() ? "" : ": " + delivery.reason));
}

}  // namespace

Task<Result<std::vector<std::string>>> EngineCore::why(std::string what) {
    auto* store = services_.journal.store();
    if (!store) co_return services_.journal.unavailable();
    std::vector<domain::Delivery> deliveries;
    std::vector<domain::Deployment> deployments;
    if (auto delivery_id = parse_delivery_id(what); what.starts_with('w') && delivery_id) {
        auto found = co_await delivery(*delivery_id);
        if (!found) co_return found.error();
        deliveries.push_back(*found);
        if (found->deployment) {
            auto made = co_await store->deployment(found->deployment);
            if (made && *made) deployments.push_back(**made);
        }
    } else if (auto id = parse_deployment_id(what); what.starts_with('d') && id) {
        auto found = co_await store->deployment(*id);
        if (!found) co_return found.error();
        if (!*found) co_return Error{Errc::not_found, fmt::format("no deployment {}", what)};
        deployments.push_back(**found);
        if ((*found)->delivery) {
            auto made_by = co_await delivery((*found)->delivery);
            if (made_by) deliveries.push_back(*made_by);
        }
    } else {
        if (what.size() < 4 || what.find_first_not_of("0123456789abcdef") != what.npos)
            co_return Error{Errc::invalid, fmt::format("\"{}\" is no delivery (w88), deployment "
                                                       "(d42) or commit (4 or more hex digits)",
                                                       what)};
        auto delivered = co_await store->deliveries_of_commit(what, 5);
        if (!delivered) co_return delivered.error();
        auto deployed = co_await store->deployments_of_commit(what, 5);
        if (!deployed) co_return deployed.error();
        deliveries = std::move(*delivered);
        deployments = std::move(*deployed);
        std::reverse(deliveries.begin(), deliveries.end());
        std::reverse(deployments.begin(), deployments.end());
        if (deliveries.empty() && deployments.empty())
            co_return Error{
                Errc::not_found,
                fmt::format("no delivery or deployment of a commit {}…: it never arrived "
                            "here, or was of a branch that polling doesn't follow",
                            what)};
    }
    std::vector<std::string> lines;
    for (const auto& delivery : deliveries)
        tell(lines, delivery);
    for (const auto& deployment : deployments) {
        auto told = co_await tell_deployment(deployment);
        lines.insert(lines.end(), told.begin(), told.end());
    }
    co_return lines;
}

Task<std::vector<std::string>> EngineCore::tell_deployment(domain::Deployment deployment) {
    std::vector<std::string> lines;
    lines.push_back(fmt::format(
        "{} of {} queued {} (trigger {}{}){}", to_string(deployment.id), deployment.app,
        when(deployment.created_at), to_string(deployment.trigger),
        deployment.note.empty() ? "" : ", " + deployment.note,
        deployment.commit.empty() ? "" : ": commit " + deployment.commit.substr(0, 12)));
    if (!deployment.message.empty())
        lines.push_back(fmt::format("  \"{}\" by {}", deployment.message, deployment.author));
    auto stages = co_await services_.journal.store()->stages(deployment.id);
    if (stages)
        for (const auto& stage : *stages) {
            std::string took = stage.finished_at == TimePoint{}
                                   ? std::string("since ") + when(stage.started_at)
                                   : "in " + format_duration(stage.finished_at - stage.started_at);
            lines.push_back(fmt::format(
                "  {} {} {}{}", stage.name, to_string(stage.state), took,
                stage.exit_code ? fmt::format(", exit code {}", *stage.exit_code) : ""));
        }
    if (domain::is_end(deployment.state)) {
        auto line = fmt::format("  ended {}: {}", when(deployment.finished_at),
                                to_string(deployment.state));
        if (deployment.failure.reason != domain::Reason::none)
            line += fmt::format(" ({}, in {}): {}", to_string(deployment.failure.reason),
                                deployment.failure.stage, deployment.failure.detail);
        lines.push_back(line);
    } else {
        auto* app = find(deployment.app);
        std::string waits;
        if (deployment.state == domain::State::queued && app && app->record.hold &&
            !deployment.force)
            waits =
                fmt::format(": on hold by {} ({})", app->record.hold->by, app->record.hold->why);
        lines.push_back(fmt::format("  now {}{}", to_string(deployment.state), waits));
    }
    co_return lines;
}

}  // namespace belay::engine
