#include "command_run.hpp"
#include "fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace belay::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// Runs one command against a daemon that gives one answer.
struct Asked {
    Outcome outcome;
    Seen seen;
};

Asked ask(std::vector<std::string> arguments, int status, const std::string& body) {
    CommandRun belay;
    FakeDaemon daemon(belay.socket(),
                      [&](const Seen&, Answer& answer) { answer.json(status, body); });
    Asked asked{belay(std::move(arguments)), {}};
    if (auto seen = daemon.seen(); !seen.empty()) asked.seen = seen.front();
    return asked;
}

TEST(Acting, AsksWhatTheCommandSays) {
    struct Case {
        std::vector<std::string> arguments;
        std::string target;
        json body;
    };
    const std::string commit(40, 'a');
    for (const auto& each : std::vector<Case>{
             {{"deploy", "shop"}, "/api/v1/apps/shop/deploy", {{"force", false}}},
             {{"deploy", "shop", "--ref", "v2", "--force"},
              "/api/v1/apps/shop/deploy",
              {{"force", true}, {"ref", "v2"}}},
             {{"deploy", "shop", "--commit", commit},
              "/api/v1/apps/shop/deploy",
              {{"force", false}, {"commit", commit}}},
             {{"rollback", "shop"}, "/api/v1/apps/shop/rollback", {{"hold", true}}},
             {{"rollback", "shop", "--to", "41", "--no-hold"},
              "/api/v1/apps/shop/rollback",
              {{"hold", false}, {"to", 41}}},
             {{"cancel", "42"}, "/api/v1/deployments/d42/cancel", json::object()},
             {{"approve", "d42"}, "/api/v1/deployments/d42/approve", json::object()},
             {{"reject", "d42", "-m", "not now"},
              "/api/v1/deployments/d42/reject",
              {{"why", "not now"}}},
             {{"hold", "shop", "-m", "freeze"}, "/api/v1/apps/shop/hold", {{"why", "freeze"}}},
             {{"resume", "shop"}, "/api/v1/apps/shop/resume", json::object()},
             {{"redeliver", "w88"}, "/api/v1/deliveries/w88/redeliver", json::object()},
             {{"restart", "shop"}, "/api/v1/apps/shop/restart", json::object()},
             {{"stop", "shop"}, "/api/v1/apps/shop/stop", json::object()},
             {{"start", "shop"}, "/api/v1/apps/shop/start", json::object()},
             {{"remove", "shop", "--purge", "-y"}, "/api/v1/apps/shop/remove", {{"purge", true}}},
             {{"reload"}, "/api/v1/reload", json::object()},
             {{"notify", "test", "ops"}, "/api/v1/notify/ops/test", json::object()},
             {{"shutdown"}, "/api/v1/shutdown", json::object()},
         }) {
        auto asked = ask(each.arguments, 200, R"({"ok": true, "deployment": "d12", "note": null})");
        EXPECT_EQ(asked.seen.method, "POST") << each.target;
        EXPECT_EQ(asked.seen.target, each.target);
        EXPECT_EQ(json::parse(asked.seen.body), each.body) << each.target;
        EXPECT_EQ(asked.outcome.code, kDone) << each.target << asked.outcome.err;
        EXPECT_NE(asked.outcome.out, "") << each.target;
    }
}

TEST(Reading, AsksWhatTheCommandSays) {
    struct Case {
        std::vector<std::string> arguments;
        std::string target;
    };
    for (const auto& each : std::vector<Case>{
             {{"status"}, "/api/v1/apps"},
             {{"status", "shop"}, "/api/v1/apps/shop"},
             {{"history", "shop"}, "/api/v1/apps/shop/deployments?limit=20"},
             {{"history", "shop", "-n", "5", "--before", "d42"},
              "/api/v1/apps/shop/deployments?limit=5&before=42"},
             {{"show", "d42"}, "/api/v1/deployments/d42"},
             {{"releases", "shop"}, "/api/v1/apps/shop/releases"},
             {{"deliveries"}, "/api/v1/deliveries?limit=20"},
             {{"deliveries", "shop", "--before", "w9"},
              "/api/v1/deliveries?limit=20&before=9&app=shop"},
             {{"deliveries", "show", "w88"}, "/api/v1/deliveries/w88"},
             {{"why", "1a2b3c4"}, "/api/v1/why/1a2b3c4"},
             {{"logs", "shop", "--process", "web", "-f"},
              "/api/v1/apps/shop/logs?follow=1&process=web"},
             {{"logs", "d42"}, "/api/v1/deployments/d42/logs"},
             {{"logs", "d42", "--stage", "build"}, "/api/v1/deployments/d42/logs/build"},
         }) {
        auto asked = ask(each.arguments, 200, R"({"items": []})");
        EXPECT_EQ(asked.seen.method, "GET") << each.target;
        EXPECT_EQ(asked.seen.target, each.target);
        EXPECT_EQ(asked.outcome.code, kDone) << each.target << asked.outcome.err;
    }
}

