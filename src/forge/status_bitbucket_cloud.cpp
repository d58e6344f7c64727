// Bitbucket Cloud: a build status, which the same key overwrites (developer.atlassian.com,
// REST 2.0, commit statuses; limits: buildbot/buildbot#7049,
// jenkinsci/bitbucket-branch-source-plugin).
#include "status_wire.hpp"

namespace belay::forge {
namespace {

constexpr std::size_t kName = 255;
constexpr std::size_t kUrl = 450;

std::string_view word_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::queued:
        case Outcome::running:
            return "INPROGRESS";
        case Outcome::healthy:
            return "SUCCESSFUL";
        case Outcome::canceled:
            return "STOPPED";
        default:
            return "FAILED";
    }
}

class BitbucketCloud final : public SingleStatus {
  public:
    std::string_view name() const override { return "bitbucket-cloud"; }

  protected:
    HttpRequest request(const ports::StatusReport& report, const Place& place,
                        const Secret& token) const override {
        // An address is demanded: where we have no page, its own of the commit.
        auto url = within(report.target_url, kUrl,
                          within(report.environment_url, kUrl, commit_page(place, report.sha)));
        Json body{{"key", status_key(report.app)},
                  {"state", word_of(outcome_of(report))},
                  {"name", cut("Belay: " + report.app, kName)},
                  {"url", url},
                  {"description", cut(report.description, kDescription)}};
        if (auto ref = short_ref(report.ref); !ref.empty() && ref.size() <= kName)
            body["refname"] = ref;
        auto request = post(place.api + "/repositories/" + path_encoded(place.project) +
                                "/commit/" + url_encoded(report.sha) + "/statuses/build",
                            body, token);
        add_bearer_or_basic(request, token);
        return request;
    }
};

}  // namespace

const ports::StatusForge& bitbucket_cloud_status() {
    static const BitbucketCloud forge;
    return forge;
}

}  // namespace belay::forge
