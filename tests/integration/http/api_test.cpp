#include "http_fixture.hpp"

#include <nlohmann/json.hpp>

#include <grp.h>
#include <pwd.h>
#include <set>
#include <sys/wait.h>

namespace belay::test {
namespace {

using nlohmann::json;

domain::Deployment deployment(std::int64_t id, domain::State state = domain::State::healthy) {
    domain::Deployment made;
    made.id = DeploymentId{id};
    made.app = "shop";
    made.state = state;
    made.created_at = TimePoint(Millis(1'700'000'000'123));
    return made;
}

class Api : public HttpTest {
  protected:
    Api() { api_.deployment_views[12].deployment = deployment(12); }
    static std::set<std::string> keys(const json& object) {
        std::set<std::string> names;
        for (const auto& [name, value] : object.items())
            names.insert(name);
        return names;
    }
    json body(const std::string& target) {
        auto answer = get(target);
        EXPECT_EQ(answer.status, 200) << target << answer.body;
        return json::parse(answer.body);
    }
    std::string me() const {
        auto* user = ::getpwuid(::geteuid());
        return user ? user->pw_name : "uid " + std::to_string(::geteuid());
    }
};

void expect_keys(const json& object, std::initializer_list<const char*> names) {
    for (const auto* name : names)
        EXPECT_TRUE(object.contains(name)) << name << " in " << object;
}

// spec/interfaces.md §4, "Shapes".
TEST_F(Api, ShapesAreThoseOfTheInterface) {
    auto& shop = api_.views["shop"];
    shop.hold = domain::Hold{"ann", "fire", TimePoint(Millis(1))};
    shop.live = engine::LiveView{7, std::string(40, 'a'), TimePoint(Millis(1)), "healthy"};
    shop.standby = 6;
    shop.deployment = deployment(12, domain::State::building);
    auto& view = api_.deployment_views[12];
    view.deployment.failure = {domain::Reason::build_failed, "building", "npm: not found", 127,
                               std::nullopt};
    view.deployment.delivery = DeliveryId{3};
    view.stages.push_back(domain::Stage{
        DeploymentId{12}, "build", 1, domain::StageState::failed, {}, {}, 127, {}, 9, 8, 7, ""});
    view.probes.push_back(domain::Probe{TimePoint(Millis(1)), "http://127.0.0.1:1/", "ipv4", 500,
                                        "500", 3, "oops", false});
    domain::Delivery delivery;
    delivery.id = DeliveryId{3};
    delivery.changes.emplace_back();
    api_.inbox.push_back(delivery);
    start();

    auto app = body("/api/v1/apps/shop");
    expect_keys(app, {"name", "state", "hold", "live", "standby", "deployment", "config_error"});
    EXPECT_EQ(keys(app["hold"]), (std::set<std::string>{"by", "why", "since"}));
    EXPECT_EQ(keys(app["live"]), (std::set<std::string>{"release", "commit", "since", "health"}));
    EXPECT_EQ(app["standby"]["release"], 6);
    EXPECT_EQ(app["deployment"]["id"], "d12");
    EXPECT_EQ(app["config_error"], nullptr);

    auto one = body("/api/v1/deployments/d12");
    expect_keys(one, {"id",     "app",     "trigger",  "delivery",   "commit",      "ref",
                      "state",  "stage",   "reason",   "blame",      "detail",      "exit_code",
                      "signal", "release", "previous", "created_at", "finished_at", "overhead_ms",
                      "stages", "probes",  "log_tail"});
    EXPECT_EQ(one["id"], "d12");
    EXPECT_EQ(one["delivery"], "w3");
    EXPECT_EQ(one["created_at"], "2023-11-14T22:13:20.123Z");
    EXPECT_EQ(one["finished_at"], nullptr);
    EXPECT_EQ(one["commit"], nullptr);
    EXPECT_EQ(one["reason"], "build_failed");
    EXPECT_EQ(one["blame"], "user");
    EXPECT_EQ(one["exit_code"], 127);
    EXPECT_EQ(one["signal"], nullptr);
    expect_keys(one["stages"][0], {"name", "state", "started_at", "finished_at", "exit_code",
                                   "signal", "log_bytes", "peak_memory", "cpu_ms"});
    EXPECT_EQ(keys(one["probes"][0]), (std::set<std::string>{"at", "target", "family", "status",
                                                             "error", "latency_ms", "body"}));

    expect_keys(body("/api/v1/apps/shop/releases")["items"][0],
                {"number", "app", "commit", "deployment", "state", "created_at", "live_since",
                 "healthy_since", "bytes"});
    auto sent = body("/api/v1/deliveries/w3");
    expect_keys(sent, {"id", "app", "forge", "event", "delivery_id", "received_at", "status_code",
                       "decision", "reason", "deployment", "kind", "repository", "changes"});
    expect_keys(sent["changes"][0], {"kind", "ref", "name", "before", "after", "commit", "created",
                                     "deleted", "forced"});
}

TEST_F(Api, ListsGoOnAtTheirCursor) {
    for (std::int64_t id = 1; id <= 5; ++id)
        api_.deployment_views[id].deployment = deployment(id);
    api_.deployment_views.erase(12);
    start();
    std::vector<std::string> ids;
    std::string target = "/api/v1/apps/shop/deployments?limit=2";
    for (json next = ""; next.is_string();) {
        auto page = body(target + (next == "" ? "" : "&before=" + next.get<std::string>()));
        for (const auto& each : page["items"])
            ids.push_back(each["id"]);
        next = page["next"];
    }
    EXPECT_EQ(ids, (std::vector<std::string>{"d5", "d4", "d3", "d2", "d1"}));
    EXPECT_EQ(get("/api/v1/apps/shop/deployments?limit=0").status, 400);
    EXPECT_EQ(get("/api/v1/apps/shop/deployments?limit=2000").status, 400);
    EXPECT_EQ(get("/api/v1/apps/shop/deployments?before=x").status, 400);
    EXPECT_EQ(get("/api/v1/deliveries?before=w7&limit=3").status, 200);
}

TEST_F(Api, ActsAskTheEngineInTheNameOfTheCaller) {
    start();
    auto by = " by=" + me();
    auto commit = std::string(40, 'c');
    std::vector<std::tuple<std::string, std::string, int, std::string>> acts{
        {"apps/shop/deploy", R"({"ref":"main","force":true})", 202,
         "deploy shop ref=main commit= force=yes" + by},
        {"apps/shop/deploy", R"({"commit":")" + commit + "\"}", 202,
         "deploy shop ref= commit=" + commit + " force=no" + by},
        {"apps/shop/rollback", R"({"to":6,"hold":false})", 202, "rollback shop to=6 hold=no" + by},
        {"apps/shop/rollback", "", 202, "rollback shop to=0 hold=yes" + by},
        {"apps/shop/hold", R"({"why":"fire"})", 200, "hold shop why=fire" + by},
        {"apps/shop/resume", "{}", 200, "resume shop" + by},
        {"apps/shop/restart", "", 202, "restart shop" + by},
        {"apps/shop/stop", "", 200, "stop shop" + by},
        {"apps/shop/start", "", 202, "start shop" + by},
        {"apps/shop/remove", R"({"purge":true})", 200, "remove shop purge=yes" + by},
        {"deployments/d12/cancel", "", 202, "cancel d12" + by},
        {"deployments/12/approve", "", 202, "approve d12" + by},
        {"deployments/d12/reject", R"({"why":"no"})", 202, "reject d12 why=no" + by},
        {"deliveries/w3/redeliver", "", 202, "redeliver w3"},
        {"reload", "", 200, "reload"},
        {"notify/ops/test", "", 200, "test ops"},
        {"notify/nobody/test", "", 404, "test nobody"},
        {"backup", R"({"file":"/b.db"})", 200, "backup /b.db"},
        {"restore", R"({"file":"/b.db"})", 200, "restore /b.db"},
        {"gc", R"({"dry_run":true})", 200, "gc dry"},
        {"gc", "", 200, "gc"},
        {"shutdown", "", 200, "shutdown"},
    };
    for (const auto& [route, sent, status, asked] : acts) {
        auto answer = post("/api/v1/" + route, sent);
        EXPECT_EQ(answer.status, status) << route << answer.body;
        EXPECT_EQ(on_loop([&] { return api_.asked.empty() ? "" : api_.asked.back(); }), asked);
    }
}

TEST_F(Api, RefusesWhatItDoesNotUnderstandByName) {
    start();
    auto detail = [&](const std::string& route, const std::string& sent) {
        auto answer = post("/api/v1/" + route, sent);
        EXPECT_EQ(answer.status, 400) << route;
        return json::parse(answer.body).value("detail", "");
    };
    EXPECT_EQ(detail("apps/shop/deploy", "[]"), "the body must be a JSON object");
    EXPECT_EQ(detail("apps/shop/deploy", "{"), "the body must be a JSON object");
    EXPECT_EQ(detail("apps/shop/deploy", R"({"reff":"x"})"),
              "the field \"reff\" is not known here");
    EXPECT_EQ(detail("apps/shop/deploy", R"({"ref":1})"), "the field \"ref\" must be a string");
    EXPECT_EQ(detail("apps/shop/rollback", R"({"to":-1})"),
              "the field \"to\" must be a whole number");
    EXPECT_EQ(detail("apps/shop/run", R"({"argv":"ls"})"),
              "the field \"argv\" must be a list of strings");
    EXPECT_EQ(detail("apps/shop/run", "{}"), "the field \"argv\" must name a command");
    EXPECT_EQ(detail("apps/shop/restart", R"({"x":1})"), "the field \"x\" is not known here");
    EXPECT_EQ(detail("apps/shop/deploy", R"({"commit":"abc"})"),
              "the field \"commit\" must be a full commit id: 40 or 64 hex digits");
    EXPECT_TRUE(on_loop([&] { return api_.asked.empty(); }));
    EXPECT_EQ(ask(local(),
                  request("POST", "/api/v1/apps/shop/stop", "Content-Type: text/plain\r\n", "{}"))
                  .status,
              415);
    EXPECT_EQ(
        post("/api/v1/apps/shop/deploy", R"({"ref":")" + std::string(300'000, 'x') + "\"}").status,
        413);
}

