#include "status_bitbucket.hpp"

namespace belay::forge {
namespace {

constexpr std::size_t kUrl = 450;

std::string_view word_of(Outcome outcome, std::string_view canceled) {
    switch (outcome) {
        case Outcome::queued:
        case Outcome::running:
            return "INPROGRESS";
        case Outcome::healthy:
            return "SUCCESSFUL";
        case Outcome::canceled:
            return canceled;
        default:
            return "FAILED";
    }
}

}  // namespace

Json BitbucketStatus::status_body(const ports::StatusReport& report, const Place& place,
                                  std::string_view canceled) {
    // An address is demanded: where we have no page, its own of the commit.
    auto url = within(report.target_url, kUrl,
                      within(report.environment_url, kUrl, commit_page(place, report.sha)));
    return {{"key", status_key(report.app)},
            {"state", word_of(outcome_of(report), canceled)},
            {"name", cut("Belay: " + report.app, kBitbucketText)},
            {"url", url},
            {"description", cut(report.description, kDescription)}};
}

HttpRequest BitbucketStatus::status_post(std::string url, const Json& body, const Secret& token) {
    auto request = post(std::move(url), body, token);
    add_bearer_or_basic(request, token);
    return request;
}

}  // namespace belay::forge
