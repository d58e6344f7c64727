#include "http_fixture.hpp"

#include <nlohmann/json.hpp>

namespace belay::test {
namespace {

using nlohmann::json;

class Streams : public HttpTest {
  protected:
    Streams() { options_.log_poll = Millis{10}; }

    void happen(const std::string& text, std::int64_t deployment = 0,
                const std::string& app = "shop") {
        on_loop([&] {
            domain::EventRecord event;
            event.type = deployment ? "deployment" : "app";
            event.app = app;
            event.deployment = DeploymentId{deployment};
            event.text = text;
            event.data = R"({"a":1})";
            api_.happen(event);
            return 0;
        });
    }
    engine::LogSource source(const std::string& name, bool live, std::vector<Secret> mask = {}) {
        engine::LogSource log;
        log.path = directory_ + "/" + name;
        log.name = name;
        log.live = live;
        log.mask = std::move(mask);
        return log;
    }
    void lay_out(domain::State state, bool live) {
        auto& deployment = api_.deployment_views[12].deployment;
        deployment.id = DeploymentId{12};
        deployment.app = "shop";
        deployment.state = state;
        api_.logs["d12/build"] = {source("build", live)};
        api_.logs["d12/"] = {source("build", live), source("test", live)};
    }
    void finish() {
        on_loop([&] {
            lay_out(domain::State::healthy, false);
            return 0;
        });
        happen("healthy", 12);
    }
    Client follow(const std::string& target, const std::string& headers = {}) {
        auto client = local();
        client.send(request("GET", target, headers));
        client.until("\r\n\r\n");
        return client;
    }
};

TEST_F(Streams, EventsComeAsTheyHappen) {
    start();
    auto client = follow("/api/v1/events");
    client.until("retry: 1000\n\n");
    happen("one", 12);
    auto text = client.until("\n\n");
    EXPECT_NE(text.find("id: 1\nevent: deployment\ndata: {"), text.npos) << text;
    auto data = json::parse(text.substr(text.find("data: ") + 6));
    EXPECT_EQ(data["deployment"], "d12");
    EXPECT_EQ(data["text"], "one");
    EXPECT_EQ(data["data"]["a"], 1);
    EXPECT_EQ(data["state"], nullptr);
}

TEST_F(Streams, EventsGoOnWhereTheClientLeftOff) {
    start();
    for (int i = 1; i <= 450; ++i)
        happen("n" + std::to_string(i));
    auto client = follow("/api/v1/events", "Last-Event-ID: 3\r\n");
    EXPECT_NE(client.until("\"n4\"").find("id: 4\n"), std::string::npos);
    client.until("\"n450\"");
    happen("n451");
    auto text = client.until("\"n451\"");
    EXPECT_EQ(text.find("id: 450"), text.npos);
    EXPECT_EQ(get("/api/v1/events", "Last-Event-ID: x\r\n").status, 400);
}

TEST_F(Streams, EventsAreFilteredByAppAndDeployment) {
    start();
    auto app = follow("/api/v1/events?app=shop");
    auto one = follow("/api/v1/events?deployment=d12");
    app.until("retry");
    one.until("retry");
    happen("other", 0, "blog");
    happen("mine", 12);
    happen("general");
    EXPECT_EQ(app.until("\"mine\"").find("other"), std::string::npos);
    one.until("\"mine\"");
    app.until("\"general\"");
    EXPECT_EQ(get("/api/v1/events?deployment=x").status, 400);
}

TEST_F(Streams, SilentEventStreamsBeat) {
    options_.heartbeat = Millis{30};
    start();
    auto client = follow("/api/v1/events");
    client.until(": heartbeat\n\n");
    client.until(": heartbeat\n\n");
}

TEST_F(Streams, AFollowerThatIsTooSlowIsCut) {
    options_.event_queue = 8;
    start();
    auto client = follow("/api/v1/events");
    client.until("retry: 1000\n\n");
    on_loop([&] {
        for (int i = 0; i < 9; ++i)
            api_.happen({0, {}, "app", "shop", {}, std::string(10, 'x'), "", ""});
        return 0;
    });
    client.until_closed();
    eventually([&] { return api_.subscribers() == 0; });
}

TEST_F(Streams, ClientsThatGoLeaveNothingBehind) {
    lay_out(domain::State::building, true);
    api_.logs["shop"] = {source("web.1", true)};
    start();
    {
        auto events = follow("/api/v1/events");
        auto stage = follow("/api/v1/deployments/d12/logs/build?follow=1");
        auto app = follow("/api/v1/apps/shop/logs?follow=1");
        eventually([&] { return api_.subscribers() == 3; });
    }
    eventually([&] { return api_.subscribers() == 0 && server_->counts().connections == 0; });
}

TEST_F(Streams, ALogIsReadFromAnOffset) {
    lay_out(domain::State::healthy, false);
    write("build", "0123456789");
    start();
    auto answer = get("/api/v1/deployments/d12/logs/build");
    EXPECT_EQ(answer.body, "0123456789");
    EXPECT_EQ(answer.headers["x-belay-next-offset"], "10");
    EXPECT_EQ(answer.headers["content-type"], "text/plain; charset=utf-8");
    EXPECT_EQ(get("/api/v1/deployments/d12/logs/build?from=7").body, "789");
    EXPECT_EQ(get("/api/v1/deployments/d12/logs/build?from=99").body, "");
    EXPECT_EQ(get("/api/v1/deployments/d12/logs/build?from=-1").status, 400);
    EXPECT_EQ(get("/api/v1/deployments/d12/logs?from=1").status, 400);
    EXPECT_EQ(get("/api/v1/deployments/d12/logs/nothing").status, 404);
    EXPECT_EQ(get("/api/v1/deployments/d13/logs").status, 404);
}

TEST_F(Streams, SeveralLogsAreToldApart) {
    lay_out(domain::State::healthy, false);
    write("build", "made\n");
    write("test", "passed\n");
    start();
    EXPECT_EQ(get("/api/v1/deployments/d12/logs").body,
              "==> build <==\nmade\n\n==> test <==\npassed\n");
}

TEST_F(Streams, ALargeLogComesWhole) {
    lay_out(domain::State::healthy, false);
    std::string text;
    for (int i = 0; i < 40'000; ++i)
        text += "line " + std::to_string(i) + "\n";
    write("build", text);
    start();
    EXPECT_EQ(get("/api/v1/deployments/d12/logs/build").body, text);
}

TEST_F(Streams, AFollowedLogGrowsUntilTheDeploymentEnds) {
    lay_out(domain::State::building, true);
    write("build", "one\n");
    start();
    auto client = follow("/api/v1/deployments/d12/logs/build?follow=1");
    client.until("one\n");
    write("build", "two\n");
    client.until("two\n");
    write("build", "last");
    finish();
    client.until("last");
    client.until("0\r\n\r\n");
    EXPECT_EQ(client.until_closed(), "");
}

TEST_F(Streams, AFollowedDeploymentShowsStagesThatComeLater) {
    lay_out(domain::State::building, true);
    api_.logs["d12/"].pop_back();
    write("build", "made\n");
    start();
    auto client = follow("/api/v1/deployments/d12/logs?follow=1");
    client.until("made\n");
    write("test", "passed\n");
    finish();
    client.until("==> test <==\npassed\n");
    client.until("0\r\n\r\n");
}

TEST_F(Streams, AStageThatIsYetToComeIsWaitedFor) {
    lay_out(domain::State::fetching, true);
    auto build = api_.logs.extract("d12/build");
    start();
    auto client = follow("/api/v1/deployments/d12/logs/build?follow=1");
    write("build", "made\n");
    finish();
    client.until("made\n");
    client.until("0\r\n\r\n");
}

TEST_F(Streams, LogsAlsoComeAsEvents) {
    lay_out(domain::State::building, true);
    write("build", "caf\xc3");
    start();
    auto client = follow("/api/v1/deployments/d12/logs/build", "Accept: text/event-stream\r\n");
    EXPECT_NE(client.until("\n\n").find(R"({"name":"build","offset":4,"text":"caf"})"),
              std::string::npos);
    write("build", "\xa9\n");
    EXPECT_NE(
        client.until("\n\n").find("{\"name\":\"build\",\"offset\":6,\"text\":\"\xc3\xa9\\n\"}"),
        std::string::npos);
    finish();
    client.until("event: end\ndata: {}\n\n");
}

TEST_F(Streams, AnAppsOutputIsMasked) {
    api_.logs["shop"] = {source("web.1", true, {Secret("hunter2hunter2")})};
    api_.logs["shop/web"] = api_.logs["shop"];
    write("web.1", "key hunter2hunter2 used\nbase64 aHVudGVyMmh1bnRlcjI=\nnow hunter2");
    start();
    auto answer = get("/api/v1/apps/shop/logs?process=web");
    EXPECT_EQ(answer.body, "key *** used\nbase64 ***\nnow ");
    // What may be the beginning of a secret is for the next reader.
    auto next = answer.headers["x-belay-next-offset"];
    write("web.1", "hunter2 again\n");
    EXPECT_EQ(get("/api/v1/apps/shop/logs?from=" + next).body, "*** again\n");
    // An offset within a secret does not show the rest of it.
    for (int from = 5; from < 18; ++from) {
        auto text = get("/api/v1/apps/shop/logs?from=" + std::to_string(from)).body;
        EXPECT_TRUE(text.starts_with("*** used\n")) << text;
    }
}

// What a unit writes to the journal, without a journal.
class Lines : public ports::UnitLog {
  public:
    using Journal = std::vector<std::pair<std::int64_t, std::string>>;
    Lines(std::shared_ptr<const Journal> journal, std::int64_t after)
        : journal_(std::move(journal)), at_(after) {}

    Task<Result<std::string>> read(std::int64_t until) override {
        std::string text;
        const auto after = at_;
        for (const auto& [when, line] : *journal_)
            if (when > after && (until == 0 || when <= until)) {
                text += line + "\n";
                at_ = when;
            }
        co_return text;
    }
    std::int64_t position() const override { return at_; }

  private:
    std::shared_ptr<const Journal> journal_;
    std::int64_t at_;
};

class UnitStreams : public Streams {
  protected:
    UnitStreams() {
        engine::LogSource unit;
        unit.name = "shop.service";
        unit.live = true;
        unit.mask = {Secret("hunter2hunter2")};
        unit.journal = [journal = journal_](std::int64_t after) {
            return std::make_unique<Lines>(journal, after);
        };
        unit.journal_from = 1'000'000;
        api_.logs["shop"] = {unit};
    }
    void says(std::int64_t second, const std::string& line) {
        on_loop([&] {
            journal_->emplace_back(second * 1'000'000, line);
            return 0;
        });
    }

    // Shared: who follows reads on until the server is gone, after this fixture.
    std::shared_ptr<Lines::Journal> journal_ = std::make_shared<Lines::Journal>();
};

TEST_F(UnitStreams, AUnitsJournalIsShownMaskedSinceItsReleaseWentLive) {
    *journal_ = {{1'000'000, "of the release before"},
                 {2'000'000, "key hunter2hunter2 used"},
                 {3'000'000, "ready"}};
    start();
    auto answer = get("/api/v1/apps/shop/logs");
    EXPECT_EQ(answer.body, "key *** used\nready\n");
    EXPECT_EQ(get("/api/v1/apps/shop/logs?since=1970-01-01T00:00:03Z").body, "ready\n");
    EXPECT_EQ(get("/api/v1/apps/shop/logs?from=2000000").body, "ready\n");
    auto next = answer.headers["x-belay-next-offset"];
    EXPECT_EQ(get("/api/v1/apps/shop/logs?from=" + next).body, "");
}

TEST_F(UnitStreams, AFollowedUnitsJournalGrowsAndIsTakenUpWhereItWasLeft) {
    *journal_ = {{2'000'000, "one"}};
    start();
    auto client = follow("/api/v1/apps/shop/logs?follow=1");
    client.until("one\n");
    says(3, "a hunter2hunter2 b");
    EXPECT_EQ(client.until(" b\n").find("hunter2"), std::string::npos);
    auto events = follow("/api/v1/apps/shop/logs", "Accept: text/event-stream\r\n");
    auto text = events.until("\n\n");
    EXPECT_NE(text.find(R"({"name":"shop.service","offset":3000000,"text":"one\na *** b\n"})"),
              text.npos)
        << text;
    says(4, "last");
    auto again =
        follow("/api/v1/apps/shop/logs", "Accept: text/event-stream\r\nLast-Event-ID: 3000000\r\n");
    EXPECT_NE(again.until("\n\n").find(R"("text":"last\n")"), std::string::npos);
}

TEST_F(UnitStreams, AJournalThatCannotBeReadIsToldOfBeforeTheAnswerBegins) {
    class Closed : public ports::UnitLog {
        Task<Result<std::string>> read(std::int64_t) override {
            co_return Error{Errc::forbidden, "add it to the group systemd-journal"};
        }
        std::int64_t position() const override { return 0; }
    };
    api_.logs["shop"][0].journal = [](std::int64_t) { return std::make_unique<Closed>(); };
    start();
    for (const auto* target : {"/api/v1/apps/shop/logs", "/api/v1/apps/shop/logs?follow=1"}) {
        auto answer = get(target);
        EXPECT_EQ(answer.status, 403);
        EXPECT_NE(answer.body.find("systemd-journal"), std::string::npos) << answer.body;
    }
}

TEST_F(Streams, AFollowedAppLogIsMaskedAcrossWrites) {
    api_.logs["shop"] = {source("web.1", true, {Secret("hunter2hunter2")})};
    write("web.1", "a hunter2");
    start();
    auto client = follow("/api/v1/apps/shop/logs?follow=1");
    client.until("a ");
    write("web.1", "hunter2 b\n");
    EXPECT_EQ(client.until("b\n").find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace belay::test
