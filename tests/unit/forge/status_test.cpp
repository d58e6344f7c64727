// Commit statuses: which states are told, the exact requests of each forge's API, and what answers
// mean.
#include "forge/status_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace belay::forge {
namespace {

using domain::Reason;
using domain::State;
using ports::StatusReport;
using ports::Verdict;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Kind = Verdict::Kind;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";
const Secret kToken("t0ken-value");

StatusReport report(std::string forge, State state = State::building,
                    Reason reason = Reason::none) {
    static const std::map<std::string, std::string> kRepositories{
        {"github", "git@github.com:acme/shop.git"},
        {"gitlab", "https://gitlab.com/group/sub/shop.git"},
        {"gitea", "https://gitea.com/acme/shop.git"},
        {"forgejo", "https://codeberg.org/acme/shop.git"},
        {"bitbucket-cloud", "https://bitbucket.org/acme/shop.git"},
        {"bitbucket-server", "https://git.example.com/scm/ACME/shop.git"},
        {"azure-devops", "https://dev.azure.com/acme/My%20Web/_git/shop"},
    };
    StatusReport one;
    one.repo = kRepositories.at(forge);
    one.forge = std::move(forge);
    one.sha = kCommit;
    one.ref = "refs/heads/main";
    one.app = "shop";
    one.deployment = DeploymentId{12};
    one.state = state;
    one.reason = reason;
    one.description = "Building (d12)";
    one.target_url = "https://deploy.example.com/deployments/d12";
    one.environment_url = "https://shop.example.com";
    return one;
}

HttpAnswer answer(int status, std::string body = "{}",
                  std::vector<std::pair<std::string, std::string>> headers = {}) {
    HttpAnswer one;
    one.status = status;
    one.body = std::move(body);
    one.headers = std::move(headers);
    return one;
}

std::string header(const HttpRequest& from, std::string_view name) {
    for (const auto& [field, value] : from.headers)
        if (field == name) return value;
    return {};
}

ports::StatusForge::Step step(const StatusReport& one, std::vector<HttpAnswer> answers = {},
                              TimePoint now = {}) {
    return status_forges().find(one.forge)->next(one, kToken, answers, now);
}
HttpRequest request(const StatusReport& one, std::vector<HttpAnswer> answers = {}) {
    auto made = step(one, std::move(answers));
    auto* is_request = std::get_if<HttpRequest>(&made);
    EXPECT_TRUE(is_request) << one.forge;
    return is_request ? *is_request : HttpRequest{};
}
Verdict verdict(const StatusReport& one, std::vector<HttpAnswer> answers) {
    auto made = step(one, std::move(answers));
    auto* is_verdict = std::get_if<Verdict>(&made);
    EXPECT_TRUE(is_verdict) << one.forge;
    return is_verdict ? *is_verdict : Verdict{};
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
    auto one = report("github");
    auto first = request(one);
    EXPECT_EQ(first.method, "POST");
    EXPECT_EQ(first.url, "https://api.github.com/repos/acme/shop/statuses/" + kCommit);
    EXPECT_EQ(header(first, "Authorization"), "Bearer t0ken-value");
    EXPECT_EQ(header(first, "Accept"), "application/vnd.github+json");
    EXPECT_EQ(header(first, "X-GitHub-Api-Version"), "2022-11-28");
    ASSERT_EQ(first.secrets.size(), 1u);
    EXPECT_EQ(first.secrets[0].reveal(), "t0ken-value");
    EXPECT_EQ(Json::parse(first.body),
              (Json{{"state", "pending"},
                    {"description", "Building (d12)"},
                    {"context", "belay/shop"},
                    {"target_url", "https://deploy.example.com/deployments/d12"}}));

    auto look = request(one, {answer(201)});
    EXPECT_EQ(look.method, "GET");
    EXPECT_EQ(look.url, "https://api.github.com/repos/acme/shop/deployments?sha=" + kCommit +
                            "&environment=shop&per_page=30");
    EXPECT_EQ(look.body, "");

    auto make = request(one, {answer(201), answer(200, "[]")});
    EXPECT_EQ(make.url, "https://api.github.com/repos/acme/shop/deployments");
    EXPECT_EQ(Json::parse(make.body), (Json{{"ref", kCommit},
                                            {"task", "deploy"},
                                            {"auto_merge", false},
                                            {"required_contexts", Json::array()},
                                            {"environment", "shop"},
                                            {"description", "Building (d12)"},
                                            {"payload", {{"belay", "d12"}}}}));

    auto set = request(one, {answer(201), answer(200, "[]"), answer(201, R"({"id": 4711})")});
    EXPECT_EQ(set.url, "https://api.github.com/repos/acme/shop/deployments/4711/statuses");
    EXPECT_EQ(Json::parse(set.body),
              (Json{{"state", "in_progress"},
                    {"description", "Building (d12)"},
                    {"auto_inactive", true},
                    {"log_url", "https://deploy.example.com/deployments/d12"},
                    {"environment_url", "https://shop.example.com"}}));
    EXPECT_EQ(
        verdict(one, {answer(201), answer(200, "[]"), answer(201, R"({"id": 4711})"), answer(201)})
            .kind,
        Kind::done);
}

TEST(Github, IsNotGivenASecondDeploymentOfTheSame) {
    auto one = report("github", State::healthy);
    const auto list = answer(200, R"([{"id": 3, "payload": {"belay": "d11"}},
        {"id": 4, "payload": "{\"belay\": \"d12\"}"}, {"id": 5, "payload": ""}])");
    auto set = request(one, {answer(201), list});
    EXPECT_EQ(set.url, "https://api.github.com/repos/acme/shop/deployments/4/statuses");
    EXPECT_EQ(Json::parse(set.body)["state"], "success");
    EXPECT_EQ(verdict(one, {answer(201), list, answer(201)}).kind, Kind::done);
}

