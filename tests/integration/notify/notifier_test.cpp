// The outbox' worker against real servers, with a record that outlives it.
#include "fakes/fake_store.hpp"
#include "support/eventually.hpp"
#include "support/receiver.hpp"
#include "support/test_loop.hpp"

#include <belay/notify/notifier.hpp>

#include <gtest/gtest.h>

#include <fstream>

namespace belay::notify {
namespace {

using ports::OutgoingState;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

domain::SecretRef value(std::string text) {
    return {domain::SecretRef::Kind::inline_value, "", Secret(std::move(text))};
}

// A forge whose statuses take two requests: it asks for an id first.
class TwoSteps final : public ports::StatusForge {
  public:
    explicit TwoSteps(std::string url) : url_(std::move(url)) {}
    std::string_view name() const override { return "two"; }
    Step next(const ports::StatusReport& report, const Secret& token,
              const std::vector<HttpAnswer>& answers, TimePoint now) const override {
        if (!answers.empty()) {
            auto verdict = ports::judge(answers.back(), now);
            if (verdict.kind != ports::Verdict::Kind::done || answers.size() == 2) return verdict;
        }
        HttpRequest request;
        request.url = url_ + (answers.empty() ? "ids" : "statuses");
        request.headers = {{"Authorization", "Bearer " + token.reveal()}};
        request.body = std::string(to_string(report.state));
        return request;
    }

  private:
    std::string url_;
};

class Forges final : public ports::StatusForges {
  public:
    explicit Forges(std::string url) : two_(std::move(url)) {}
    const ports::StatusForge* find(std::string_view name) const override {
        return name == two_.name() ? &two_ : nullptr;
    }

