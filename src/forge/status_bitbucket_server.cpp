// Bitbucket Data Center from 7.4 on: a build status of a commit in a repository
// (developer.atlassian.com, "Updating build status for commits"; limits: BSERV-12804 and
// jenkinsci/bitbucket-branch-source-plugin).
#include "status_bitbucket.hpp"

namespace belay::forge {
namespace {

class BitbucketServer final : public BitbucketStatus {
  public:
    std::string_view name() const override { return "bitbucket-server"; }

  protected:
    HttpRequest request(const ports::StatusReport& report, const Place& place,
                        const Secret& token) const override {
        auto slash = place.project.find('/');
        auto body = status_body(report, place, "CANCELLED");
        if (!report.ref.empty() && report.ref.size() <= kBitbucketText) body["ref"] = report.ref;
        return status_post(place.api + "/projects/" + url_encoded(place.project.substr(0, slash)) +
                               "/repos/" + url_encoded(place.project.substr(slash + 1)) +
                               "/commits/" + url_encoded(report.sha) + "/builds",
                           body, token);
    }
};

}  // namespace

const ports::StatusForge& bitbucket_server_status() {
    static const BitbucketServer forge;
    return forge;
}

}  // namespace belay::forge