TEST(Github, IsToldStatusesAloneWhereTheTokenMayMakeNoDeployments) {
    const auto refusal =
        answer(403, R"({"message": "Resource not accessible by personal access token"})");
    for (auto answers : {std::vector{answer(201), refusal},
                         std::vector{answer(201), answer(200, "[]"), refusal}}) {
        EXPECT_EQ(verdict(report("github"), answers).kind, Kind::done)
            << "on the way it is no news";
        auto end = verdict(report("github", State::healthy), answers);
        EXPECT_EQ(end.kind, Kind::give_up);
        EXPECT_THAT(end.why, HasSubstr("Deployments: write"));
        EXPECT_THAT(end.why, HasSubstr("Resource not accessible"));
    }
    EXPECT_EQ(verdict(report("github"), {answer(201), answer(502)}).kind, Kind::retry);
}

TEST(Github, MakesNoDeploymentOfWhatWasCanceledBeforeItBegan) {
    auto one = report("github", State::superseded, Reason::superseded);
    EXPECT_EQ(verdict(one, {answer(201), answer(200, "[]")}).kind, Kind::done);
    EXPECT_EQ(Json::parse(request(one, {answer(201),
                                        answer(200, R"([{"id": 4, "payload": {"belay": "d12"}}])")})
                              .body)["state"],
              "inactive");
}

TEST(Github, OfACompanyLiesBelowApiV3) {
    auto one = report("github");
    one.repo = "https://git.example.com/acme/shop";
    EXPECT_THAT(request(one).url, StartsWith("https://git.example.com/api/v3/repos/acme/shop/"));
    one.api_url = "http://127.0.0.1:8000/api/v3";
    EXPECT_THAT(request(one).url, StartsWith("http://127.0.0.1:8000/api/v3/repos/acme/shop/"));
}

TEST(Gitlab, IsToldTheStatusOfItsPipeline) {
    auto sent = request(report("gitlab"));
    EXPECT_EQ(sent.url,
              "https://gitlab.com/api/v4/projects/group%2Fsub%2Fshop/statuses/" + kCommit);
    EXPECT_EQ(header(sent, "PRIVATE-TOKEN"), "t0ken-value");
    EXPECT_EQ(Json::parse(sent.body),
              (Json{{"state", "running"},
                    {"name", "belay/shop"},
                    {"description", "Building (d12)"},
                    {"ref", "main"},
                    {"target_url", "https://deploy.example.com/deployments/d12"}}));
}

TEST(Gitlab, HasAStateAlreadyWhereItRefusesToGoThere) {
    auto refused =
        answer(400, R"({"message":{"state":["Cannot transition status via :run from :running"]}})");
    EXPECT_EQ(verdict(report("gitlab"), {refused}).kind, Kind::done);
    auto other = answer(400, R"({"message": "ref is invalid"})");
    EXPECT_EQ(verdict(report("gitlab"), {other}).kind, Kind::give_up);
}

TEST(Gitlab, IsGivenNoAddressThatIsTooLong) {
    auto one = report("gitlab");
    one.target_url = "https://deploy.example.com/" + std::string(255, 'x');
    EXPECT_EQ(Json::parse(request(one).body)["target_url"], "https://shop.example.com");
    one.environment_url.clear();
    EXPECT_FALSE(Json::parse(request(one).body).contains("target_url"));
}

