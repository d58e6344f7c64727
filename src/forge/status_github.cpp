// GitHub and GitHub Enterprise Server: a commit status for each step, and a deployment whose status
// follows (docs.github.com, REST commits/statuses, deployments/deployments, deployments/statuses).
#include "status_wire.hpp"

#include <fmt/format.h>

namespace belay::forge {
namespace {

using ports::StatusReport;
using ports::Verdict;

constexpr std::size_t kUrl = 2000;
constexpr std::size_t kLookedAt = 30;  // of one commit's deployments, newest first

std::string_view status_word(Outcome outcome) {
    switch (outcome) {
        case Outcome::queued:
        case Outcome::running:
            return "pending";
        case Outcome::healthy:
            return "success";
        case Outcome::failed:
        case Outcome::rolled_back:
            return "failure";
        default:
            return "error";
    }
}

std::string_view deployment_word(Outcome outcome) {
    switch (outcome) {
        case Outcome::queued:
            return "queued";
        case Outcome::running:
            return "in_progress";
        case Outcome::healthy:
            return "success";
        case Outcome::failed:
        case Outcome::rolled_back:
            return "failure";
        case Outcome::canceled:
            return "inactive";
        default:
            return "error";
    }
}

void add_url(Json& body, const char* name, const std::string& url) {
    if (auto kept = within(url, kUrl); !kept.empty()) body[name] = kept;
}

// Ours among the commit's deployments, by what was put into its payload; 0: none.
std::int64_t find_ours(const std::string& list, const std::string& deployment) {
    auto json = Json::parse(list, nullptr, false);
    if (!json.is_array()) return 0;
    for (const auto& each : json) {
        if (!each.is_object() || !each.contains("id") || !each["id"].is_number_integer() ||
            !each.contains("payload"))
            continue;
        // GitHub gives back an object, its older servers the text that they were sent.
        auto payload = each["payload"].is_string()
                           ? Json::parse(each["payload"].get<std::string>(), nullptr, false)
                           : each["payload"];
        if (payload.is_object() && payload.value("belay", Json()) == Json(deployment))
            return each["id"].get<std::int64_t>();
    }
    return 0;
}

std::int64_t made_id(const std::string& answer) {
    auto json = Json::parse(answer, nullptr, false);
    const bool has = json.is_object() && json.contains("id") && json["id"].is_number_integer();
    return has ? json["id"].get<std::int64_t>() : 0;
}

// A token that may write statuses alone is a good token: only at the end is it said that there is
// no deployment to see.
Verdict without_deployment(const StatusReport& report, Verdict verdict) {
    if (verdict.kind != Verdict::Kind::give_up) return verdict;
    if (!domain::is_end(report.state)) return {};
    verdict.why = fmt::format(
        "the commit's status was taken, its deployment was not: {}; it needs "
        "the permission \"Deployments: write\"",
        verdict.why);
    return verdict;
}

class Github final : public ports::StatusForge {
  public:
    std::string_view name() const override { return "github"; }

    // The status; then our deployment, found or made; then that one's status. It is looked for each
    // time, so that an attempt that broke off makes no second one.
    Step next(const StatusReport& report, const Secret& token,
              const std::vector<HttpAnswer>& answers, TimePoint now) const override {
        const auto place = place_of(report.repo, name(), report.api_url);
        const auto base = place.api + "/repos/" + path_encoded(place.project);
        if (answers.empty()) return set_status(report, token, base);
        auto verdict = judge_status(answers.back(), now);
        const bool done = verdict.kind == Verdict::Kind::done;
        if (answers.size() == 1) {
            if (!done) return verdict;
            return look(report, token, base);
        }
        if (!done) return without_deployment(report, verdict);
        const auto ours = find_ours(answers[1].body, belay::to_string(report.deployment));
        if (answers.size() == 2 && ours != 0) return set_deployment(report, token, base, ours);
        if (answers.size() == 2) {
            // What never began need not be shown as having ended.
            if (outcome_of(report) == Outcome::canceled) return Verdict{};
            return make_deployment(report, token, base);
        }
        if (answers.size() == 3 && ours == 0) {
            const auto made = made_id(answers[2].body);
            if (made != 0) return set_deployment(report, token, base, made);
            return without_deployment(
                report, {Verdict::Kind::give_up, "answered without a deployment's id", Millis{0}});
        }
        return Verdict{};
    }

  private:
    static void authenticate(HttpRequest& request, const Secret& token) {
        request.headers[1].second = "application/vnd.github+json";
        request.headers.emplace_back("X-GitHub-Api-Version", "2022-11-28");
        add_bearer(request, token);
    }

    static HttpRequest set_status(const StatusReport& report, const Secret& token,
                                  const std::string& base) {
        Json body{{"state", status_word(outcome_of(report))},
                  {"description", cut(report.description, kDescription)},
                  {"context", status_key(report.app)}};
        add_url(body, "target_url",
                report.target_url.empty() ? report.environment_url : report.target_url);
        auto request = post(base + "/statuses/" + url_encoded(report.sha), body, token);
        authenticate(request, token);
        return request;
    }

    static HttpRequest look(const StatusReport& report, const Secret& token,
                            const std::string& base) {
        auto request =
            post(fmt::format("{}/deployments?sha={}&environment={}&per_page={}", base,
                             url_encoded(report.sha), url_encoded(report.app), kLookedAt),
                 Json::object(), token);
        request.method = "GET";
        request.body.clear();
        authenticate(request, token);
        return request;
    }

    static HttpRequest make_deployment(const StatusReport& report, const Secret& token,
                                       const std::string& base) {
        // By default GitHub would merge the default branch into it, and wait for our own pending
        // status.
        Json body{{"ref", report.sha},
                  {"task", "deploy"},
                  {"auto_merge", false},
                  {"required_contexts", Json::array()},
                  {"environment", report.app},
                  {"description", cut(report.description, kDescription)},
                  {"payload", {{"belay", belay::to_string(report.deployment)}}}};
        auto request = post(base + "/deployments", body, token);
        authenticate(request, token);
        return request;
    }

    static HttpRequest set_deployment(const StatusReport& report, const Secret& token,
                                      const std::string& base, std::int64_t id) {
        Json body{{"state", deployment_word(outcome_of(report))},
                  {"description", cut(report.description, kDescription)},
                  {"auto_inactive", true}};
        add_url(body, "log_url", report.target_url);
        add_url(body, "environment_url", report.environment_url);
        auto request = post(fmt::format("{}/deployments/{}/statuses", base, id), body, token);
        authenticate(request, token);
        return request;
    }
};

}  // namespace

const ports::StatusForge& github_status() {
    static const Github forge;
    return forge;
}

}  // namespace belay::forge
