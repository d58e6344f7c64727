// Tokens, the audit and Idempotency-Key: who gets in, what is written down, and what is kept.
#include "http/guard.hpp"
#include "http_fixture.hpp"

#include <nlohmann/json.hpp>

#include <set>

namespace belay::test {
namespace {

using nlohmann::json;

class Access : public HttpTest {
  protected:
    std::string make(const std::string& name, const std::string& role,
                     const std::string& expires = {}) {
        json wish{{"name", name}, {"role", role}};
        if (!expires.empty()) wish["expires_in"] = expires;
        auto answer = post("/api/v1/tokens", wish.dump());
        EXPECT_EQ(answer.status, 201) << answer.body;
        return json::parse(answer.body).value("token", "");
    }
    static std::string bearer(const std::string& token) {
        return "Authorization: Bearer " + token + "\r\n";
    }
    static std::string act(const std::string& target, const std::string& headers,
                           const std::string& body = "{}") {
        return request("POST", "/api/v1/" + target, "Content-Type: application/json\r\n" + headers,
                       body);
    }
    std::vector<domain::AuditEntry> audit() {
        return on_loop([&] {
            std::vector<domain::AuditEntry> all;
            for (const auto& [id, entry] : disk_->audit)
                all.push_back(entry);
            return all;
        });
    }
    std::size_t asked() {
        return on_loop([&] { return api_.asked.size(); });
    }
    // The daemon dies and another starts on the same disk.
    void restart() {
        stop();
        store_ = std::make_unique<FakeStore>(disk_);
        std::filesystem::remove(directory_ + "/s");
        context_.restart();
        work_.emplace(context_.get_executor());
        start();
    }
};

TEST_F(Access, AHolderActsInTheTokensName) {
    start();
    auto token = make("ci", "deploy");
    EXPECT_TRUE(token.starts_with("belay_")) << token;
    EXPECT_EQ(token.size(), 6u + 52u);
    EXPECT_NE(token, make("other", "deploy"));
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer(token))).status, 200);
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", "authorization: bearer  " + token + "\r\n"))
                  .status,
              200);
    EXPECT_EQ(ask(tcp(), act("apps/shop/hold", bearer(token), R"({"why":"fire"})")).status, 200);
    EXPECT_EQ(on_loop([&] { return api_.asked.back(); }), "hold shop why=fire by=token ci");
    auto refused = ask(tcp(), act("shutdown", bearer(token)));
    EXPECT_EQ(refused.status, 403);
    EXPECT_NE(refused.body.find("needs the role admin, and the token has deploy"),
              std::string::npos);
    EXPECT_NE(refused.headers["www-authenticate"].find("insufficient_scope"), std::string::npos);
}

TEST_F(Access, WrongTokensGetOneAnswerWhateverIsWrongWithThem) {
    start();
    auto revoked = make("gone", "admin");
    EXPECT_EQ(post("/api/v1/tokens/gone/revoke").status, 200);
    auto expired = make("old", "admin", "1ms");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // time itself is what is waited for
    auto right = make("ci", "admin");
    std::set<std::string> bodies;
    for (const auto& token :
         {revoked, expired, std::string("belay_x"), right.substr(0, right.size() - 1), right + "a",
          std::string(), std::string(5'000, 'x')}) {
        auto answer = ask(tcp(), request("GET", "/api/v1/apps", bearer(token)));
        EXPECT_EQ(answer.status, 401);
        EXPECT_EQ(answer.headers["www-authenticate"],
                  R"(Bearer realm="belay", error="invalid_token")");
        bodies.insert(answer.body);
    }
    EXPECT_EQ(bodies.size(), 1u);
    auto none = ask(tcp(), request("GET", "/api/v1/apps"));
    EXPECT_EQ(none.status, 401);
    EXPECT_EQ(none.headers["www-authenticate"], R"(Bearer realm="belay")");
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", "Authorization: Basic eDp5\r\n")).status,
              401);
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer(right))).status, 200);
    EXPECT_EQ(ask(tcp(), request("GET", "/healthz", bearer("belay_x"))).status, 200);
}