TEST(Gitea_and_Forgejo, AreToldAStatus) {
    auto sent = request(report("gitea"));
    EXPECT_EQ(sent.url, "https://gitea.com/api/v1/repos/acme/shop/statuses/" + kCommit);
    EXPECT_EQ(header(sent, "Authorization"), "token t0ken-value");
    EXPECT_EQ(Json::parse(sent.body),
              (Json{{"state", "pending"},
                    {"context", "belay/shop"},
                    {"description", "Building (d12)"},
                    {"target_url", "https://deploy.example.com/deployments/d12"}}));
    EXPECT_EQ(request(report("forgejo")).url,
              "https://codeberg.org/api/v1/repos/acme/shop/statuses/" + kCommit);
}

TEST(Bitbucket_Cloud, IsToldABuildStatus) {
    auto sent = request(report("bitbucket-cloud"));
    EXPECT_EQ(sent.url, "https://api.bitbucket.org/2.0/repositories/acme/shop/commit/" + kCommit +
                            "/statuses/build");
    EXPECT_EQ(header(sent, "Authorization"), "Bearer t0ken-value");
    EXPECT_EQ(Json::parse(sent.body), (Json{{"key", "belay/shop"},
                                            {"state", "INPROGRESS"},
                                            {"name", "Belay: shop"},
                                            {"url", "https://deploy.example.com/deployments/d12"},
                                            {"description", "Building (d12)"},
                                            {"refname", "main"}}));
}

TEST(Bitbucket, IsAlwaysGivenAnAddress) {
    auto one = report("bitbucket-cloud");
    one.target_url.clear();
    one.environment_url.clear();
    EXPECT_EQ(Json::parse(request(one).body)["url"],
              "https://bitbucket.org/acme/shop/commits/" + kCommit);
    one = report("bitbucket-server");
    one.environment_url.clear();
    one.target_url = "https://x/" + std::string(450, 'y');
    EXPECT_EQ(Json::parse(request(one).body)["url"],
              "https://git.example.com/projects/ACME/repos/shop/commits/" + kCommit);
}

TEST(Bitbucket, TakesATokenWithAColonForUserAndPassword) {
    auto made = status_forges()
                    .find("bitbucket-cloud")
                    ->next(report("bitbucket-cloud"), Secret("ann@x.org:pass"), {}, {});
    EXPECT_EQ(header(std::get<HttpRequest>(made), "Authorization"), "Basic YW5uQHgub3JnOnBhc3M=");
}

TEST(Bitbucket_Data_Center, IsToldABuildOfTheCommit) {
    auto sent = request(report("bitbucket-server", State::canceled, Reason::canceled));
    EXPECT_EQ(sent.url,
              "https://git.example.com/rest/api/latest/projects/ACME/repos/shop/commits/" +
                  kCommit + "/builds");
    EXPECT_EQ(Json::parse(sent.body), (Json{{"key", "belay/shop"},
                                            {"state", "CANCELLED"},
                                            {"name", "Belay: shop"},
                                            {"url", "https://deploy.example.com/deployments/d12"},
                                            {"description", "Building (d12)"},
                                            {"ref", "refs/heads/main"}}));
}

TEST(Azure_DevOps, IsToldAStatus) {
    auto sent = request(report("azure-devops"));
    EXPECT_EQ(sent.url, "https://dev.azure.com/acme/My%20Web/_apis/git/repositories/shop/commits/" +
                            kCommit + "/statuses?api-version=7.1");
    EXPECT_EQ(header(sent, "Authorization"), "Basic OnQwa2VuLXZhbHVl");
    EXPECT_EQ(Json::parse(sent.body),
              (Json{{"state", "pending"},
                    {"description", "Building (d12)"},
                    {"context", {{"name", "shop"}, {"genre", "belay"}}},
                    {"targetUrl", "https://deploy.example.com/deployments/d12"}}));
}

TEST(Azure_DevOps, ShowsAPageToWhomItDoesNotKnow) {
    for (int status : {203, 302}) {
        auto judged = verdict(report("azure-devops"), {answer(status, "<html>")});
        EXPECT_EQ(judged.kind, Kind::give_up);
        EXPECT_THAT(judged.why, HasSubstr("does not know [status] token"));
    }
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
    const std::pair<State, Reason> states[] = {
        {State::queued, Reason::none},
        {State::testing, Reason::none},
        {State::healthy, Reason::none},
        {State::failed, Reason::build_failed},
        {State::rolled_back, Reason::error_ratio},
        {State::failed, Reason::internal},
        {State::superseded, Reason::superseded},
    };
    for (const auto& [forge, words] : kWords)
        for (std::size_t i = 0; i < words.size(); ++i)
            EXPECT_EQ(Json::parse(
                          request(report(forge, states[i].first, states[i].second)).body)["state"],
                      words[i])
                << forge << " " << i;
}

