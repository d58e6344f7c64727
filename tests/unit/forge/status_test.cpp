// Commit statuses: which states are told, the exact requests of each forge's API, and what answers
// mean.
#include "forge/status_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace belay::forge {
namespace {

using domain::Deployment;
using domain::Plan;
using domain::Reason;
using domain::State;
using domain::Trigger;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Kind = StatusVerdict::Kind;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";
const Secret kToken("t0ken-value");

Deployment deployment(State state, Reason reason = Reason::none) {
    Deployment one;
    one.id = DeploymentId{12};
    one.app = "shop";
    one.commit = kCommit;
    one.ref = "refs/heads/main";
    one.state = state;
    one.failure.reason = reason;
    one.release = 7;
    return one;
}

ReportFacts signed_facts() {
    ReportFacts facts;
    facts.body_is_signed = true;
    facts.page_url = "https://deploy.example.com/deployments/d12";
    facts.site_url = "https://shop.example.com";
    return facts;
}

StatusReport report(ReportState state = ReportState::running) {
    return {"shop",
            "d12",
            kCommit,
            "refs/heads/main",
            state,
            "Building (d12)",
            "https://deploy.example.com/deployments/d12",
            "https://shop.example.com"};
}

Place place(std::string forge) {
    static const std::map<std::string, Address> kAddresses{
        {"github", {"ssh", "github.com", 0, "acme/shop.git"}},
        {"gitlab", {"https", "gitlab.com", 0, "/group/sub/shop.git"}},
        {"gitea", {"https", "gitea.com", 0, "/acme/shop.git"}},
        {"forgejo", {"https", "codeberg.org", 0, "/acme/shop.git"}},
        {"bitbucket-cloud", {"https", "bitbucket.org", 0, "/acme/shop.git"}},
        {"bitbucket-server", {"https", "git.example.com", 0, "/scm/ACME/shop.git"}},
        {"azure-devops", {"https", "dev.azure.com", 0, "/acme/My%20Web/_git/shop"}},
    };
    return place_of(kAddresses.at(forge), forge, "");
}

StatusAnswer answer(int status, std::string body = "{}",
                    std::vector<std::pair<std::string, std::string>> headers = {}) {
    return {status, std::move(headers), std::move(body)};
}

std::string header(const StatusRequest& request, std::string_view name) {
    for (const auto& [field, value] : request.headers)
        if (field == name) return value;
    return {};
}

StatusRequest first_request(const std::string& forge, const StatusReport& one) {
    auto request = status_api(forge)->next(one, place(forge), kToken, "");
    EXPECT_TRUE(request) << forge;
    return request.value_or(StatusRequest{});
}

// --- which states are told

TEST(A_report, NamesEachStepThatTakesTime) {
    std::vector<std::string> told;
    for (int i = 0; i < domain::kStateCount; ++i) {
        auto one = deployment(static_cast<State>(i));
        if (domain::is_end(one.state)) continue;
        if (auto made = report_of(one, signed_facts())) told.push_back(made->description);
    }
    EXPECT_THAT(told,
                ElementsAre("Queued (d12)", "Fetching (d12)", "Building (d12)", "Testing (d12)",
                            "Waiting for approval (d12)", "Running the release command (d12)",
                            "Starting, until it is healthy (d12)", "Live, and being watched (d12)",
                            "Rolling back (d12)"));
}

TEST(A_report, TellsTheUsersFaultFromAllOthers) {
    auto state = [](State end, Reason reason) {
        return report_of(deployment(end, reason), signed_facts())->state;
    };
    EXPECT_EQ(state(State::healthy, Reason::none), ReportState::healthy);
    EXPECT_EQ(state(State::failed, Reason::build_failed), ReportState::failed);
    EXPECT_EQ(state(State::failed, Reason::test_timeout), ReportState::failed);
    EXPECT_EQ(state(State::failed, Reason::unhealthy), ReportState::failed);
    EXPECT_EQ(state(State::failed, Reason::disk_full), ReportState::error);
    EXPECT_EQ(state(State::failed, Reason::internal), ReportState::error);
    EXPECT_EQ(state(State::rolled_back, Reason::error_ratio), ReportState::rolled_back);
    EXPECT_EQ(state(State::canceled, Reason::canceled), ReportState::canceled);
    EXPECT_EQ(state(State::superseded, Reason::superseded), ReportState::canceled);
}

TEST(A_report, SaysWhyInWordsOfOursAlone) {
    auto one = deployment(State::failed, Reason::test_failed);
    one.failure.exit_code = 2;
    one.failure.detail = "test: the password is hunter2";
    one.failure.stage = "testing";
    auto made = report_of(one, signed_facts());
    EXPECT_EQ(made->description, "Failed: the tests failed, exit code 2 (d12)");
}

TEST(A_report, HasWordsForEveryReason) {
    for (int i = 1; i < domain::kReasonCount; ++i) {
        auto made = report_of(deployment(State::failed, static_cast<Reason>(i)), signed_facts());
        EXPECT_THAT(made->description, Not(HasSubstr("no known reason"))) << i;
        EXPECT_LE(made->description.size(), kDescription) << i;
    }
}

TEST(A_report, OfACommitThatOnlyAnUnsignedBodyNamedIsNotMade) {
    ReportFacts facts;  // the forge signs no body
    for (auto state : {State::queued, State::fetching}) {
        EXPECT_FALSE(report_of(deployment(state), facts));
        EXPECT_TRUE(report_of(deployment(state), signed_facts()));
    }
    auto unseen = deployment(State::failed, Reason::sha_unavailable);
    EXPECT_FALSE(report_of(unseen, facts));
    unseen.trigger = Trigger::redeliver;
    EXPECT_FALSE(report_of(unseen, facts));
    for (auto state : {State::canceled, State::superseded})
        EXPECT_FALSE(report_of(deployment(state, Reason::canceled), facts));
    auto fetched = deployment(State::failed, Reason::test_failed);
    fetched.author = "Ann";
    EXPECT_TRUE(report_of(fetched, facts));
    EXPECT_TRUE(report_of(deployment(State::building), facts));
    auto polled = deployment(State::queued);
    polled.trigger = Trigger::poll;
    EXPECT_TRUE(report_of(polled, facts)) << "the poller saw it in git";
}

TEST(A_report, IsNotMadeForWhatIsNoAttemptAtACommit) {
    auto restart = deployment(State::starting);
    restart.plan = Plan::restart;
    restart.trigger = Trigger::manual;
    EXPECT_FALSE(report_of(restart, signed_facts()));
    restart.trigger = Trigger::rollback;
    EXPECT_TRUE(report_of(restart, signed_facts()));
    auto unknown = deployment(State::queued);
    unknown.commit.clear();
    EXPECT_FALSE(report_of(unknown, signed_facts()));
}

TEST(A_report, OfACommitThatIsLiveAlreadyKeepsItsSuccess) {
    auto facts = signed_facts();
    facts.live_commit = kCommit;
    auto again = deployment(State::superseded, Reason::superseded);
    EXPECT_EQ(report_of(again, facts)->state, ReportState::healthy);
    again.superseded_by = DeploymentId{13};
    EXPECT_EQ(report_of(again, facts)->state, ReportState::canceled);
    EXPECT_EQ(report_of(again, facts)->description, "Superseded by d13 (d12)");
}

TEST(A_report, ComesBackFromItsText) {
    auto one = report(ReportState::rolled_back);
    one.description = "caf\xC3\xA9 \"x\"";
    auto read = decode_report(encode(one));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, one);
    EXPECT_FALSE(decode_report("{}"));
    EXPECT_FALSE(decode_report("rubbish"));
}