TEST(Json, IsTheApisOwnUnchanged) {
    const std::string body =
        "{\"items\" : [ {\"name\":\"shop\", \"later\": 1.50} ],\"next\":null}\n";
    EXPECT_EQ(ask({"status", "--json"}, 200, body).outcome.out, body);
    EXPECT_EQ(ask({"--json", "deploy", "shop"}, 202, "{\"deployment\": \"d1\"}").outcome.out,
              "{\"deployment\": \"d1\"}\n");
}

TEST(Problems, BecomeExitCodes) {
    for (auto [status, code] : {std::pair{400, kFailed},
                                {403, kNotAllowed},
                                {404, kNoSuchThing},
                                {409, kFailed},
                                {500, kFailed},
                                {503, kFailed}}) {
        auto asked =
            ask({"cancel", "d42"}, status, R"({"title": "T", "detail": "d42 is switching"})");
        EXPECT_EQ(asked.outcome.code, code) << status;
        EXPECT_EQ(asked.outcome.err, "belay: d42 is switching\n");
    }
}

TEST(Usage, ErrorsNeverReachTheDaemon) {
    const std::string commit(40, 'a');
    for (const auto& arguments : std::vector<std::vector<std::string>>{
             {"show", "shop"},
             {"cancel", "shop"},
             {"deploy", "shop", "--commit", "1a2b3c4"},
             {"deploy", "shop", "--commit", commit, "--ref", "main"},
             {"rollback", "shop", "--to", "x"},
             {"rollback", "shop", "--to", "0"},
             {"history", "shop", "-n", "0"},
             {"history", "shop", "--before", "w9"},
             {"deliveries", "a", "b"},
             {"logs", "d42", "--process", "web"},
             {"logs", "shop", "--stage", "build"},
             {"logs", "Shop"},
             {"logs", "shop", "--since", "yesterday"},
             {"run", "shop"},
             {"redeliver", "d9"},
             {"remove", "shop"},
             {"completion", "csh"},
             {"help", "depoly"},
             {}}) {
        auto asked = ask(arguments, 200, "{}");
        EXPECT_EQ(asked.outcome.code, kUsage) << (arguments.empty() ? "" : arguments[0]);
        EXPECT_NE(asked.outcome.err, "");
        EXPECT_EQ(asked.seen.method, "");
    }
}

TEST(Reload, WithErrorsFails) {
    auto asked = ask(
        {"reload"}, 200,
        R"({"ok": false, "complaints": [{"file": "belay.toml", "line": 2, "column": 1, "message": "unknown key"}], "changes": []})");
    EXPECT_EQ(asked.outcome.code, kFailed);
    EXPECT_EQ(asked.outcome.out, "belay.toml:2:1: unknown key\n");
}

TEST(Redeliver, OfWhatIsIgnoredSaysSo) {
    auto answer =
        R"({"delivery": "w89", "deployment": null, "decision": "ignored", "reason": "branch dev is not deployed"})";
    auto asked = ask({"redeliver", "w88"}, 200, answer);
    EXPECT_EQ(asked.outcome.code, kDone);
    EXPECT_EQ(asked.outcome.out, "ignored: branch dev is not deployed\n");
    EXPECT_EQ(ask({"redeliver", "w88", "--wait"}, 200, answer).outcome.code, kFailed);
}

TEST(Approve, OfAnAppTakesWhatWaitsThere) {
    CommandRun belay;
    std::string state = "awaiting_approval";
    FakeDaemon daemon(belay.socket(), [&](const Seen& seen, Answer& answer) {
        if (seen.method == "GET")
            answer.json(
                200, R"({"name": "shop", "deployment": {"id": "d42", "state": ")" + state + "\"}}");
        else
            answer.json(202, R"({"deployment": "d42", "note": null})");
    });
    EXPECT_EQ(belay({"approve", "shop"}).code, kDone);
    EXPECT_EQ(daemon.seen().back().target, "/api/v1/deployments/d42/approve");
    state = "building";
    auto outcome = belay({"approve", "shop"});
    EXPECT_EQ(outcome.code, kNoSuchThing);
    EXPECT_EQ(outcome.err, "belay: nothing of shop waits for approval\n");
}

TEST(Remove, AsksOnATerminal) {
    for (auto [typed, code] : {std::pair{"shop\n", kDone}, {"yes\n", kFailed}, {"", kFailed}}) {
        CommandRun belay;
        belay.in_is_terminal = true;
        belay.input = typed;
        FakeDaemon daemon(belay.socket(),
                          [&](const Seen&, Answer& answer) { answer.json(200, "{}"); });
        EXPECT_EQ(belay({"remove", "shop"}).code, code) << typed;
        EXPECT_EQ(daemon.seen().size(), code == kDone ? 1u : 0u);
    }
}

