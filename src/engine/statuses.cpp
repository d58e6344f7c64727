#include "statuses.hpp"

#include "status_report.hpp"

#include <fmt/format.h>

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

Announcement Statuses::announce(const std::vector<ports::Write>& batch, const std::string& page_url,
                                TimePoint now) {
    Announcement announcement;
    if (!outbox_ || !forges_) return announcement;
    std::map<DeploymentId, std::string> said;
    std::set<DeploymentId> ended;
    for (const auto& write : batch) {
        const auto* put = std::get_if<ports::PutDeployment>(&write);
        if (!put) continue;
        auto made = report(put->deployment);
        if (domain::is_end(put->deployment.state)) ended.insert(put->deployment.id);
        if (!made) continue;
        auto before = told_.find(made->deployment);
        auto words = made->sha + " " + made->description;
        if (before != told_.end() && before->second == words) continue;
        said[made->deployment] = std::move(words);
        if (!page_url.empty())
            made->target_url =
                fmt::format("{}/deployments/{}", page_url, to_string(made->deployment));
        made->at = now;
        announcement.writes.emplace_back(ports::AddOutgoing{outbox_->status(*made), false});
    }
    announcement.committed = [this, said = std::move(said), ended = std::move(ended)] {
        for (const auto& [deployment, words] : said)
            told_[deployment] = words;
        for (auto deployment : ended)
            told_.erase(deployment);
        if (!said.empty()) outbox_->wake();
    };
    return announcement;
}

std::vector<std::string> Statuses::problems() const {
    std::vector<std::string> sentences;
    for (const auto& [app, problem] : problems_)
        sentences.push_back(problem);
    return sentences;
}

}  // namespace belay::engine