// --- limits

TEST(A_text, IsCutAtAWholeCharacter) {
    EXPECT_EQ(cut("short", 140), "short");
    std::string umlauts;
    for (int i = 0; i < 141; ++i)
        umlauts += "\xC3\xBC";
    auto short_one = cut(umlauts, 140);
    EXPECT_EQ(short_one.size(), 139 * 2 + 3u);
    EXPECT_THAT(short_one, testing::EndsWith("\xC3\xBC\xE2\x80\xA6"));
    EXPECT_EQ(cut(umlauts.substr(2), 140), umlauts.substr(2)) << "140 characters are not too many";
    EXPECT_EQ(cut("\xF0\x9F\x9A\x80\xF0\x9F\x9A\x80", 2), "\xF0\x9F\x9A\x80\xF0\x9F\x9A\x80");
}

TEST(A_text, HasNoControlCharactersAndIsUtf8) {
    EXPECT_EQ(cut("a\nb\tc\x7F", 10), "a b c ");
    EXPECT_EQ(cut("a\xFF\xC3", 10), "a\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(cut("\xED\xA0\x80", 10), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") << "a surrogate";
}

TEST(A_key, IsHashedWhereItIsTooLong) {
    EXPECT_EQ(status_key("shop"), "belay/shop");
    EXPECT_EQ(status_key(std::string(34, 'a')), "belay/" + std::string(34, 'a'));
    auto one = status_key(std::string(35, 'a'));
    auto other = status_key(std::string(35, 'a') + "b");
    EXPECT_EQ(one.size(), 40u);
    EXPECT_THAT(one, StartsWith("belay/aaaa"));
    EXPECT_NE(one, other);
    EXPECT_EQ(one, status_key(std::string(35, 'a')));
}

