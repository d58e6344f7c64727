#include "cli/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace belay::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

const Canvas kCanvas{.now = *parse_time("2026-11-22T12:00:00Z")};

json shop() {
    return json::parse(R"({
        "name": "shop", "state": "live", "hold": {"by": "ann", "why": "freeze", "since": "2026-11-22T10:00:00.000Z"},
        "live": {"release": 12, "commit": "1a2b3c4d5e6f", "since": "2026-11-22T11:57:00.000Z", "health": "healthy"},
        "standby": {"release": 11},
        "deployment": {"id": "d14", "state": "building", "ref": "refs/heads/main", "commit": "99887766aa"},
        "queued": [{"id": "d15", "state": "queued", "ref": "refs/heads/main"}],
        "processes": [{"process": "web", "instance": 1, "release": 12, "state": "running", "pid": 4711, "port": 20001,
                       "restarts": 0, "started_at": "2026-11-22T11:57:00.000Z"},
                      {"process": "worker", "instance": 1, "release": 12, "state": "backing_off", "pid": 4712, "port": 0,
                       "restarts": 3, "started_at": "2026-11-22T11:59:55.000Z"}],
        "config_error": "/etc/belay/apps/shop.toml:3:1: unknown key \"brnch\"", "orphaned": false, "config_newer": true,
        "file": "/etc/belay/apps/shop.toml", "repo": "git@github.com:acme/shop.git", "branch": "main",
        "urls": ["http://shop.example.com/"]})");
}

json failed() {
    return json::parse(R"({
        "id": "d13", "app": "shop", "trigger": "push", "delivery": "w88", "commit": "1a2b3c4d5e6f", "ref": "refs/heads/main",
        "state": "failed", "stage": "verifying", "reason": "unhealthy", "blame": "user",
        "detail": "3 probes in a row failed.\nThe last one said 500.", "exit_code": null, "signal": null, "release": 13, "previous": 12,
        "created_at": "2026-11-22T11:50:00.000Z", "finished_at": "2026-11-22T11:50:48.000Z", "overhead_ms": 40,
        "author": "Ann", "message": "Faster\u001b[2J carts",
        "stages": [{"name": "fetch", "state": "passed", "started_at": "2026-11-22T11:50:00.000Z", "finished_at": "2026-11-22T11:50:01.200Z",
                    "exit_code": 0, "log_bytes": 512, "peak_memory": 0, "cpu_ms": 0},
                   {"name": "verify", "state": "failed", "started_at": "2026-11-22T11:50:01.200Z", "finished_at": "2026-11-22T11:50:48.000Z",
                    "exit_code": null, "signal": 9, "log_bytes": 0, "peak_memory": 1572864, "cpu_ms": 350}],
        "probes": [{"at": "2026-11-22T11:50:40.000Z", "target": "http://127.0.0.1:20001/healthz", "family": "ipv4", "status": 200, "error": "", "latency_ms": 3, "body": "ok"},
                   {"at": "2026-11-22T11:50:47.000Z", "target": "http://127.0.0.1:20001/healthz", "family": "ipv4", "status": 500, "error": "expected 200-299", "latency_ms": 3, "body": "boom"}],
        "log_tail": ["listening", "Error: boom\u001b[0m"]})");
}

TEST(Status, IsOneLinePerApp) {
    json none{{"name", "blog"},  {"state", "none"},       {"live", nullptr},
              {"hold", nullptr}, {"deployment", nullptr}, {"config_error", ""}};
    auto text = render_apps({{"items", {shop(), none}}},
                            {{"problems", {"the proxy can't bind :80"}}}, kCanvas);
    EXPECT_EQ(text,
              R"(APP   STATE  RELEASE  COMMIT   HEALTH   SINCE   NOW                        NOTES
shop  live   12       1a2b3c4  healthy  3m ago  d14 building main 9988776  on hold since 2h ago by ann: freeze; its file is newer than the live release; config error: /etc/belay/apps/shop.toml:3:1: unknown key "brnch"
blog  none   -        -        -        -
! the proxy can't bind :80
)");
}