TEST(Run, StreamsTheOutputAndEndsAsTheCommandDid) {
    CommandRun belay;
    FakeDaemon daemon(belay.socket(), [&](const Seen&, Answer& answer) {
        answer.begin("text/plain", "Trailer: Belay-Exit-Code\r\n");
        answer.chunk("one\n");
        answer.chunk("two\n");
        answer.end("Belay-Exit-Code: 7\r\n");
    });
    auto outcome = belay({"run", "shop", "--", "sh", "-c", "exit 7"});
    EXPECT_EQ(outcome.code, 7);
    EXPECT_EQ(outcome.out, "one\ntwo\n");
    EXPECT_EQ(json::parse(daemon.seen()[0].body), json({{"argv", {"sh", "-c", "exit 7"}}}));
}

TEST(Run, ThatBreaksOffIsNoSuccess) {
    CommandRun belay;
    FakeDaemon daemon(belay.socket(), [&](const Seen&, Answer& answer) {
        answer.begin("text/plain");
        answer.chunk("one\n");
    });
    auto outcome = belay({"run", "shop", "true"});
    EXPECT_EQ(outcome.code, kNoDaemon);
    EXPECT_EQ(outcome.out, "one\n");
}

TEST(Logs, CopyTheDaemonsBytes) {
    CommandRun belay;
    const std::string bytes("a\x1b[31mred\0b\n", 12);
    FakeDaemon daemon(belay.socket(), [&](const Seen&, Answer& answer) {
        answer.begin("text/plain");
        answer.chunk(bytes);
        answer.end();
    });
    EXPECT_EQ(belay({"logs", "shop"}).out, bytes);
}

TEST(Status, OfOneAppGoesOnWithoutItsHistory) {
    CommandRun belay;
    FakeDaemon daemon(belay.socket(), [&](const Seen& seen, Answer& answer) {
        if (seen.target.find("deployments") != std::string::npos)
            answer.problem(500, "the database is gone");
        else
            answer.json(200, R"({"name": "shop", "state": "live"})");
    });
    auto outcome = belay({"status", "shop"});
    EXPECT_EQ(outcome.code, kDone);
    EXPECT_THAT(outcome.out, HasSubstr("shop  live"));
}

TEST(Locals, AreGivenWhatTheCommandLineSays) {
    CommandRun belay;
    ServeOptions served;
    CheckOptions checked;
    InitOptions made;
    std::vector<std::string> proxied, staged;
    belay.locals.serve = [&](ServeOptions options) { return served = options, 41; };
    belay.locals.check = [&](CheckOptions options) { return checked = options, 42; };
    belay.locals.init = [&](InitOptions options) { return made = options, 43; };
    belay.locals.proxy = [&](std::vector<std::string> arguments) {
        return proxied = arguments, 44;
    };
    belay.locals.stage = [&](std::vector<std::string> arguments) { return staged = arguments, 45; };
    EXPECT_EQ(belay({"serve", "--config", "/c"}).code, 41);
    EXPECT_EQ(belay({"check", "a", "b", "--json"}).code, 42);
    EXPECT_EQ(belay({"init", ".", "--name", "n", "--branch", "b"}).code, 43);
    EXPECT_EQ(belay({"proxy", "--x", "y"}).code, 44);
    EXPECT_EQ(belay({"stage", "fetch"}).code, 45);
    std::vector<UnitOptions> rules;
    belay.locals.unit_rule = [&](const UnitOptions& options) -> Result<UnitRule> {
        rules.push_back(options);
        if (options.user == "nobody-here") return Error{Errc::not_found, "no such user"};
        if (options.deny) return Error{Errc::forbidden, "as root"};
        return UnitRule{options.unit, "ada", "/rules/one", "ada may act on it"};
    };
    auto allowed = belay({"unit", "allow", "shop.service", "--user", "ada"});
    EXPECT_EQ(allowed.code, kDone);
    EXPECT_EQ(allowed.out, "ada may act on it\n");
    EXPECT_THAT(belay({"unit", "allow", "shop.service", "--json"}).out,
                HasSubstr("\"file\":\"/rules/one\""));
    EXPECT_EQ(belay({"unit", "deny", "shop.service", "--config", "/c"}).code, kNotAllowed);
    EXPECT_EQ(belay({"unit", "allow", "a.service", "--user", "nobody-here"}).code, kNoSuchThing);
    EXPECT_EQ(belay({"unit", "allow"}).code, kUsage);
    ASSERT_EQ(rules.size(), 4u);
    EXPECT_EQ(rules[0].unit + " " + rules[0].user, "shop.service ada");
    EXPECT_FALSE(rules[0].deny);
    EXPECT_TRUE(rules[2].deny);
    EXPECT_EQ(rules[2].config, "/c");
    EXPECT_EQ(served.config, "/c");
    EXPECT_EQ(checked.files, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(checked.json);
    EXPECT_EQ(made.url + made.name + made.branch, ".nb");
    EXPECT_EQ(proxied, (std::vector<std::string>{"--x", "y"}));
    EXPECT_EQ(staged, (std::vector<std::string>{"fetch"}));
}

}  // namespace
}  // namespace belay::cli