  private:
    TwoSteps two_;
};

class Outbox : public testing::Test {
  protected:
    Outbox() {
        for (const auto* name :
             {"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"})
            ::unsetenv(name);
        options_.shim = BELAY_SHIM_PATH;
        options_.host = "web1";
        options_.resolve = [](const domain::SecretRef& secret) {
            return Result<Secret>(secret.value);
        };
        options_.status_token = [](const std::string&) { return Result<Secret>(Secret("TOKEN")); };
        options_.pace.gather = Millis{30};
        options_.pace.first_retry = Millis{40};
        options_.pace.longest_retry = Millis{200};
        options_.pace.attempt = Millis{2'000};
        options_.pace.quiet = 2;  // ten minutes are 1.2 s
    }
    ~Outbox() override { stop(); }

    void start() {
        store_ = std::make_unique<test::FakeStore>(disk_);
        notifier_ = make_notifier(loop_->executor(), loop_->timers(), options_);
        notifier_->set_channels(channels_);
        notifier_->start(*store_);
    }
    // As a kill does it: nothing more is recorded.
    void stop() {
        if (!notifier_) return;
        loop_->run(notifier_->close(Millis{20'000}));
        notifier_.reset();
    }
    void kill() {
        notifier_.reset();  // its threads end before the loop that they come back to
        loop_.reset();
        store_.reset();
        loop_ = std::make_unique<test::TestLoop>();
    }

    void add_channel(std::string name, std::string url, std::string type = "webhook") {
        domain::Channel channel;
        channel.name = std::move(name);
        channel.type = std::move(type);
        channel.url = value(std::move(url));
        channels_.push_back(std::move(channel));
    }

    domain::Alert alert(std::string app, int deployment,
                        domain::Reason reason = domain::Reason::build_failed) {
        domain::Alert made;
        made.event = domain::AlertEvent::failed;
        made.app = std::move(app);
        made.deployment = DeploymentId{deployment};
        made.reason = reason;
        made.at = loop_->timers().now();
        return made;
    }
    void tell(const std::string& channel, const domain::Alert& what) {
        std::vector<ports::Write> batch;
        batch.emplace_back(ports::AddOutgoing{notifier_->alert(what, channel)});
        ASSERT_TRUE(loop_->run(store_->commit(std::move(batch))));
        notifier_->wake();
    }
    std::size_t count(OutgoingState state) const {
        std::size_t found = 0;
        for (const auto& [id, row] : disk_->outbox)
            found += row.state == state ? 1 : 0;
        return found;
    }
    bool until(std::function<bool()> condition, Millis deadline = Millis{15'000}) {
        return loop_->run_until(std::move(condition), deadline);
    }
    static Json body(const Json& request) {
        return Json::parse(request["body"].get<std::string>());
    }
    static std::string id_of(const Json& request) { return request["headers"]["webhook-id"]; }

    test::TempDirectory directory_;
    std::unique_ptr<test::TestLoop> loop_ = std::make_unique<test::TestLoop>();
    Options options_;
    std::vector<domain::Channel> channels_;
    std::shared_ptr<test::FakeDisk> disk_ = std::make_shared<test::FakeDisk>();
    std::unique_ptr<test::FakeStore> store_;
    std::unique_ptr<Notifier> notifier_;
};

TEST_F(Outbox, AlertsGoOutInTheirOrderAndAreRecordedAsSent) {
    test::Receiver receiver(directory_, "http");
    add_channel("ops", receiver.url());
    start();
    tell("ops", alert("shop", 1));
    tell("ops", alert("shop", 2, domain::Reason::test_failed));
    tell("ops", alert("shop", 3, domain::Reason::oom));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 3; }));
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 3U);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(body(seen[static_cast<std::size_t>(i)])["data"]["deployment"],
                  "d" + std::to_string(i + 1));
    EXPECT_TRUE(notifier_->problems().empty());
}

TEST_F(Outbox, WhatFailsIsTriedAgainUnderTheSameId) {
    test::Receiver receiver(directory_, "http",
                            R"([{"status": 500}, {"cut": true}, {"status": 401}, {}])");
    add_channel("ops", receiver.url());
    start();
    tell("ops", alert("shop", 1));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 4U);
    for (const auto& request : seen)
        EXPECT_EQ(id_of(request), id_of(seen[0]));
    EXPECT_EQ(disk_->outbox.at(1).attempts, 4);
}

TEST_F(Outbox, TellsWhatWaitsAndWhatFailedOfEachChannel) {
    test::Receiver receiver(directory_, "http",
                            R"([{"status": 500}, {"status": 500}, {"status": 400}, {}])");
    add_channel("ops", receiver.url());
    add_channel("idle", receiver.url());
    options_.pace.first_retry = Millis{200};
    start();
    auto of = [&](const std::string& name) {
        for (const auto& one : notifier_->figures())
            if (one.destination == ports::Destination{ports::OutgoingKind::alert, name}) return one;
        ADD_FAILURE() << "nothing of " << name;
        return DestinationFigures();
    };
    EXPECT_EQ(of("ops").waiting, 0U) << "before anything was sent, and not missing";
    const auto first = alert("shop", 1);
    tell("ops", first);
    tell("ops", alert("shop", 2, domain::Reason::oom));
    ASSERT_TRUE(until([&] { return of("ops").failed >= 1 && of("ops").waiting == 2; }));
    EXPECT_EQ(of("ops").oldest, first.at);
    ASSERT_TRUE(until([&] { return of("ops").sent == 1 && of("ops").waiting == 0; }));
    EXPECT_EQ(of("ops").failed, 3U);
    EXPECT_EQ(of("ops").dropped, 1U);
    EXPECT_EQ(of("ops").oldest, TimePoint{});
    EXPECT_EQ(of("idle").sent, 0U);
    channels_.erase(channels_.begin());
    notifier_->set_channels(channels_);
    EXPECT_EQ(notifier_->figures().size(), 1U) << "a channel that is gone is told of no more";
}

TEST_F(Outbox, RetryAfterIsHonoured) {
    test::Receiver receiver(directory_, "http",
                            R"([{"status": 429, "headers": {"Retry-After": "1"}}, {}])");
    add_channel("ops", receiver.url());
    start();
    tell("ops", alert("shop", 1));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_GE(seen[1]["at"].get<double>() - seen[0]["at"].get<double>(), 0.95);
}

TEST_F(Outbox, WhatIsRefusedForGoodIsDroppedWithTheReasonAndTheNextGoes) {
    test::Receiver receiver(directory_, "http",
                            R"([{"status": 400, "body": "invalid_payload"}, {}])");
    add_channel("ops", receiver.url());
    start();
    tell("ops", alert("shop", 1));
    tell("ops", alert("shop", 2, domain::Reason::oom));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    EXPECT_EQ(disk_->outbox.at(1).state, OutgoingState::dropped);
    EXPECT_EQ(disk_->outbox.at(1).last_error, "answered 400: invalid_payload");
    EXPECT_EQ(disk_->outbox.at(2).state, OutgoingState::sent);
}

TEST_F(Outbox, ADayOfFailuresIsTheEndAndIsRecorded) {
    test::Receiver receiver(directory_, "http", R"([{"status": 503}])");
    add_channel("ops", receiver.url());
    options_.pace.give_up = Millis{400};
    start();
    tell("ops", alert("shop", 1));
    ASSERT_TRUE(until([&] { return count(OutgoingState::dropped) == 1; }));
    EXPECT_GT(disk_->outbox.at(1).attempts, 1);
    EXPECT_NE(disk_->outbox.at(1).last_error.find("answered 503"), std::string::npos);
    EXPECT_NE(disk_->outbox.at(1).last_error.find("given up"), std::string::npos);
}

TEST_F(Outbox, Fault32_AClockThatWasSetBackPutsNoMessageOff) {
    test::Receiver receiver(directory_, "http");
    add_channel("ops", receiver.url());
    start();
    auto before = alert("shop", 1);
    before.at += Millis{std::int64_t{366} * 86'400'000};  // as the clock had it then
    tell("ops", before);
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
}

TEST_F(Outbox, Fault32_AClockThatWasSetAheadMakesNoMessageTooOld) {
    test::Receiver receiver(directory_, "http", R"([{"status": 503}, {}])");
    add_channel("ops", receiver.url());
    start();
    auto before = alert("shop", 1);
    before.at -= Millis{std::int64_t{366} * 86'400'000};
    tell("ops", before);
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    EXPECT_EQ(disk_->outbox.at(1).attempts, 2);
}

TEST_F(Outbox, SlowDestinationsHoldUpNoOther) {
    test::Receiver slow(directory_, "http", R"([{"slow": 60}])");
    test::TempDirectory other;
    test::Receiver quick(other, "http");
    options_.pace.attempt = Millis{1'500};
    for (int i = 0; i < 10; ++i)
        add_channel("slow-" + std::to_string(i), slow.url());
    add_channel("ops", quick.url());
    start();
    for (int i = 0; i < 10; ++i)
        tell("slow-" + std::to_string(i), alert("shop", i + 1));
    // Each of them has run into its limit once.
    ASSERT_TRUE(until([&] {
        return std::all_of(disk_->outbox.begin(), disk_->outbox.end(),
                           [](const auto& row) { return !row.second.last_error.empty(); });
    }));
    auto before = Clock::now();
    tell("ops", alert("shop", 99));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    EXPECT_LT(Clock::now() - before, std::chrono::milliseconds(1'000));
}

TEST_F(Outbox, ARestartBetweenFailureAndRetryLosesNothing) {
    test::Receiver receiver(directory_, "http", R"([{"status": 500}, {}])");
    add_channel("ops", receiver.url());
    options_.pace.first_retry = Millis{1'000};
    start();
    tell("ops", alert("shop", 1));
    ASSERT_TRUE(until([&] {
        return receiver.received().size() == 1 && !disk_->outbox.at(1).last_error.empty();
    }));
    stop();
    start();
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(id_of(seen[1]), id_of(seen[0]));
    EXPECT_EQ(disk_->outbox.at(1).attempts, 2);
}

TEST_F(Outbox, KilledBetweenSendingAndRecordingItSendsTheSameAgain) {
    test::Receiver receiver(directory_, "http");
    add_channel("ops", receiver.url());
    start();
    tell("ops", alert("shop", 1));
    // The intent is stored; the outcome never is.
    store_->stop_before_commit(2);
    ASSERT_TRUE(until([&] { return store_->stopped(); }));
    ASSERT_EQ(receiver.received().size(), 1U);
    EXPECT_EQ(count(OutgoingState::waiting), 1U);
    kill();
    start();
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(id_of(seen[1]), id_of(seen[0]));
    EXPECT_EQ(seen[1]["body"], seen[0]["body"]) << "the same news under the same id";
}

TEST_F(Outbox, RepeatsAreCountedAndToldOnce) {
    test::Receiver receiver(directory_, "http");
    add_channel("ops", receiver.url());
    start();
    tell("ops", alert("shop", 1));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    for (int i = 2; i <= 4; ++i)
        tell("ops", alert("shop", i));
    // What is no repeat doesn't wait for them.
    tell("ops", alert("shop", 5, domain::Reason::oom));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 2; }));
    EXPECT_EQ(body(receiver.received()[1])["data"]["deployment"], "d5");
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 3; }));
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 3U);
    auto told = body(seen[2])["data"];
    EXPECT_EQ(told["count"], 3);
    EXPECT_EQ(told["again"], true);
    EXPECT_EQ(told["deployment"], "d4") << "the newest";
    EXPECT_EQ(count(OutgoingState::merged), 2U);
    EXPECT_GE(seen[2]["at"].get<double>() - seen[0]["at"].get<double>(), 1.1);
}

