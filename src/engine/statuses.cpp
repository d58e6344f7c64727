#include "statuses.hpp"

#include "status_report.hpp"

#include <fmt/format.h>

#include <set>

namespace belay::engine {

std::optional<ports::StatusReport> Statuses::report(const domain::Deployment& deployment) {
    auto source = source_(deployment.app);
    if (!source.config || !source.config->status_token) {
        problems_.erase(deployment.app);
        return std::nullopt;
    }
    const auto& config = *source.config;
    const auto forge = forges_->find(config.webhook.forge, config.repo);
    if (!forge) {
        problems_[deployment.app] = fmt::format(
            "{}: [status] token is set, but no forge with such an API is known for {}; name it in "
            "[webhook] forge",
            deployment.app, config.repo);
        return std::nullopt;
    }
    problems_.erase(deployment.app);
    ReportFacts facts;
    facts.deliveries_are_signed = forge->signs_its_deliveries;
    facts.live_commit = std::move(source.live_commit);
    auto made = report_of(deployment, facts);
    if (!made) return made;
    made->forge = forge->name;
    made->api_url = config.status_url;
    made->repo = config.repo;
    made->environment_url = std::move(source.site_url);
    return made;
}

void Statuses::extend(std::vector<ports::Write>& batch, const std::string& pages, TimePoint now) {
    if (!outbox_ || !forges_) return;
    std::set<DeploymentId> changed;
    for (const auto& write : batch)
        if (const auto* added = std::get_if<ports::AddEvent>(&write))
            changed.insert(added->event.deployment);
    std::vector<ports::StatusReport> reports;
    for (const auto& write : batch) {
        const auto* put = std::get_if<ports::PutDeployment>(&write);
        if (!put) continue;
        const auto& deployment = put->deployment;
        // Without an event of its own it is a row that is kept up, not a change; ends are written
        // once.
        if (!changed.contains(deployment.id) && !domain::is_end(deployment.state)) continue;
        auto made = report(deployment);
        if (!made) continue;
        if (!pages.empty())
            made->target_url = fmt::format("{}/#/deployments/{}", pages, to_string(deployment.id));
        made->at = now;
        reports.push_back(std::move(*made));
    }
    for (const auto& one : reports)
        batch.emplace_back(ports::AddOutgoing{outbox_->status(one), false});
}

std::vector<std::string> Statuses::problems() const {
    std::vector<std::string> sentences;
    for (const auto& [app, problem] : problems_)
        sentences.push_back(problem);
    return sentences;
}

}  // namespace belay::engine