// --- requests

TEST(Github, IsToldAStatusAndADeployment) {
    const auto* api = status_api("github");
    std::string progress;
    auto one = report();
    auto request = api->next(one, place("github"), kToken, progress);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->method, "POST");
    EXPECT_EQ(request->url, "https://api.github.com/repos/acme/shop/statuses/" + kCommit);
    EXPECT_EQ(header(*request, "Authorization"), "Bearer t0ken-value");
    EXPECT_EQ(header(*request, "Accept"), "application/vnd.github+json");
    EXPECT_EQ(header(*request, "X-GitHub-Api-Version"), "2022-11-28");
    EXPECT_EQ(Json::parse(request->body),
              (Json{{"state", "pending"},
                    {"description", "Building (d12)"},
                    {"context", "belay/shop"},
                    {"target_url", "https://deploy.example.com/deployments/d12"}}));
    EXPECT_EQ(api->judge(one, answer(201), progress, {}).kind, Kind::told);

    request = api->next(one, place("github"), kToken, progress);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->url, "https://api.github.com/repos/acme/shop/deployments");
    EXPECT_EQ(Json::parse(request->body), (Json{{"ref", kCommit},
                                                {"task", "deploy"},
                                                {"auto_merge", false},
                                                {"required_contexts", Json::array()},
                                                {"environment", "shop"},
                                                {"description", "Building (d12)"},
                                                {"payload", {{"belay", "d12"}}}}));
    EXPECT_EQ(api->judge(one, answer(201, R"({"id": 4711})"), progress, {}).kind, Kind::told);

    request = api->next(one, place("github"), kToken, progress);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->url, "https://api.github.com/repos/acme/shop/deployments/4711/statuses");
    EXPECT_EQ(Json::parse(request->body),
              (Json{{"state", "in_progress"},
                    {"description", "Building (d12)"},
                    {"auto_inactive", true},
                    {"log_url", "https://deploy.example.com/deployments/d12"},
                    {"environment_url", "https://shop.example.com"}}));
    EXPECT_EQ(api->judge(one, answer(201), progress, {}).kind, Kind::told);
    EXPECT_FALSE(api->next(one, place("github"), kToken, progress));

    // The next step tells another status, but its deployment is in progress still.
    one.description = "Testing (d12)";
    request = api->next(one, place("github"), kToken, progress);
    ASSERT_TRUE(request);
    EXPECT_THAT(request->url, HasSubstr("/statuses/" + kCommit));
    EXPECT_EQ(api->judge(one, answer(201), progress, {}).kind, Kind::told);
    EXPECT_FALSE(api->next(one, place("github"), kToken, progress));

    one.state = ReportState::healthy;
    api->judge(one, answer(201), progress, {});
    request = api->next(one, place("github"), kToken, progress);
    ASSERT_TRUE(request);
    EXPECT_THAT(request->url, HasSubstr("/deployments/4711/statuses"));
    EXPECT_EQ(Json::parse(request->body)["state"], "success");
}