TEST(Status, WithoutAppsSaysHowToGetOne) {
    EXPECT_EQ(render_apps({{"items", json::array()}}, {}, kCanvas),
              "No apps yet: `belay init GIT-URL` writes the first one's file.\n");
}

TEST(Status, OfOneAppShowsAllThatIsKnown) {
    EXPECT_EQ(render_app(shop(), {{"items", {failed()}}}, kCanvas), R"(shop  live

  live          release 12 (1a2b3c4), healthy, since 3m ago
  standby       release 11
  now           d14 building main 9988776
  queued        d15 queued main
  hold          on hold since 2h ago by ann: freeze
  answers at    http://shop.example.com/
  repository    git@github.com:acme/shop.git, branch main
  file          /etc/belay/apps/shop.toml
                the file is newer than the live release: `belay deploy` applies it
  config error  /etc/belay/apps/shop.toml:3:1: unknown key "brnch"
  last failure  d13 failed in verifying: unhealthy, 9m ago (`belay show d13`)

  PROCESS   STATE        RELEASE  PID   PORT   RESTARTS  SINCE
  web.1     running      12       4711  20001  0         3m ago
  worker.1  backing_off  12       4712         3         5s ago
)");
}

TEST(Status, DoesNotCallAFailureLastThatASuccessFollowed) {
    auto text =
        render_app(shop(), {{"items", {{{"id", "d14"}, {"state", "healthy"}}, failed()}}}, kCanvas);
    EXPECT_THAT(text, Not(HasSubstr("last failure")));
}

