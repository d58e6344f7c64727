// Azure DevOps: the status of a commit (learn.microsoft.com, REST git/statuses/create, 7.1).
#include "status_wire.hpp"

namespace belay::forge {
namespace {

std::string_view word_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::queued:
        case Outcome::running:
            return "pending";
        case Outcome::healthy:
            return "succeeded";
        case Outcome::canceled:
            return "notApplicable";
        case Outcome::error:
            return "error";
        default:
            return "failed";
    }
}

class Azure final : public SingleStatus {
  public:
    std::string_view name() const override { return "azure-devops"; }

  protected:
    HttpRequest request(const ports::StatusReport& report, const Place& place,
                        const Secret& token) const override {
        auto repository = place.project.substr(place.project.rfind('/') + 1);
        Json body{{"state", word_of(outcome_of(report))},
                  {"description", cut(report.description, kDescription)},
                  {"context", {{"name", report.app}, {"genre", "belay"}}}};
        auto url = report.target_url.empty() ? report.environment_url : report.target_url;
        if (!url.empty()) body["targetUrl"] = url;
        auto request = post(place.api + "/_apis/git/repositories/" + url_encoded(repository) +
                                "/commits/" + url_encoded(report.sha) + "/statuses?api-version=7.1",
                            body, token);
        add_basic(request, ":" + token.reveal());
        return request;
    }

    // Whom it does not know it shows the page where people sign in, as 203 or by a redirection.
    ports::Verdict verdict(const HttpAnswer& answer, TimePoint now) const override {
        HttpAnswer unknown;
        unknown.status = 401;
        const bool signs_in = answer.status == 203 || answer.status == 302;
        return judge_status(signs_in ? unknown : answer, now);
    }
};

}  // namespace

const ports::StatusForge& azure_status() {
    static const Azure forge;
    return forge;
}

}  // namespace belay::forge
