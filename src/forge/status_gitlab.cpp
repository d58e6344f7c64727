// GitLab: the status of a commit in its external pipeline (GitLab manual, api/commits, "Set commit
// pipeline status").
#include "status_wire.hpp"

namespace belay::forge {
namespace {

constexpr std::size_t kText = 255;  // of ref, target_url and description

std::string_view word_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::queued:
            return "pending";
        case Outcome::running:
            return "running";
        case Outcome::healthy:
            return "success";
        case Outcome::canceled:
            return "canceled";
        default:
            return "failed";
    }
}

class Gitlab final : public SingleStatus {
  public:
    std::string_view name() const override { return "gitlab"; }

  protected:
    HttpRequest request(const ports::StatusReport& report, const Place& place,
                        const Secret& token) const override {
        Json body{{"state", word_of(outcome_of(report))},
                  {"name", status_key(report.app)},
                  {"description", cut(report.description, kDescription)}};
        if (auto ref = short_ref(report.ref); !ref.empty() && ref.size() <= kText)
            body["ref"] = ref;
        auto url = within(report.target_url, kText, within(report.environment_url, kText));
        if (!url.empty()) body["target_url"] = url;
        auto request = post(place.api + "/projects/" + url_encoded(place.project) + "/statuses/" +
                                url_encoded(report.sha),
                            body, token);
        request.headers.emplace_back("PRIVATE-TOKEN", token.reveal());
        return request;
    }

    ports::Verdict verdict(const HttpAnswer& answer, TimePoint now) const override {
        // A status can't go to the state that it has, not even for another description.
        const bool has_it_already =
            answer.status == 400 &&
            answer.body.find("Cannot transition status via") != std::string::npos;
        if (has_it_already) return {};
        return judge_status(answer, now);
    }
};

}  // namespace

const ports::StatusForge& gitlab_status() {
    static const Gitlab forge;
    return forge;
}

}  // namespace belay::forge