TEST_F(Api, ErrorsAreProblemDocuments) {
    start();
    std::vector<std::pair<Errc, int>> expected{
        {Errc::invalid, 400},     {Errc::forbidden, 403}, {Errc::not_found, 404},
        {Errc::conflict, 409},    {Errc::limit, 429},     {Errc::timeout, 504},
        {Errc::unavailable, 503}, {Errc::disk_full, 507}, {Errc::internal, 500}};
    for (auto [code, status] : expected) {
        on_loop([&, code = code] {
            api_.failure = Error{code, "because /secret/path"};
            return 0;
        });
        auto answer = post("/api/v1/apps/shop/stop");
        EXPECT_EQ(answer.status, status);
        EXPECT_EQ(answer.headers["content-type"], "application/problem+json");
        auto problem = json::parse(answer.body);
        EXPECT_EQ(problem["status"], status);
        EXPECT_EQ(problem["code"], std::string(to_string(code)));
        EXPECT_EQ(keys(problem),
                  (std::set<std::string>{"type", "title", "status", "detail", "code"}));
        // What is internal is for the log.
        EXPECT_EQ(answer.body.find("/secret/path") == std::string::npos, code == Errc::internal);
    }
    EXPECT_EQ(get("/api/v1/apps/nobody").status, 404);
    EXPECT_EQ(get("/api/v1/deployments/d99").status, 404);
    EXPECT_EQ(get("/api/v1/deployments/x").status, 400);
    EXPECT_EQ(get("/api/v1/nothing").status, 404);
    EXPECT_EQ(post("/api/v1/apps").status, 405);
    EXPECT_EQ(get("/api/v1/apps/shop/deploy").status, 405);
}