TEST_F(Outbox, SeveralAppsWithTheSameTroubleAreOneMessage) {
    test::Receiver receiver(directory_, "http");
    add_channel("ops", receiver.url());
    options_.pace.gather = Millis{300};
    start();
    for (const std::string app : {"shop", "blog", "api"})
        tell("ops", alert(app, 1, domain::Reason::disk_full));
    tell("ops", alert("wiki", 1));
    ASSERT_TRUE(until([&] { return count(OutgoingState::waiting) == 0; }));
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 2U);
    auto told = body(seen[0])["data"];
    EXPECT_EQ(told["title"], "3 apps failed to deploy: the disk is full");
    EXPECT_EQ(told["others"].size(), 2U);
    EXPECT_EQ(body(seen[1])["data"]["app"], "wiki");
}

TEST_F(Outbox, AChannelThatIsGoneAndOneThatIsMended) {
    test::Receiver receiver(directory_, "http");
    add_channel("ops", "http://127.0.0.1:" + std::to_string(test::free_port()));
    options_.pace.first_retry = options_.pace.longest_retry = Millis{3'600'000};
    start();
    tell("ops", alert("shop", 1));
    tell("old", alert("shop", 1));
    ASSERT_TRUE(until([&] {
        return count(OutgoingState::dropped) == 1 && !disk_->outbox.at(1).last_error.empty();
    }));
    EXPECT_NE(disk_->outbox.at(2).last_error.find("[notify.old]"), std::string::npos);
    channels_.clear();
    add_channel("ops", receiver.url());
    notifier_->set_channels(channels_);
    EXPECT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }))
        << "tried at once after a reload";
}

