// The command line where the daemon is elsewhere: address, token, and what is never said.
#include "command_run.hpp"
#include "fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace belay::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kToken = "belay_abcdefghijklmnop";

// A variable of this process for the time of a test.
class Variable {
  public:
    Variable(const char* name, const std::string& value) : name_(name) {
        ::setenv(name, value.c_str(), 1);
    }
    ~Variable() { ::unsetenv(name_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

  private:
    const char* name_;
};

std::string url_of(const FakeDaemon& daemon) {
    return "http://127.0.0.1:" + std::to_string(daemon.port());
}

TEST(Network, SendsTheTokenToTheAddressThatIsNamed) {
    CommandRun belay;
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.json(200, "{\"ok\": true}"); });
    Variable token("BELAY_TOKEN", std::string(kToken) + "\n");
    auto outcome = belay({"resume", "shop", "--url", url_of(daemon) + "/base/"});
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    auto seen = daemon.seen().at(0);
    EXPECT_EQ(seen.target, "/base/api/v1/apps/shop/resume");
    EXPECT_EQ(seen.headers["authorization"], std::string("Bearer ") + kToken);
    EXPECT_EQ(seen.headers["host"], url_of(daemon).substr(7));
    EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr(kToken)));
}

TEST(Network, TheSocketNeverSeesTheToken) {
    CommandRun belay;
    FakeDaemon daemon(belay.socket(),
                      [](const Seen&, Answer& answer) { answer.json(200, "{\"ok\": true}"); });
    Variable token("BELAY_TOKEN", kToken);
    EXPECT_EQ(belay({"resume", "shop"}).code, kDone);
    auto seen = daemon.seen().at(0);
    EXPECT_EQ(seen.headers.count("authorization"), 0u);
}

TEST(Network, TheAddressOnTheCommandLineCountsMoreThanTheEnvironment) {
    CommandRun belay;
    auto fine = [](const Seen&, Answer& answer) { answer.json(200, "{\"ok\": true}"); };
    FakeDaemon local(belay.socket(), fine);
    FakeDaemon remote("", fine);
    Variable url("BELAY_URL", url_of(remote));
    EXPECT_EQ(belay({"resume", "shop"}).code, kDone);
    EXPECT_EQ(remote.seen().size(), 1u);
    EXPECT_EQ(belay({"resume", "shop", "--socket", belay.socket()}).code, kDone);
    EXPECT_EQ(local.seen().size(), 1u);
    EXPECT_EQ(belay({"--url", url_of(remote), "resume", "shop"}).code, kDone);
    EXPECT_EQ(remote.seen().size(), 2u);
    EXPECT_EQ(belay({"resume", "shop", "--socket", "/s", "--url", "https://x"}).code, kUsage);
}

TEST(Network, RefusesAddressesThatAreNoneWithoutRepeatingThem) {
    CommandRun belay;
    for (const std::string url :
         {"deploy.example.com", "ftp://x", "https://", "https://:443", "https://x:0",
          "https://x:70000", "https://x:4y", "https://ann:hunter2@x", "https://x?token=hunter2",
          "https://x#hunter2", "http://deploy.example.com", "http://10.0.0.1:8080"}) {
        auto outcome = belay({"status", "--url", url});
        EXPECT_EQ(outcome.code, kUsage) << url;
        EXPECT_THAT(outcome.err, HasSubstr("https://deploy.example.com")) << url;
        EXPECT_THAT(outcome.err, Not(HasSubstr("hunter2"))) << url;
    }
    Variable token("BELAY_TOKEN", "hunter2\r\nX-Evil: 1");
    auto outcome = belay({"status", "--url", "http://127.0.0.1:1"});
    EXPECT_EQ(outcome.code, kUsage);
    EXPECT_THAT(outcome.err, Not(HasSubstr("hunter2")));
}

