// `belay why`: gathers the records of which explain.cpp tells the story.
#include "engine_core.hpp"
#include "explain.hpp"
#include "matching.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

namespace {

// One screen: the last few attempts of a commit are what is asked about.
constexpr int kDeliveriesTold = 3;
constexpr int kDeploymentsTold = 3;
// A busy branch supersedes many times in a row; its end is what counts.
constexpr int kHeirsFollowed = 20;
constexpr std::size_t kHeirsTold = 2;

bool is_hex(std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == text.npos;
}

void add(std::vector<WhyStep>& steps, std::vector<WhyStep> more) {
    steps.insert(steps.end(), more.begin(), more.end());
}

}  // namespace

Task<Standing> EngineCore::standing_of(std::string name) {
    Standing standing;
    standing.app = name;
    standing.now = services_.now();
    auto* app = find(name);
    if (!app || app->record.removed) co_return standing;
    standing.file = app->file;
    standing.hold = app->record.hold;
    if (app->config) {
        standing.follows = followed(*app->config) + " of " + app->config->repo;
        if (app->config->poll && !app->orphaned) standing.poll = app->poll;
    }
    standing.live = app->record.live;
    standing.live_commit = app->live ? app->live->manifest.commit : app->live_release.commit;
    standing.live_since = app->live_release.live_since;
    if (app->active)
        standing.busy = fmt::format("{} ({})", to_string(app->active->deployment.id),
                                    to_string(app->active->state()));
    const ports::Page newest{0, 1};
    auto deliveries = co_await services_.journal.store()->deliveries(name, newest);
    if (deliveries && !deliveries->empty()) standing.last_delivery = deliveries->front();
    co_return standing;
}

Task<Story> EngineCore::story_of(domain::Deployment deployment) {
    Story story;
    story.deployment = std::move(deployment);
    auto stages = co_await services_.journal.store()->stages(story.deployment.id);
    if (stages) story.stages = std::move(*stages);
    auto probes = co_await services_.journal.store()->probes(story.deployment.id, 20);
    if (probes) story.probes = std::move(*probes);
    co_return story;
}

// The deployment that took over in the end, and those on the way to it.
Task<std::vector<domain::Deployment>> EngineCore::heirs_of(domain::Deployment deployment) {
    std::vector<domain::Deployment> heirs{deployment};
    for (int i = 0; i < kHeirsFollowed && heirs.back().superseded_by; ++i) {
        auto next = co_await services_.journal.store()->deployment(heirs.back().superseded_by);
        if (!next || !*next) break;
        heirs.push_back(**next);
    }
    co_return heirs;
}

Task<Result<Explanation>> EngineCore::why(std::string asked) {
    auto* store = services_.journal.store();
    if (!store) co_return services_.journal.unavailable();
    const auto what = lower(asked);
    if (auto id = parse_delivery_id(what); what.starts_with('w') && id) {
        auto found = co_await delivery(*id);
        if (!found) co_return found.error();
        std::vector<domain::Delivery> one{*found};
        std::vector<domain::Deployment> made;
        if (found->deployment) {
            auto deployment = co_await store->deployment(found->deployment);
            if (deployment && *deployment) made.push_back(**deployment);
        }
        co_return co_await explanation(std::move(one), std::move(made));
    }
    auto id = parse_deployment_id(what);
    const bool named = what.starts_with('d') && id;
    if (named) {
        auto found = co_await store->deployment(*id);
        if (!found) co_return found.error();
        if (*found) {
            std::vector<domain::Deployment> one{**found};
            std::vector<domain::Delivery> from;
            if ((*found)->delivery) {
                auto delivered = co_await delivery((*found)->delivery);
                if (delivered) from.push_back(*delivered);
            }
            co_return co_await explanation(std::move(from), std::move(one));
        }
    }
    // "d1234567" may be the beginning of a commit as well.
    if (what.size() < 4 || !is_hex(what)) {
        if (named) co_return Error{Errc::not_found, fmt::format("no deployment {}", what)};
        co_return Error{Errc::invalid,
                        fmt::format("\"{}\" is no delivery (w88), deployment (d42) or commit (4 or "
                                    "more hex digits)",
                                    asked)};
    }
    auto deliveries = co_await store->deliveries_of_commit(what, kDeliveriesTold);
    if (!deliveries) co_return deliveries.error();
    auto deployments = co_await store->deployments_of_commit(what, kDeploymentsTold);
    if (!deployments) co_return deployments.error();
    std::reverse(deliveries->begin(), deliveries->end());
    std::reverse(deployments->begin(), deployments->end());
    // A delivery's deployment may be of the tip that took its place.
    for (const auto& delivered : *deliveries) {
        const bool told = std::any_of(deployments->begin(), deployments->end(),
                                      [&](auto& one) { return one.id == delivered.deployment; });
        if (told || !delivered.deployment) continue;
        auto made = co_await store->deployment(delivered.deployment);
        if (made && *made) deployments->push_back(**made);
    }
    if (deliveries->empty() && deployments->empty()) co_return co_await unknown(what);
    co_return co_await explanation(std::move(*deliveries), std::move(*deployments));
}

Task<Result<Explanation>> EngineCore::explanation(std::vector<domain::Delivery> deliveries,
                                                  std::vector<domain::Deployment> deployments) {
    Explanation result;
    result.app = deliveries.empty() ? deployments.front().app : deliveries.back().app;
    auto standing = co_await standing_of(result.app);
    std::set<DeploymentId> told;
    for (const auto& delivered : deliveries) {
        add(result.steps, explain(delivered));
        result.answer = answer(delivered);
        result.next = advice(delivered, standing);
        if (!delivered.changes.empty())
            result.commit = delivered.changes.back().commit.value_or(
                delivered.changes.back().after.value_or(""));
    }
    std::sort(deployments.begin(), deployments.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    for (const auto& deployment : deployments) {
        auto heirs = co_await heirs_of(deployment);
        // The beginning and the end of a long row.
        if (heirs.size() > kHeirsTold + 1)
            heirs.erase(heirs.begin() + 1, heirs.end() - static_cast<std::ptrdiff_t>(kHeirsTold));
        for (const auto& heir : heirs) {
            if (!told.insert(heir.id).second) continue;
            if (heir.app != standing.app) standing = co_await standing_of(heir.app);
            auto story = co_await story_of(heir);
            add(result.steps, explain(story, standing));
            result.next = advice(story, standing);
        }
        result.app = deployment.app;
        result.commit = deployment.commit;
        result.ref = deployment.ref;
        result.answer = answer(deployment, standing);
        if (heirs.size() > 1) result.answer += "; " + answer(heirs.back(), standing);
        if (&deployment == &deployments.back())
            result.steps.push_back(what_is_live(heirs.back(), standing));
    }
    co_return result;
}

// Nothing in the record names it: what there is to say all the same.
Task<Result<Explanation>> EngineCore::unknown(std::string commit) {
    Explanation result;
    result.commit = commit;
    result.answer = fmt::format("no delivery and no deployment names a commit {}", commit);
    std::vector<std::string> names;
    for (const auto& [name, app] : apps_)
        if (!app->record.removed) names.push_back(name);
    for (const auto& name : names) {
        auto standing = co_await standing_of(name);
        result.steps.push_back(what_is_known(standing));
        if (standing.poll && standing.poll->tip.starts_with(commit))
            result.answer = fmt::format(
                "no delivery names {}, but polling saw it as what {} "
                "follows",
                commit, name);
    }
    result.next = {"see in the forge whether it delivered the push, and what was answered",
                   "belay deliveries"};
    co_return result;
}

}  // namespace belay::engine
