// Bitbucket Data Center from 7.4 on: a build status of a commit in a repository
// (developer.atlassian.com, "Updating build status for commits"; limits: BSERV-12804 and
// jenkinsci/bitbucket-branch-source-plugin).
#include "status_wire.hpp"

namespace belay::forge {
namespace {

constexpr std::size_t kText = 255;
constexpr std::size_t kUrl = 450;

std::string_view word_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::queued:
        case Outcome::running:
            return "INPROGRESS";
        case Outcome::healthy:
            return "SUCCESSFUL";
        case Outcome::canceled:
            return "CANCELLED";
        default:
            return "FAILED";
    }
}

class BitbucketServer final : public SingleStatus {
  public:
    std::string_view name() const override { return "bitbucket-server"; }

  protected:
    HttpRequest request(const ports::StatusReport& report, const Place& place,
                        const Secret& token) const override {
        auto slash = place.project.find('/');
        auto url = within(report.target_url, kUrl,
                          within(report.environment_url, kUrl, commit_page(place, report.sha)));
        Json body{{"key", status_key(report.app)},
                  {"state", word_of(outcome_of(report))},
                  {"name", cut("Belay: " + report.app, kText)},
                  {"url", url},
                  {"description", cut(report.description, kDescription)}};
        if (!report.ref.empty() && report.ref.size() <= kText) body["ref"] = report.ref;
        auto request = post(place.api + "/projects/" + url_encoded(place.project.substr(0, slash)) +
                                "/repos/" + url_encoded(place.project.substr(slash + 1)) +
                                "/commits/" + url_encoded(report.sha) + "/builds",
                            body, token);
        add_bearer_or_basic(request, token);
        return request;
    }
};

}  // namespace

const ports::StatusForge& bitbucket_server_status() {
    static const BitbucketServer forge;
    return forge;
}

}  // namespace belay::forge