TEST_F(Api, DoesOnceWhatIsAskedTwiceUnderOneKey) {
    start();
    auto once = [&](const std::string& key, const std::string& sent) {
        return ask(
            local(),
            request("POST", "/api/v1/apps/shop/deploy",
                    "Content-Type: application/json\r\nIdempotency-Key: " + key + "\r\n", sent));
    };
    auto first = once("k1", "{}"), second = once("k1", "{}");
    EXPECT_EQ(first.status, 202);
    EXPECT_EQ(second.status, 202);
    EXPECT_EQ(first.body, second.body);
    EXPECT_EQ(on_loop([&] { return api_.asked.size(); }), 1u);
    EXPECT_EQ(once("k1", R"({"force":true})").status, 422);
    EXPECT_EQ(once("k2", "{}").status, 202);
    EXPECT_EQ(on_loop([&] { return api_.asked.size(); }), 2u);
}

TEST_F(Api, RunStreamsTheOutputAndEndsWithTheExitCode) {
    api_.output = {"one\n", "two\n"};
    api_.exit_code = 3;
    start();
    auto answer = post("/api/v1/apps/shop/run", R"({"argv":["ls","-l"]})");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "one\ntwo\n");
    EXPECT_EQ(answer.trailers["belay-exit-code"], "3");
    on_loop([&] {
        api_.output.clear();
        return 0;
    });
    EXPECT_EQ(post("/api/v1/apps/shop/run", R"({"argv":["true"]})").trailers["belay-exit-code"],
              "3");
    on_loop([&] {
        api_.failure = Error{Errc::conflict, "nothing is live"};
        return 0;
    });
    EXPECT_EQ(post("/api/v1/apps/shop/run", R"({"argv":["true"]})").status, 409);
}