TEST(Github, IsToldStatusesAloneWhereTheTokenMayMakeNoDeployments) {
    const auto* api = status_api("github");
    std::string progress;
    auto one = report();
    api->judge(one, answer(201), progress, {});
    auto verdict = api->judge(
        one, answer(403, R"({"message": "Resource not accessible by personal access token"})"),
        progress, {});
    EXPECT_EQ(verdict.kind, Kind::give_up);
    EXPECT_THAT(verdict.reason, StartsWith("deployments: answered 403"));
    EXPECT_FALSE(api->next(one, place("github"), kToken, progress));
    one.description = "Testing (d12)";
    EXPECT_TRUE(api->next(one, place("github"), kToken, progress));
    api->judge(one, answer(201), progress, {});
    EXPECT_FALSE(api->next(one, place("github"), kToken, progress)) << "asked for once";
}

TEST(Github, MakesNoDeploymentOfWhatWasCanceledBeforeItBegan) {
    const auto* api = status_api("github");
    std::string progress;
    auto one = report(ReportState::canceled);
    api->judge(one, answer(201), progress, {});
    EXPECT_FALSE(api->next(one, place("github"), kToken, progress));
}

TEST(Github, OfACompanyLiesBelowApiV3) {
    auto request = status_api("github")->next(
        report(), place_of({"https", "git.example.com", 0, "/acme/shop"}, "github", ""), kToken,
        "");
    EXPECT_THAT(request->url, StartsWith("https://git.example.com/api/v3/repos/acme/shop/"));
}

TEST(Gitlab, IsToldTheStatusOfItsPipeline) {
    auto request = first_request("gitlab", report());
    EXPECT_EQ(request.url,
              "https://gitlab.com/api/v4/projects/group%2Fsub%2Fshop/statuses/" + kCommit);
    EXPECT_EQ(header(request, "PRIVATE-TOKEN"), "t0ken-value");
    EXPECT_EQ(Json::parse(request.body),
              (Json{{"state", "running"},
                    {"name", "belay/shop"},
                    {"description", "Building (d12)"},
                    {"ref", "main"},
                    {"target_url", "https://deploy.example.com/deployments/d12"}}));
}

TEST(Gitlab, IsNotToldAStateThatItHas) {
    const auto* api = status_api("gitlab");
    std::string progress;
    auto one = report();
    EXPECT_EQ(api->judge(one, answer(201), progress, {}).kind, Kind::told);
    one.description = "Testing (d12)";
    EXPECT_FALSE(api->next(one, place("gitlab"), kToken, progress));
    auto refused =
        answer(400, R"({"message":{"state":["Cannot transition status via :run from :running"]}})");
    progress.clear();
    EXPECT_EQ(api->judge(one, refused, progress, {}).kind, Kind::told);
    EXPECT_EQ(api->judge(one, answer(400, R"({"message": "ref is invalid"})"), progress, {}).kind,
              Kind::give_up);
}

TEST(Gitlab, IsGivenNoAddressThatIsTooLong) {
    auto one = report();
    one.page_url = "https://deploy.example.com/" + std::string(255, 'x');
    EXPECT_EQ(Json::parse(first_request("gitlab", one).body)["target_url"],
              "https://shop.example.com");
    one.site_url.clear();
    EXPECT_FALSE(Json::parse(first_request("gitlab", one).body).contains("target_url"));
}

TEST(Gitea_and_Forgejo, AreToldAStatus) {
    auto request = first_request("gitea", report());
    EXPECT_EQ(request.url, "https://gitea.com/api/v1/repos/acme/shop/statuses/" + kCommit);
    EXPECT_EQ(header(request, "Authorization"), "token t0ken-value");
    EXPECT_EQ(Json::parse(request.body),
              (Json{{"state", "pending"},
                    {"context", "belay/shop"},
                    {"description", "Building (d12)"},
                    {"target_url", "https://deploy.example.com/deployments/d12"}}));
    EXPECT_EQ(first_request("forgejo", report()).url,
              "https://codeberg.org/api/v1/repos/acme/shop/statuses/" + kCommit);
}