TEST_F(Access, ATokenDecidesAlsoOverTheSocket) {
    start();
    auto token = make("reader", "read");
    EXPECT_EQ(ask(local(), request("GET", "/api/v1/apps", bearer(token))).status, 200);
    EXPECT_EQ(ask(local(), act("apps/shop/stop", bearer(token))).status, 403);
    EXPECT_EQ(ask(local(), request("GET", "/api/v1/apps", bearer("belay_wrong"))).status, 401);
    EXPECT_EQ(asked(), 0u);
}

TEST_F(Access, NoTokenIsTakenWhereOthersCouldReadIt) {
    options_.trusted_proxies = {Cidr::parse("127.0.0.1").value()};
    start();
    auto token = make("ci", "read");
    auto through = [&](const std::string& scheme, const std::string& client) {
        return ask(tcp(), request("GET", "/api/v1/apps",
                                  bearer(token) + "X-Forwarded-Proto: " + scheme +
                                      "\r\nX-Forwarded-For: " + client + "\r\n"));
    };
    auto refused = through("http", "203.0.113.5");
    EXPECT_EQ(refused.status, 403);
    EXPECT_NE(refused.body.find("revoke it"), std::string::npos);
    EXPECT_EQ(through("https", "203.0.113.5").status, 200);
    EXPECT_EQ(through("http", "127.0.0.1").status, 200);
}

TEST(InTheClear, IsAPlainRequestFromElsewhere) {
    auto address = [](const char* text) { return parse_address(text).value(); };
    auto request = [&](const char* client, const char* scheme) {
        http::Request made;
        made.client = address(client);
        if (*scheme) made.raw.headers.emplace_back("X-Forwarded-Proto", scheme);
        return made;
    };
    std::vector<Cidr> trusted{Cidr::parse("10.0.0.0/8").value()};
    auto clear = [&](const char* peer, const char* client, const char* scheme) {
        return http::came_in_the_clear(request(client, scheme), address(peer), trusted);
    };
    EXPECT_FALSE(clear("127.0.0.1", "127.0.0.1", ""));
    EXPECT_FALSE(clear("::1", "::1", ""));
    EXPECT_TRUE(clear("203.0.113.5", "203.0.113.5", ""));
    EXPECT_TRUE(clear("203.0.113.5", "203.0.113.5", "https")) << "anybody can say that";
    EXPECT_FALSE(clear("10.1.2.3", "203.0.113.5", "https"));
    EXPECT_TRUE(clear("10.1.2.3", "203.0.113.5", "http"));
    EXPECT_TRUE(clear("10.1.2.3", "10.1.2.3", ""));
    EXPECT_TRUE(clear("127.0.0.1", "203.0.113.5", "https, http"));
}

TEST_F(Access, RevokingEndsStreamsAtOnce) {
    start();
    auto token = make("watcher", "read");
    auto watcher = tcp();
    watcher.send(request("GET", "/api/v1/events", bearer(token)));
    watcher.until("retry: 1000\n\n");
    auto other = local();
    other.send(request("GET", "/api/v1/events"));
    other.until("retry: 1000\n\n");
    EXPECT_EQ(post("/api/v1/tokens/watcher/revoke").status, 200);
    watcher.until_closed();
    eventually([&] { return api_.subscribers() == 1; });
    EXPECT_EQ(post("/api/v1/tokens/watcher/revoke").status, 404);
}

TEST_F(Access, AnExpiryEndsStreamsToo) {
    start();
    auto token = make("brief", "read", "300ms");
    auto watcher = tcp();
    watcher.send(request("GET", "/api/v1/events", bearer(token)));
    watcher.until("retry: 1000\n\n");
    watcher.until_closed();
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer(token))).status, 401);
}

TEST_F(Access, ATokenThatEndsWhileABodyComesActsNoMore) {
    start();
    auto token = make("slow", "deploy");
    auto client = tcp();
    auto whole = act("apps/shop/stop", bearer(token));
    client.send(whole.substr(0, whole.size() - 1));
    // The head was judged once the server asks for more.
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer(token))).status, 200);
    EXPECT_EQ(post("/api/v1/tokens/slow/revoke").status, 200);
    client.send(whole.substr(whole.size() - 1));
    EXPECT_EQ(read_answer(client).status, 401);
    EXPECT_EQ(asked(), 0u);
}