TEST_F(Api, ReadinessTellsStrangersNothingMore) {
    api_.status.ready = false;
    api_.status.problems = {"the proxy is not running"};
    start();
    auto answer = ask(tcp(), request("GET", "/readyz"));
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.body, "{\"ready\":false}\n");
    EXPECT_NE(get("/readyz").body.find("proxy"), std::string::npos);
}

// A child with another uid asks every route; needs root. As another user, the daemon's own uid is
// admin: asserted below.
TEST_F(Api, PeersAreWhoTheKernelSaysTheyAre) {
    options_.deploy_group = 4321;
    start();
    EXPECT_EQ(get("/api/v1/status").status, 200);
    if (::geteuid() != 0) return;
    auto as = [&](uid_t uid, gid_t gid, std::vector<gid_t> groups, const std::string& text) {
        int pipe[2];
        EXPECT_EQ(::pipe(pipe), 0);
        auto child = ::fork();
        if (child == 0) {
            bool became = ::setgroups(groups.size(), groups.data()) == 0 && ::setgid(gid) == 0 &&
                          ::setuid(uid) == 0;
            int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
            auto address = socket_address();
            bool sent = became &&
                        ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                        ::write(fd, text.data(), text.size()) > 0;
            char answer[64] = {};
            if (sent && ::read(fd, answer, 12) != 12) answer[0] = 0;
            bool told = ::write(pipe[1], answer, 12) == 12;
            ::_exit(told ? 0 : 1);
        }
        ::close(pipe[1]);
        char answer[13] = {};
        EXPECT_EQ(::read(pipe[0], answer, 12), 12);
        ::close(pipe[0]);
        ::waitpid(child, nullptr, 0);
        return std::atoi(answer + 9);
    };
    auto look = request("GET", "/api/v1/status");
    auto act = request("POST", "/api/v1/apps/shop/stop");
    auto end = request("POST", "/api/v1/shutdown");
    EXPECT_EQ(as(1234, 1234, {}, look), 403);
    EXPECT_EQ(as(1234, 1234, {}, request("GET", "/healthz")), 200);
    EXPECT_EQ(as(1234, 4321, {}, act), 200);
    EXPECT_EQ(as(1234, 1234, {77, 4321}, act), 200);
    EXPECT_EQ(as(1234, 1234, {77, 4321}, look), 200);
    EXPECT_EQ(as(1234, 1234, {77, 4321}, end), 403);
    EXPECT_EQ(as(0, 0, {}, end), 200);
}

TEST_F(Api, ASocketIsSharedWithAGroupByName) {
    start();
    auto path = directory_ + "/s";
    auto missing = http::share_with_group(path, "no-such-group-here");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::not_found);
    EXPECT_NE(missing.error().message.find("groupadd"), std::string::npos);
    if (::geteuid() != 0) return;
    auto group = http::share_with_group(path, "daemon");
    ASSERT_TRUE(group);
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_gid, *group);
    EXPECT_EQ(status.st_mode & 07777u, 0660u);
}

}  // namespace
}  // namespace belay::test