TEST(Bitbucket_Cloud, IsToldABuildStatus) {
    auto request = first_request("bitbucket-cloud", report());
    EXPECT_EQ(request.url, "https://api.bitbucket.org/2.0/repositories/acme/shop/commit/" +
                               kCommit + "/statuses/build");
    EXPECT_EQ(header(request, "Authorization"), "Bearer t0ken-value");
    EXPECT_EQ(Json::parse(request.body),
              (Json{{"key", "belay/shop"},
                    {"state", "INPROGRESS"},
                    {"name", "Belay: shop"},
                    {"url", "https://deploy.example.com/deployments/d12"},
                    {"description", "Building (d12)"},
                    {"refname", "main"}}));
}

TEST(Bitbucket_Cloud, IsAlwaysGivenAnAddress) {
    auto one = report();
    one.page_url.clear();
    one.site_url.clear();
    EXPECT_EQ(Json::parse(first_request("bitbucket-cloud", one).body)["url"],
              "https://bitbucket.org/acme/shop/commits/" + kCommit);
    one.page_url = "https://x/" + std::string(450, 'y');
    EXPECT_EQ(Json::parse(first_request("bitbucket-server", one).body)["url"],
              "https://git.example.com/projects/ACME/repos/shop/commits/" + kCommit);
}

TEST(Bitbucket, TakesATokenWithAColonForUserAndPassword) {
    auto request = status_api("bitbucket-cloud")
                       ->next(report(), place("bitbucket-cloud"), Secret("ann@x.org:pass"), "");
    EXPECT_EQ(header(*request, "Authorization"), "Basic YW5uQHgub3JnOnBhc3M=");
}

TEST(Bitbucket_Data_Center, IsToldABuildOfTheCommit) {
    auto request = first_request("bitbucket-server", report(ReportState::canceled));
    EXPECT_EQ(request.url,
              "https://git.example.com/rest/api/latest/projects/ACME/repos/shop/commits/" +
                  kCommit + "/builds");
    EXPECT_EQ(Json::parse(request.body),
              (Json{{"key", "belay/shop"},
                    {"state", "CANCELLED"},
                    {"name", "Belay: shop"},
                    {"url", "https://deploy.example.com/deployments/d12"},
                    {"description", "Building (d12)"},
                    {"ref", "refs/heads/main"}}));
}

TEST(Azure_DevOps, IsToldAStatus) {
    auto request = first_request("azure-devops", report());
    EXPECT_EQ(request.url,
              "https://dev.azure.com/acme/My%20Web/_apis/git/repositories/shop/commits/" + kCommit +
                  "/statuses?api-version=7.1");
    EXPECT_EQ(header(request, "Authorization"), "Basic OnQwa2VuLXZhbHVl");
    EXPECT_EQ(Json::parse(request.body),
              (Json{{"state", "pending"},
                    {"description", "Building (d12)"},
                    {"context", {{"name", "shop"}, {"genre", "belay"}}},
                    {"targetUrl", "https://deploy.example.com/deployments/d12"}}));
}

TEST(Azure_DevOps, ShowsAPageToWhomItDoesNotKnow) {
    std::string progress;
    auto verdict = status_api("azure-devops")->judge(report(), answer(203, "<html>"), progress, {});
    EXPECT_EQ(verdict.kind, Kind::give_up);
    EXPECT_THAT(verdict.reason, HasSubstr("does not know [status] token"));
}

// reference/webhooks.md §10, last table.
TEST(Every_forge, HasAWordForEveryState) {
    const std::map<std::string, std::vector<std::string>> kWords{
        {"github", {"pending", "pending", "success", "failure", "failure", "error", "error"}},
        {"gitlab", {"pending", "running", "success", "failed", "failed", "failed", "canceled"}},
        {"gitea", {"pending", "pending", "success", "failure", "failure", "error", "warning"}},
        {"forgejo", {"pending", "pending", "success", "failure", "failure", "error", "warning"}},
        {"bitbucket-cloud",
         {"INPROGRESS", "INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED", "FAILED", "STOPPED"}},
        {"bitbucket-server",
         {"INPROGRESS", "INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED", "FAILED", "CANCELLED"}},
        {"azure-devops",
         {"pending", "pending", "succeeded", "failed", "failed", "error", "notApplicable"}},
    };
    const ReportState states[] = {
        ReportState::queued,      ReportState::running, ReportState::healthy, ReportState::failed,
        ReportState::rolled_back, ReportState::error,   ReportState::canceled};
    for (const auto& [forge, words] : kWords)
        for (std::size_t i = 0; i < words.size(); ++i)
            EXPECT_EQ(Json::parse(first_request(forge, report(states[i])).body)["state"], words[i])
                << forge;
}