TEST_F(Access, TokensSurviveARestartAndOnlyTheirDigestsAreStored) {
    start();
    auto token = make("ci", "deploy");
    for (const auto& [id, stored] : disk_->tokens) {
        EXPECT_EQ(stored.digest.size(), 64u);
        EXPECT_EQ(stored.digest.find(token.substr(6)), std::string::npos);
    }
    for (const auto& entry : audit())
        EXPECT_EQ(entry.asked.find(token.substr(6, 20)), std::string::npos);
    EXPECT_TRUE(on_loop([&] { return disk_->answers.empty(); }));
    restart();
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer(token))).status, 200);
    auto list = get("/api/v1/tokens");
    EXPECT_EQ(list.body.find(token.substr(6)), std::string::npos);
    auto one = json::parse(list.body)["items"].at(0);
    EXPECT_EQ(one["name"], "ci");
    EXPECT_EQ(one["last_used_from"], "127.0.0.1");
    EXPECT_FALSE(one.contains("digest"));
}

TEST_F(Access, UsingATokenDoesNotWriteEachTime) {
    start();
    auto token = make("ci", "read");
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer(token))).status, 200);
    eventually([&] { return disk_->tokens.begin()->second.last_used_at != TimePoint{}; });
    auto before = on_loop([&] { return store_->commits(); });
    auto client = tcp();
    for (int i = 0; i < 100; ++i) {
        client.send(request("GET", "/api/v1/apps", bearer(token)));
        ASSERT_EQ(read_answer(client).status, 200);
    }
    EXPECT_EQ(on_loop([&] { return store_->commits(); }), before);
}

TEST_F(Access, BadWishesAreRefusedByName) {
    start();
    make("taken", "read");
    auto detail = [&](const json& wish, int status) {
        auto answer = post("/api/v1/tokens", wish.dump());
        EXPECT_EQ(answer.status, status) << wish;
        return json::parse(answer.body).value("detail", "");
    };
    EXPECT_NE(detail({{"name", "a b"}, {"role", "read"}}, 400).find("\"a b\" is no name"),
              std::string::npos);
    EXPECT_NE(detail({{"role", "read"}}, 400).find("is no name"), std::string::npos);
    EXPECT_NE(detail({{"name", "x"}}, 400).find("\"role\""), std::string::npos);
    EXPECT_NE(detail({{"name", "x"}, {"role", "none"}}, 400).find("\"role\""), std::string::npos);
    EXPECT_NE(detail({{"name", "x"}, {"role", "root"}}, 400).find("\"role\""), std::string::npos);
    EXPECT_NE(detail({{"name", "x"}, {"role", "read"}, {"expires_in", "soon"}}, 400)
                  .find("\"expires_in\""),
              std::string::npos);
    detail({{"name", "x"}, {"role", "read"}, {"expires_in", "0"}}, 400);
    detail({{"name", "x"}, {"role", "read"}, {"expires_in", "4000d"}}, 400);
    EXPECT_NE(detail({{"name", "taken"}, {"role", "read"}}, 409).find("taken"), std::string::npos);
    EXPECT_EQ(post("/api/v1/tokens/nobody/revoke").status, 404);
}

TEST_F(Access, RevokingWorksAlsoWhereNothingCanBeStored) {
    start();
    auto token = make("ci", "admin");
    on_loop([&] {
        store_->fail_all_commits(Error{Errc::disk_full, "no space"});
        return 0;
    });
    auto answer = post("/api/v1/tokens/ci/revoke");
    EXPECT_EQ(answer.status, 507);
    EXPECT_NE(answer.body.find("ends now, but that is not stored"), std::string::npos);
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer(token))).status, 401);
    // Nor does a full disk keep anybody from stopping an app.
    EXPECT_EQ(post("/api/v1/apps/shop/stop").status, 200);
    on_loop([&] {
        store_->fail_all_commits(std::nullopt);
        return 0;
    });
    EXPECT_EQ(post("/api/v1/tokens/ci/revoke").status, 200);
}