TEST_F(Outbox, OneThatKeepsFailingIsAProblemUntilItWorks) {
    test::Receiver receiver(directory_, "http",
                            R"([{"status": 500, "body": "oops"}, {"status": 500, "body": "oops"},
        {"status": 500, "body": "oops"}, {"slow": 1, "status": 200}])");
    add_channel("ops", receiver.url("/SECRETPATH"));
    start();
    tell("ops", alert("shop", 1));
    ASSERT_TRUE(until([&] { return !notifier_->problems().empty(); }));
    auto problem = notifier_->problems().front();
    EXPECT_NE(problem.find("sending alerts to ops has failed 3 times"), std::string::npos)
        << problem;
    EXPECT_NE(problem.find("answered 500: oops"), std::string::npos) << problem;
    EXPECT_NE(problem.find("belay notify test ops"), std::string::npos) << problem;
    EXPECT_EQ(problem.find("SECRETPATH"), std::string::npos);
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    EXPECT_TRUE(notifier_->problems().empty());
}

TEST_F(Outbox, ATestGoesOutAtOnceAndSaysWhatCame) {
    test::Receiver receiver(directory_, "http",
                            R"([{"status": 200}, {"status": 404, "body": "no_service"}])");
    add_channel("ops", receiver.url(), "slack");
    start();
    EXPECT_EQ(loop_->run(notifier_->test("ops")).value(), "answered 200");
    auto refused = loop_->run(notifier_->test("ops"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    EXPECT_EQ(refused.error().message, "ops: answered 404: no_service");
    EXPECT_EQ(loop_->run(notifier_->test("none")).error().code, Errc::not_found);
    EXPECT_EQ(body(receiver.received()[0])["text"], "Test alert from Belay on web1");
    EXPECT_TRUE(disk_->outbox.empty());
}

TEST_F(Outbox, MailGoesOutWithStarttlsAndItsRefusalsAreTold) {
    test::make_certificate(directory_);
    test::Receiver server(directory_, "smtp", R"([{"status": 451}, {}])");
    domain::Channel channel;
    channel.name = "mail";
    channel.type = "email";
    channel.server = "localhost:" + std::to_string(server.port());
    channel.from = "belay@example.org";
    channel.to = {"ops@example.org"};
    channel.username = "ops";
    channel.password = value("pass word");
    channel.ca = directory_ / "cert.pem";
    channels_ = {channel};
    start();
    tell("mail", alert("shop", 1));
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    auto seen = server.received();
    ASSERT_EQ(seen.size(), 3U) << "refused, then taken: RCPT and the message";
    auto message = seen[2]["message"].get<std::string>();
    EXPECT_EQ(seen[2]["tls"], true);
    EXPECT_NE(message.find("Subject: shop: d1 failed: the build failed\r\n"), message.npos)
        << message;
    EXPECT_NE(message.find("Message-ID: <" + disk_->outbox.at(1).message_id + "@example.org>"),
              message.npos);
    EXPECT_EQ(disk_->outbox.at(1).attempts, 2);
}

TEST_F(Outbox, ACommandGetsTheAlertAndItsFailureIsToldWithItsWords) {
    domain::Channel channel;
    channel.name = "cmd";
    channel.type = "exec";
    const auto got = directory_ / "got";
    const auto second = directory_ / "second";
    channel.run.shell = "test -e " + second + " || { touch " + second +
                        "; echo not yet >&2; exit 3; }; env > " + got + ".env; cat > " + got +
                        ".part; mv " + got + ".part " + got;
    channels_ = {channel};
    ::setenv("BELAY_TEST_SECRET", "hunter2", 1);
    start();
    tell("cmd", alert("shop", 1));
    ASSERT_TRUE(until([&] { return !disk_->outbox.at(1).last_error.empty(); }));
    EXPECT_EQ(disk_->outbox.at(1).last_error, "the command exited with code 3: not yet");
    ASSERT_TRUE(until([&] { return count(OutgoingState::sent) == 1; }));
    std::ifstream file(got);
    EXPECT_EQ(Json::parse(file)["data"]["app"], "shop");
    std::ifstream environment(got + ".env");
    std::string all((std::istreambuf_iterator<char>(environment)), {});
    EXPECT_NE(all.find("BELAY_EVENT=failed"), all.npos) << all;
    EXPECT_EQ(all.find("hunter2"), all.npos) << all;
    ::unsetenv("BELAY_TEST_SECRET");
}

TEST_F(Outbox, ACommandThatHangsIsKilled) {
    domain::Channel channel;
    channel.name = "cmd";
    channel.type = "exec";
    const auto pid = directory_ / "pid";
    channel.run.shell = "echo $$ > " + pid + "; sleep 600";
    channels_ = {channel};
    options_.pace.attempt = Millis{500};
    options_.pace.first_retry = options_.pace.longest_retry = Millis{3'600'000};
    start();
    tell("cmd", alert("shop", 1));
    ASSERT_TRUE(until([&] { return !disk_->outbox.at(1).last_error.empty(); }));
    EXPECT_EQ(disk_->outbox.at(1).last_error, "the command did not end within 500ms");
    std::ifstream file(pid);
    int number = 0;
    file >> number;
    ASSERT_GT(number, 0);
    EXPECT_TRUE(test::eventually([&] { return ::kill(number, 0) != 0; }));
}

TEST_F(Outbox, StatusesTakeSeveralRequestsAndTheNewestOfACommitTellsItAll) {
    test::Receiver receiver(directory_, "http", R"([{}, {"status": 502}, {}])");
    Forges forges(receiver.url());
    options_.statuses = &forges;
    start();
    ports::StatusReport report;
    report.forge = "two";
    report.repo = "octo/shop";
    report.sha = std::string(40, 'a');
    report.app = "shop";
    report.at = loop_->timers().now();
    std::vector<ports::Write> batch;
    for (auto state : {domain::State::queued, domain::State::building, domain::State::healthy}) {
        report.state = state;
        batch.emplace_back(ports::AddOutgoing{notifier_->status(report)});
    }
    report.forge = "unknown";
    report.sha = std::string(40, 'b');
    batch.emplace_back(ports::AddOutgoing{notifier_->status(report)});
    ASSERT_TRUE(loop_->run(store_->commit(std::move(batch))));
    notifier_->wake();
    ASSERT_TRUE(until([&] { return count(OutgoingState::waiting) == 0; }));
    EXPECT_EQ(count(OutgoingState::merged), 2U);
    EXPECT_EQ(count(OutgoingState::sent), 1U);
    EXPECT_EQ(count(OutgoingState::dropped), 1U);
    auto seen = receiver.received();
    ASSERT_EQ(seen.size(), 4U) << "an attempt begins anew after a retry";
    EXPECT_EQ(seen[0]["path"], "/ids");
    EXPECT_EQ(seen[1]["path"], "/statuses");
    EXPECT_EQ(seen[2]["path"], "/ids");
    EXPECT_EQ(seen[3]["path"], "/statuses");
    EXPECT_EQ(seen[3]["body"], "healthy");
    EXPECT_EQ(seen[3]["headers"]["authorization"], "Bearer TOKEN");
}

}  // namespace
}  // namespace belay::notify