TEST(Every_forge, GetsTextsWithinItsLimits) {
    auto one = report();
    one.app = std::string(60, 'a');
    for (int i = 0; i < 200; ++i)
        one.description += "\xC3\xBC";
    for (const auto* forge :
         {"github", "gitlab", "gitea", "bitbucket-cloud", "bitbucket-server", "azure-devops"}) {
        auto body = Json::parse(first_request(forge, one).body);
        auto description = body["description"].get<std::string>();
        EXPECT_EQ(cut(description, 140), description) << forge;
        for (const auto* key : {"context", "key"})
            if (body.contains(key) && body[key].is_string())
                EXPECT_EQ(body[key].get<std::string>().size(), 40u) << forge;
    }
}

TEST(Forges_without_such_an_API, AreToldNothing) {
    for (const auto* forge : {"gogs", "gitee", "sourcehut", "generic", "auto", ""})
        EXPECT_EQ(status_api(forge), nullptr) << forge;
}

// --- answers

TEST(An_answer, OfAForgeInTroubleIsAskedForAgain) {
    for (int status : {408, 429, 500, 502, 503, 504}) {
        auto verdict = judge_answer(answer(status), {});
        EXPECT_EQ(verdict.kind, Kind::retry) << status;
        EXPECT_FALSE(verdict.after) << status;
    }
    EXPECT_EQ(judge_answer(answer(429, "", {{"retry-after", "17"}}), {}).after, Millis{17'000});
    EXPECT_EQ(judge_answer(answer(503, "", {{"Retry-After", "999999999999"}}), {}).after,
              Millis{3'600'000})
        << "an hour at most";
    EXPECT_FALSE(judge_answer(answer(429, "", {{"Retry-After", "-3"}}), {}).after);
}

TEST(An_answer, OfGithubsSpentRateLimitIsAskedForAgainAfterIt) {
    const TimePoint now{Seconds{1'700'000'000}};
    auto verdict =
        judge_answer(answer(403, R"({"message": "API rate limit exceeded"})",
                            {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1700000060"}}),
                     now);
    EXPECT_EQ(verdict.kind, Kind::retry);
    EXPECT_EQ(verdict.after, Millis{61'000});
    EXPECT_EQ(judge_answer(answer(403, "{}", {{"x-ratelimit-remaining", "12"}}), now).kind,
              Kind::give_up);
    EXPECT_EQ(judge_answer(answer(403, "{}", {{"Retry-After", "60"}}), now).kind, Kind::retry)
        << "its second limit says so";
}

TEST(An_answer, ThatRefusesNamesTheCure) {
    auto reason = [](int status, std::string body = "{}") {
        auto verdict = judge_answer(answer(status, std::move(body)), {});
        EXPECT_EQ(verdict.kind, Kind::give_up) << status;
        return verdict.reason;
    };
    EXPECT_THAT(reason(401), HasSubstr("[status] token"));
    EXPECT_THAT(reason(403), HasSubstr("scope"));
    EXPECT_THAT(reason(404), HasSubstr("[status] url"));
    EXPECT_THAT(
        reason(422, R"({"message": "Validation Failed", "errors": [{"message": "too long"}]})"),
        HasSubstr("Validation Failed: too long"));
    EXPECT_THAT(reason(400, R"({"error": {"message": "key: too long"}})"),
                HasSubstr("key: too long"));
    EXPECT_THAT(reason(400, "<html>" + std::string(5000, 'x')), Not(HasSubstr("html")));
    EXPECT_THAT(reason(422, "{\"message\": \"" + std::string(5000, 'x') + "\"}"),
                testing::SizeIs(testing::Lt(300u)));
    auto moved = judge_answer(answer(301, "", {{"Location", "https://elsewhere.example/"}}), {});
    EXPECT_EQ(moved.kind, Kind::give_up);
    EXPECT_THAT(moved.reason, HasSubstr("https://elsewhere.example/"));
}

}  // namespace
}  // namespace belay::forge