TEST_F(Access, WithoutADatabaseTheSocketStillActs) {
    store_.reset();
    start();
    EXPECT_EQ(post("/api/v1/apps/shop/stop").status, 200);
    EXPECT_EQ(ask(tcp(), request("GET", "/api/v1/apps", bearer("belay_x"))).status, 503);
    EXPECT_EQ(get("/api/v1/audit").status, 503);
    EXPECT_EQ(post("/api/v1/tokens", R"({"name":"x","role":"read"})").status, 503);
    EXPECT_EQ(ask(local(), act("apps/shop/stop", "Idempotency-Key: k\r\n")).status, 503);
}

TEST_F(Access, EveryActIsInTheAuditWithItsOutcome) {
    start();
    auto token = make("ci", "deploy");
    ask(tcp(), act("apps/shop/deploy", bearer(token), R"({"ref":"main","force":true})"));
    ask(tcp(), act("apps/shop/deploy", bearer(token), R"({"reff":"main"})"));
    ask(local(), act("apps/shop/run", "", R"({"argv":["psql","password=hunter2"]})"));
    get("/api/v1/apps");
    auto entries = audit();
    ASSERT_EQ(entries.size(), 4u);
    EXPECT_EQ(entries[0].act, "token create");
    EXPECT_EQ(entries[0].origin, "socket");
    EXPECT_EQ(entries[0].role, domain::Role::admin);
    EXPECT_EQ(entries[0].asked, R"({"name":"ci","role":"deploy"})");
    EXPECT_EQ(entries[1].who, "token ci");
    EXPECT_EQ(entries[1].origin, "127.0.0.1");
    EXPECT_EQ(entries[1].target, "shop");
    EXPECT_EQ(entries[1].asked, R"({"ref":"main","force":true})");
    EXPECT_EQ(entries[1].status_code, 202);
    EXPECT_EQ(entries[1].outcome, "d12");
    EXPECT_EQ(entries[2].status_code, 400);
    EXPECT_EQ(entries[2].asked, "");
    EXPECT_EQ(entries[3].act, "run");
    EXPECT_EQ(entries[3].asked, R"({"argv":"psql"})") << "arguments may hold secrets";
    EXPECT_EQ(entries[3].outcome, "exit code 0");

    auto list = json::parse(get("/api/v1/audit?limit=2").body);
    EXPECT_EQ(list["items"].size(), 2u);
    EXPECT_EQ(list["items"][0]["act"], "run");
    auto next = list["next"].get<std::string>();
    list = json::parse(get("/api/v1/audit?limit=2&before=" + next).body);
    EXPECT_EQ(list["items"][0]["act"], "deploy");
    EXPECT_EQ(get("/api/v1/audit?before=x").status, 400);
}

TEST_F(Access, AnActIsWrittenDownBeforeItIsDone) {
    start();
    std::vector<int> seen;
    on_loop([&] {
        api_.on_act = [&] {
            seen.push_back(static_cast<int>(disk_->audit.size()));
            EXPECT_EQ(disk_->audit.rbegin()->second.status_code, 0);
        };
        return 0;
    });
    post("/api/v1/apps/shop/stop");
    EXPECT_EQ(seen, std::vector<int>{1});
}

TEST_F(Access, RefusalsAreRecordedAndBounded) {
    start();
    auto reader = make("reader", "read");
    ask(tcp(), act("apps/shop/stop", bearer(reader)));
    eventually([&] { return disk_->audit.size() == 2; });
    auto refused = audit().back();
    EXPECT_EQ(refused.who, "token reader");
    EXPECT_EQ(refused.act, "stop");
    EXPECT_EQ(refused.status_code, 403);
    for (int i = 0; i < 60; ++i)
        ask(tcp(), act("apps/shop/stop", bearer("belay_wrong")));
    // A flood of strangers does not hide what a known caller is refused.
    ask(tcp(), act("apps/shop/start", bearer(reader)));
    eventually([&] { return disk_->audit.rbegin()->second.act == "start"; });
    auto entries = audit();
    EXPECT_GE(entries.size(), 20u);
    EXPECT_LE(entries.size(), 40u);
    EXPECT_EQ(entries[3].who, "");
    EXPECT_EQ(entries[3].status_code, 401);
}

