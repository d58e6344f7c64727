// Bitbucket Cloud: a build status, which the same key overwrites (developer.atlassian.com,
// REST 2.0, commit statuses; limits: buildbot/buildbot#7049,
// jenkinsci/bitbucket-branch-source-plugin).
#include "status_bitbucket.hpp"

namespace belay::forge {
namespace {

class BitbucketCloud final : public BitbucketStatus {
  public:
    std::string_view name() const override { return "bitbucket-cloud"; }

  protected:
    HttpRequest request(const ports::StatusReport& report, const Place& place,
                        const Secret& token) const override {
        auto body = status_body(report, place, "STOPPED");
        if (auto ref = short_ref(report.ref); !ref.empty() && ref.size() <= kBitbucketText)
            body["refname"] = ref;
        return status_post(place.api + "/repositories/" + path_encoded(place.project) + "/commit/" +
                               url_encoded(report.sha) + "/statuses/build",
                           body, token);
    }
};

}  // namespace

const ports::StatusForge& bitbucket_cloud_status() {
    static const BitbucketCloud forge;
    return forge;
}

}  // namespace belay::forge