TEST(Show, IsTheWholeRecord) {
    EXPECT_EQ(render_deployment(failed(), kCanvas), R"(d13  shop  failed

  reason   unhealthy in verifying (to be mended by: user)
  trigger  push, delivery w88
  commit   1a2b3c4d5e6f
  ref      main
  author   Ann
  message  Faster?[2J carts
  release  13, before it 12
  created  2026-11-22T11:50:00.000Z (10m ago)
  took     48s, of which Belay's own 40ms

  3 probes in a row failed.
  The last one said 500.

  STAGE   STATE   TIME  EXIT      CPU    MEMORY  LOG
  fetch   passed  1.2s  exit 0                   512B
  verify  failed  46s   signal 9  350ms  1.5MiB

  PROBE   TARGET                          FAMILY  RESULT                 LATENCY  BODY
  9m ago  http://127.0.0.1:20001/healthz  ipv4    200                    3ms      ok
  9m ago  http://127.0.0.1:20001/healthz  ipv4    500: expected 200-299  3ms      boom

  Last lines of the log (`belay logs d13` shows all)
  | listening
  | Error: boom?[0m
)");
}

TEST(Show, OfARunningDeploymentCountsToNow) {
    json running{{"id", "d1"},
                 {"app", "shop"},
                 {"state", "building"},
                 {"trigger", "manual"},
                 {"note", "asked by root"},
                 {"created_at", "2026-11-22T11:59:00.000Z"},
                 {"stages",
                  {{{"name", "build"},
                    {"state", "running"},
                    {"started_at", "2026-11-22T11:59:30.000Z"},
                    {"finished_at", nullptr}}}}};
    auto text = render_deployment(running, kCanvas);
    EXPECT_THAT(text, HasSubstr("  took     1m00s\n"));
    EXPECT_THAT(text, HasSubstr("  build  running  30s\n"));
    EXPECT_THAT(text, HasSubstr("  asked    asked by root\n"));
}

TEST(History, NamesTheReasonElseTheMessage) {
    json good{{"id", "d14"},
              {"state", "healthy"},
              {"commit", "99887766aa"},
              {"ref", "refs/tags/v2"},
              {"trigger", "manual"},
              {"release", 14},
              {"created_at", "2026-11-22T11:59:00.000Z"},
              {"finished_at", "2026-11-22T11:59:20.000Z"},
              {"message", "Add carts"}};
    EXPECT_EQ(render_deployments({{"items", {good, failed()}}, {"next", nullptr}}, kCanvas),
              R"(DEPLOYMENT  STATE    COMMIT   REF   TRIGGER  RELEASE  CREATED  TOOK  REASON
d14         healthy  9988776  v2    manual   14       1m ago   20s   Add carts
d13         failed   1a2b3c4  main  push     13       10m ago  48s   unhealthy
)");
    EXPECT_EQ(render_deployments({{"items", json::array()}}, kCanvas), "No deployments yet.\n");
}

TEST(Releases, AreATable) {
    json list{{"items",
               {{{"number", 12},
                 {"state", "live"},
                 {"commit", "1a2b3c4d"},
                 {"deployment", "d12"},
                 {"created_at", "2026-11-22T11:50:00.000Z"},
                 {"live_since", "2026-11-22T11:51:00.000Z"},
                 {"healthy_since", "2026-11-22T11:53:00.000Z"},
                 {"bytes", 1048576}},
                {{"number", 11},
                 {"state", "bad"},
                 {"commit", "aabbccdd"},
                 {"deployment", "d11"},
                 {"created_at", "2026-11-22T10:50:00.000Z"},
                 {"live_since", nullptr},
                 {"healthy_since", nullptr},
                 {"bytes", 0}}}}};
    EXPECT_EQ(render_releases(list, kCanvas),
              R"(RELEASE  STATE  COMMIT   DEPLOYMENT  CREATED  LIVE SINCE  HEALTHY SINCE  SIZE
12       live   1a2b3c4  d12         10m ago  9m ago      7m ago         1MiB
11       bad    aabbccd  d11         1h ago
)");
}

json delivery() {
    return json::parse(
        R"({"id": "w88", "app": "shop", "forge": "github", "event": "push", "delivery_id": "72d3162e", "received_at": "2026-11-22T11:50:00.000Z",
        "status_code": 202, "decision": "queued", "reason": "", "deployment": "d13", "kind": "push", "repository": "acme/shop",
        "changes": [{"kind": "push", "ref": "refs/heads/main", "name": "main", "before": "aaaaaaaaaa", "after": "bbbbbbbbbb", "commit": "bbbbbbbbbb",
                     "created": false, "deleted": false, "forced": true}]})");
}

TEST(Deliveries, SayWhatWasDecided) {
    auto ignored = delivery();
    ignored["id"] = "w89";
    ignored["decision"] = "ignored";
    ignored["status_code"] = 200;
    ignored["deployment"] = nullptr;
    ignored["reason"] = "branch dev is not deployed";
    ignored["changes"][0]["name"] = "dev";
    EXPECT_EQ(
        render_deliveries({{"items", {ignored, delivery()}}}, kCanvas),
        R"(DELIVERY  APP   FORGE   EVENT  RECEIVED  ANSWER  DECISION  DEPLOYMENT  WHAT          REASON
w89       shop  github  push   10m ago   200     ignored               dev bbbbbbb   branch dev is not deployed
w88       shop  github  push   10m ago   202     queued    d13         main bbbbbbb
)");
}

TEST(Deliveries, AreEachShownInFull) {
    EXPECT_EQ(render_delivery(delivery(), kCanvas), R"(w88  shop  queued

  deployment  d13
  received    2026-11-22T11:50:00.000Z (10m ago)
  answered    202
  forge       github
  event       push
  forge's id  72d3162e
  kind        push
  repository  acme/shop

  REF              BEFORE   AFTER    COMMIT   HOW
  refs/heads/main  aaaaaaa  bbbbbbb  bbbbbbb  forced
)");
}

TEST(Status, SaysHowPollingGoes) {
    auto app = shop();
    auto shown = [&] { return render_app(app, {{"items", json::array()}}, kCanvas); };
    app["poll"] = nullptr;
    EXPECT_THAT(shown(), HasSubstr("polling       off\n"));
    app["poll"] = {{"last_at", "2026-11-22T11:57:00.000Z"},
                   {"next_at", "2026-11-22T12:02:00.000Z"},
                   {"tip", std::string(40, 'c')},
                   {"failures", 0},
                   {"error", nullptr}};
    EXPECT_THAT(shown(), HasSubstr("polling       3m ago, at ccccccc; again in 2m00s\n"));
    app["poll"]["failures"] = 4;
    app["poll"]["error"] = "no route to host";
    EXPECT_THAT(shown(), HasSubstr("3m ago, failed 4 times in a row: no route to host; again"));
}

TEST(Why, IsATimelineUnderTheAnswerAndOverWhatToDo) {
    auto explanation = json::parse(R"({
        "answer": "bbbbbbb is not live: the build failed", "steps": [
        {"at": "2026-11-22T23:59:58.100Z", "kind": "delivery", "subject": "w88", "text": "github delivered it"},
        {"at": "2026-11-22T23:59:58.100Z", "kind": "decision", "state": "queued", "text": "queued as d13"},
        {"at": "2026-11-22T23:59:59.000Z", "kind": "deployment", "subject": "d13", "text": "queued for w88"},
        {"at": "2026-11-23T00:00:01.000Z", "kind": "stage", "subject": "build", "state": "failed",
         "text": "failed after 48s", "lines": ["make: *** [all] Error 2\u001b"]},
        {"kind": "live", "text": "release 11 stayed live"}],
        "next": ["belay logs d13 --stage build", "push what cures it"]})");
    EXPECT_EQ(render_why(explanation, kCanvas), R"(bbbbbbb is not live: the build failed

2026-11-22 23:59:58  w88    github delivered it
                            queued as d13
           23:59:59  d13    queued for w88
2026-11-23 00:00:01  build  failed after 48s
                            | make: *** [all] Error 2?
                     live   release 11 stayed live

next: belay logs d13 --stage build
      push what cures it
)");
}