TEST(Network, MapsAnswersToExitCodes) {
    CommandRun belay;
    int status = 401;
    FakeDaemon daemon("", [&](const Seen&, Answer& answer) { answer.problem(status, "because"); });
    auto url = url_of(daemon);
    auto without = belay({"resume", "shop", "--url", url});
    EXPECT_EQ(without.code, kNotAllowed);
    EXPECT_THAT(without.err, HasSubstr("because\nBELAY_TOKEN holds it."));
    Variable token("BELAY_TOKEN", kToken);
    auto with = belay({"resume", "shop", "--url", url});
    EXPECT_EQ(with.code, kNotAllowed);
    EXPECT_THAT(with.err, HasSubstr("the one in BELAY_TOKEN"));
    EXPECT_THAT(with.err, Not(HasSubstr(kToken)));
    for (auto [answered, code] :
         {std::pair{403, kNotAllowed}, {404, kNoSuchThing}, {409, kFailed}, {503, kFailed}}) {
        status = answered;
        EXPECT_EQ(belay({"resume", "shop", "--url", url}).code, code) << answered;
    }
    status = 301;
    EXPECT_THAT(belay({"resume", "shop", "--url", url}).err, HasSubstr("sends elsewhere"));
    auto gone = belay({"status", "--url", "http://127.0.0.1:1"});
    EXPECT_EQ(gone.code, kNoDaemon);
    EXPECT_THAT(gone.err, HasSubstr("127.0.0.1:1"));
    EXPECT_THAT(gone.err, HasSubstr("BELAY_URL"));
}

TEST(Tokens, AreMadeListedAndRevoked) {
    CommandRun belay;
    std::string body =
        R"({"name":"ci","role":"deploy","created_by":"root","created_at":"2026-11-22T11:00:00.000Z",
            "expires_at":"2026-11-22T10:00:00.000Z","last_used_at":null,"last_used_from":null)";
    FakeDaemon daemon(belay.socket(), [&](const Seen& seen, Answer& answer) {
        if (seen.method == "POST" && seen.target == "/api/v1/tokens")
            answer.json(201, body + R"(,"token":"belay_new"})");
        else if (seen.method == "POST")
            answer.json(200, R"({"ok":true})");
        else
            answer.json(200, R"({"items":[)" + body + R"(}],"next":null})");
    });
    auto made = belay({"token", "create", "ci", "--role", "deploy", "--expires", "90d"});
    EXPECT_EQ(made.code, kDone) << made.err;
    EXPECT_EQ(made.out, "belay_new\n") << "a script takes it as it is";
    EXPECT_THAT(made.err, HasSubstr("this once"));
    auto seen = daemon.seen().back();
    EXPECT_EQ(nlohmann::json::parse(seen.body),
              (nlohmann::json{{"name", "ci"}, {"role", "deploy"}, {"expires_in", "90d"}}));
    EXPECT_THAT(belay({"token", "create", "ci", "--json"}).out,
                HasSubstr("\"token\":\"belay_new\""));
    EXPECT_EQ(nlohmann::json::parse(daemon.seen().back().body)["role"], "read");
    auto list = belay({"token", "list"});
    EXPECT_THAT(list.out, HasSubstr("expired"));
    EXPECT_THAT(list.out, HasSubstr("deploy"));
    EXPECT_EQ(belay({"token", "revoke", "a/b"}).code, kDone);
    EXPECT_EQ(daemon.seen().back().target, "/api/v1/tokens/a%2Fb/revoke");
    EXPECT_EQ(belay({"token", "create", "ci", "--role", "root"}).code, kUsage);
    EXPECT_EQ(belay({"token", "create", "ci", "--expires", "soon"}).code, kUsage);
    EXPECT_EQ(belay({"token", "create"}).code, kUsage);
    EXPECT_EQ(belay({"token"}).code, kUsage);
}

TEST(Audit, ShowsActsAndRefusals) {
    CommandRun belay;
    FakeDaemon daemon(belay.socket(), [](const Seen&, Answer& answer) {
        answer.json(200, R"({"items":[
            {"id":9,"at":"2026-11-22T11:59:00.000Z","who":"token ci","role":"deploy","origin":"203.0.113.5",
             "act":"deploy","target":"shop","asked":{"ref":"ma\u001bin"},"status_code":202,"outcome":"d14"},
            {"id":8,"at":"2026-11-22T11:58:00.000Z","who":null,"role":"none","origin":"203.0.113.6",
             "act":"stop","target":null,"asked":null,"status_code":null,"outcome":null}],"next":null})");
    });
    auto outcome = belay({"audit", "-n", "5", "--before", "12"});
    EXPECT_EQ(daemon.seen().back().target, "/api/v1/audit?limit=5&before=12");
    EXPECT_THAT(outcome.out, HasSubstr("token ci"));
    EXPECT_THAT(outcome.out, HasSubstr("d14"));
    EXPECT_THAT(outcome.out, HasSubstr("begun"));
    EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
    EXPECT_EQ(belay({"audit", "--before", "d12"}).code, kUsage);
}

}  // namespace
}  // namespace belay::cli
