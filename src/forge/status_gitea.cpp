// Gitea and Forgejo, which have kept this API in common (Gitea API, repoCreateStatus).
#include "status_wire.hpp"

namespace belay::forge {
namespace {

std::string_view word_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::queued:
        case Outcome::running:
            return "pending";
        case Outcome::healthy:
            return "success";
        case Outcome::failed:
        case Outcome::rolled_back:
            return "failure";
        case Outcome::canceled:
            return "warning";
        default:
            return "error";
    }
}

class Gitea final : public SingleStatus {
  public:
    explicit Gitea(std::string_view name) : name_(name) {}
    std::string_view name() const override { return name_; }

  protected:
    HttpRequest request(const ports::StatusReport& report, const Place& place,
                        const Secret& token) const override {
        Json body{{"state", word_of(outcome_of(report))},
                  {"context", status_key(report.app)},
                  {"description", cut(report.description, kDescription)}};
        auto url = report.target_url.empty() ? report.environment_url : report.target_url;
        if (!url.empty()) body["target_url"] = url;
        auto request = post(place.api + "/repos/" + path_encoded(place.project) + "/statuses/" +
                                url_encoded(report.sha),
                            body, token);
        request.headers.emplace_back("Authorization", "token " + token.reveal());
        return request;
    }

  private:
    std::string_view name_;
};

}  // namespace

const ports::StatusForge& gitea_status() {
    static const Gitea forge("gitea");
    return forge;
}

const ports::StatusForge& forgejo_status() {
    static const Gitea forge("forgejo");
    return forge;
}

}  // namespace belay::forge