TEST(Why, BreaksLinesAtTheTerminalsWidth) {
    json explanation{
        {"answer", "x"},
        {"steps",
         {{{"kind", "end"},
           {"text", "failed: the build failed and said so at length, word for word"}}}}};
    Canvas narrow = kCanvas;
    narrow.width = 60;
    auto text = render_why(explanation, narrow);
    EXPECT_NE(text.find("failed: the build failed and said so\n"), std::string::npos) << text;
}

TEST(Reload, PlacesComplaintsAndNamesChanges) {
    json report{{"ok", false},
                {"complaints",
                 {{{"file", "/etc/belay/apps/shop.toml"},
                   {"line", 3},
                   {"column", 1},
                   {"message", "unknown key"}}}},
                {"changes", {{{"app", "blog"}, {"change", "changed: [traffic] bake"}}}}};
    EXPECT_EQ(render_reload(report, kCanvas),
              "/etc/belay/apps/shop.toml:3:1: unknown key\nblog  changed: [traffic] bake\n");
    EXPECT_EQ(render_reload({{"ok", true}}, kCanvas), "Nothing changed.\n");
}

TEST(Rendering, BearsJsonOfAnyShape) {
    for (const auto& odd :
         {json(), json(7), json("x"), json::array({1, nullptr, "x"}), json{{"items", 3}},
          json{{"items", {nullptr, 1, {{"name", 5}, {"live", "x"}, {"created_at", "no time"}}}}}}) {
        for (auto render : {render_deployments, render_deployment, render_failure, render_releases,
                            render_deliveries, render_delivery, render_why, render_reload})
            render(odd, kCanvas);
        render_apps(odd, odd, kCanvas);
        render_app(odd, odd, kCanvas);
    }
}

}  // namespace
}  // namespace belay::cli