TEST(Every_forge, GetsTextsWithinItsLimits) {
    for (const auto* forge :
         {"github", "gitlab", "gitea", "bitbucket-cloud", "bitbucket-server", "azure-devops"}) {
        auto one = report(forge);
        one.app = std::string(60, 'a');
        for (int i = 0; i < 200; ++i)
            one.description += "\xC3\xBC";
        auto body = Json::parse(request(one).body);
        auto description = body["description"].get<std::string>();
        EXPECT_EQ(cut(description, 140), description) << forge;
        for (const auto* key : {"context", "key"})
            if (body.contains(key) && body[key].is_string()) {
                EXPECT_EQ(body[key].get<std::string>().size(), 40u) << forge;
            }
    }
}

TEST(Forges_without_such_an_API, AreToldNothing) {
    for (const auto* forge : {"gogs", "gitee", "sourcehut", "generic", "auto", ""})
        EXPECT_EQ(status_forges().find(forge), nullptr) << forge;
}

TEST(A_forge, IsFoundByItsSettingOrByTheHost) {
    auto name = [](const char* setting, const char* repo) -> std::string_view {
        auto forge = forge_directory().find(setting, repo);
        return forge ? forge->name : "";
    };
    EXPECT_EQ(name("auto", "git@github.com:acme/shop.git"), "github");
    EXPECT_EQ(name("gitea", "https://git.lan/acme/shop"), "gitea");
    EXPECT_EQ(name("auto", "https://git.lan/acme/shop"), "");
    EXPECT_EQ(name("generic", "https://codeberg.org/acme/shop"), "forgejo");
    EXPECT_EQ(name("auto", "/srv/git/shop.git"), "");
}

TEST(Forges, AreTrustedForACommitWhereTheySignWhatTheyDeliver) {
    for (const auto* forge : {"github", "gitea", "forgejo", "bitbucket-cloud", "bitbucket-server"})
        EXPECT_TRUE(forge_directory().find(forge, "https://h/a/b")->signs_its_deliveries) << forge;
    for (const auto* forge : {"gitlab", "azure-devops"})
        EXPECT_FALSE(forge_directory().find(forge, "https://h/a/b")->signs_its_deliveries) << forge;
    EXPECT_FALSE(forge_directory().find("gogs", "https://h/a/b"));
}

// --- answers

TEST(An_answer, OfAForgeInTroubleIsAskedForAgain) {
    for (int status : {408, 429, 500, 502, 503, 504}) {
        auto judged = judge_status(answer(status), {});
        EXPECT_EQ(judged.kind, Kind::retry) << status;
        EXPECT_EQ(judged.retry_after, Millis{0}) << status;
    }
    EXPECT_EQ(judge_status(answer(429, "", {{"retry-after", "17"}}), {}).retry_after,
              Millis{17'000});
    EXPECT_EQ(judge_status(answer(503, "", {{"Retry-After", "999999999999"}}), {}).retry_after,
              Millis{3'600'000})
        << "an hour at most";
    EXPECT_EQ(judge_status(answer(429, "", {{"Retry-After", "-3"}}), {}).retry_after, Millis{0});
}

TEST(An_answer, OfGithubsSpentRateLimitIsAskedForAgainAfterIt) {
    const TimePoint now{Seconds{1'700'000'000}};
    auto verdict =
        judge_status(answer(403, R"({"message": "API rate limit exceeded"})",
                            {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1700000060"}}),
                     now);
    EXPECT_EQ(verdict.kind, Kind::retry);
    EXPECT_EQ(verdict.retry_after, Millis{61'000});
    EXPECT_EQ(judge_status(answer(403, "{}", {{"x-ratelimit-remaining", "12"}}), now).kind,
              Kind::give_up);
    EXPECT_EQ(judge_status(answer(403, "{}", {{"Retry-After", "60"}}), now).kind, Kind::retry)
        << "its second limit says so";
}

TEST(An_answer, ThatRefusesNamesTheCure) {
    auto reason = [](int status, std::string body = "{}") {
        auto judged = judge_status(answer(status, std::move(body)), {});
        EXPECT_EQ(judged.kind, Kind::give_up) << status;
        return judged.why;
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
    auto moved = judge_status(answer(301, "", {{"Location", "https://elsewhere.example/"}}), {});
    EXPECT_EQ(moved.kind, Kind::give_up);
    EXPECT_THAT(moved.why, HasSubstr("https://elsewhere.example/"));
}

}  // namespace
}  // namespace belay::forge