TEST_F(Access, AKeyHoldsOverARestart) {
    start();
    auto token = make("ci", "deploy");
    auto deploy = [&](const std::string& key, const std::string& body, const std::string& by) {
        return ask(tcp(), act("apps/shop/deploy", "Idempotency-Key: " + key + "\r\n" + by, body));
    };
    auto ci = bearer(token);
    auto first = deploy("k1", "{}", ci);
    EXPECT_EQ(first.status, 202);
    restart();
    auto second = deploy("k1", "{}", ci);
    EXPECT_EQ(second.status, 202);
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(second.headers["content-type"], "application/json");
    EXPECT_EQ(second.headers["idempotency-replayed"], "true");
    EXPECT_EQ(asked(), 1u);
    EXPECT_EQ(deploy("k1", R"({"force":true})", ci).status, 422);
    // Keys are each caller's own.
    EXPECT_EQ(deploy("k1", "{}", bearer(make("other", "deploy"))).status, 202);
    EXPECT_EQ(asked(), 2u);
    EXPECT_EQ(deploy("bad key", "{}", ci).status, 400);
    EXPECT_EQ(deploy(std::string(256, 'k'), "{}", ci).status, 400);
}

TEST_F(Access, AnActThatTheDaemonsEndCutOffIsNotDoneAgainUnderItsKey) {
    start();
    ask(local(), act("apps/shop/deploy", "Idempotency-Key: k1\r\n"));
    // As it stands after a kill between the act and its answer.
    on_loop([&] {
        disk_->answers.begin()->second.status_code = 0;
        return 0;
    });
    restart();
    auto answer = ask(local(), act("apps/shop/deploy", "Idempotency-Key: k1\r\n"));
    EXPECT_EQ(answer.status, 409);
    EXPECT_NE(answer.body.find("the daemon ended"), std::string::npos);
    EXPECT_EQ(asked(), 1u);
}

TEST_F(Access, WhatFailedByTheMachineIsTriedAgainUnderItsKey) {
    start();
    on_loop([&] {
        api_.failure = Error{Errc::disk_full, "no space"};
        return 0;
    });
    auto once = act("apps/shop/deploy", "Idempotency-Key: k1\r\n");
    EXPECT_EQ(ask(local(), once).status, 507);
    on_loop([&] {
        api_.failure.reset();
        return 0;
    });
    EXPECT_EQ(ask(local(), once).status, 202);
    EXPECT_EQ(ask(local(), once).status, 202);
    EXPECT_EQ(asked(), 2u);
}

TEST_F(Access, ASecondRequestUnderAKeyWaitsForTheFirstOutside) {
    start();
    async::Event go;
    on_loop([&] {
        api_.wait_for = &go;
        return 0;
    });
    auto first = local();
    first.send(act("apps/shop/deploy", "Idempotency-Key: k1\r\n"));
    eventually([&] { return api_.asked.size() == 1; });
    EXPECT_EQ(ask(local(), act("apps/shop/deploy", "Idempotency-Key: k1\r\n")).status, 409);
    EXPECT_EQ(ask(local(), act("apps/shop/stop", "Idempotency-Key: k1\r\n")).status, 422);
    on_loop([&] {
        go.set();
        return 0;
    });
    EXPECT_EQ(read_answer(first).status, 202);
    EXPECT_EQ(asked(), 1u);
}

TEST_F(Access, WhatIsKeptNowhereTakesNoKey) {
    start();
    auto keyed = std::string("Idempotency-Key: k\r\n");
    EXPECT_EQ(ask(local(), act("tokens", keyed, R"({"name":"x","role":"read"})")).status, 400);
    EXPECT_EQ(ask(local(), act("apps/shop/run", keyed, R"({"argv":["ls"]})")).status, 400);
    EXPECT_EQ(json::parse(get("/api/v1/tokens").body)["items"].size(), 0u);
    EXPECT_EQ(asked(), 0u);
}

}  // namespace
}  // namespace belay::test
