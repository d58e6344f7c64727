#include "engine_world.hpp"

#include <gmock/gmock.h>

namespace belay::engine {
namespace {

using domain::State;
using test::commit;
using test::EngineWorld;
using ::testing::AllOf;
using ::testing::HasSubstr;

// As one reads it.
std::string told(EngineWorld& world, const std::string& what) {
    auto explanation = world.ask(world.engine->why(what));
    if (!explanation) return "error: " + explanation.error().message;
    auto text = explanation->answer + "\n";
    for (const auto& step : explanation->steps) {
        text += step.subject + " " + step.text + "\n";
        for (const auto& line : step.lines)
            text += "| " + line + "\n";
    }
    for (const auto& next : explanation->next)
        text += "next: " + next + "\n";
    return text;
}

TEST(Why, FollowsAPushFromItsDeliveryToLive) {
    EngineWorld world;
    world.start_live();
    auto answer = world.push('b');
    world.end_of(answer.deployment);
    const auto text = told(world, to_string(answer.delivery));
    EXPECT_THAT(text,
                AllOf(HasSubstr("bbbbbbb is live, as release 2 of shop"),
                      HasSubstr("w1 github delivered \"push\": branch main new → bbbbbbb"),
                      HasSubstr("queued as d2: shop follows branch main (answered 202)"),
                      HasSubstr("d2 queued for w1"), HasSubstr("build passed in 1.0s"),
                      HasSubstr("healthy"), HasSubstr("release 2 (bbbbbbb) has the traffic")));
    EXPECT_EQ(told(world, "bbbb"), text);
    EXPECT_EQ(told(world, "BBBBBBB"), text) << "as people paste it";
    EXPECT_EQ(told(world, to_string(answer.deployment)), text);
}

TEST(Why, FollowsASupersededPushToTheOneThatTookItsPlace) {
    EngineWorld world;
    world.start_live();
    auto first = world.push('b');
    ASSERT_TRUE(world.reaches(first.deployment, State::building));
    auto second = world.push('c');
    world.end_of(second.deployment);
    EXPECT_THAT(told(world, to_string(first.delivery)),
                AllOf(HasSubstr("bbbbbbb was superseded: d3 is newer; ccccccc is live"),
                      HasSubstr("superseded. d3 is newer"), HasSubstr("d3 queued for w2")));
}

TEST(Why, TellsTheOutcomesThatAreNoDeployment) {
    EngineWorld world;
    world.start_live();
    domain::Push ping;
    ping.event = "ping";
    ping.kind = domain::PushKind::ping;
    auto pinged = world.deliver(ping);
    EXPECT_THAT(told(world, to_string(pinged.delivery)),
                AllOf(HasSubstr("w1 was ignored: a test delivery"), HasSubstr("the hook works")));
    auto other = world.push_of('b');
    other.changes[0].ref = "refs/heads/dev";
    other.changes[0].name = "dev";
    auto ignored = world.deliver(other);
    EXPECT_THAT(told(world, to_string(ignored.delivery)),
                AllOf(HasSubstr("branch dev was pushed, shop follows branch main"),
                      HasSubstr("next: belay deploy shop --ref refs/heads/dev")));
    auto live = world.deliver(world.push_of('a'));
    EXPECT_THAT(told(world, to_string(live.delivery)),
                HasSubstr("started nothing new: aaaaaaa is live already, as release 1"));
}

TEST(Why, TellsOfARefusal) {
    EngineWorld world;
    world.start_live();
    for (int status : {400, 401, 408, 413, 415, 429}) {
        bool recorded = false;
        boost::asio::co_spawn(*world.loop,
                              world.engine->record_refusal("shop", "gitea", status, "that is why"),
                              [&](std::exception_ptr) { recorded = true; });
        ASSERT_TRUE(world.run_until([&] { return recorded; }));
        const auto id = world.disk->deliveries.rbegin()->first;
        EXPECT_THAT(
            told(world, to_string(id)),
            AllOf(HasSubstr("was refused: that is why"),
                  HasSubstr("gitea sent a request to shop's hook"),
                  HasSubstr("(answered " + std::to_string(status) + ")"), HasSubstr("next: ")));
    }
}

TEST(Why, TellsByWhichRuleAPushWasPassedOver) {
    EngineWorld world;
    world.config.apps[0].exclude_paths = {"docs"};
    world.start_live();
    world.machine.messages[commit('b')] = "typo [skip ci]";
    auto skipped = world.push('b');
    world.end_of(skipped.deployment);
    EXPECT_THAT(told(world, to_string(skipped.delivery)),
                AllOf(HasSubstr("bbbbbbb was not deployed: the message of bbbbbbb says [skip ci]"),
                      HasSubstr("ignored once it was fetched"),
                      HasSubstr("release 1 (aaaaaaa) stayed live all the time"),
                      HasSubstr("next: belay deploy shop --commit " + commit('b'))));
    world.machine.changes = {{"docs/a.md"}, true};
    auto filtered = world.push('c');
    world.end_of(filtered.deployment);
    EXPECT_THAT(told(world, "cccc"), HasSubstr("nothing that `paths` names has changed"));
}

TEST(Why, TellsOfPollingReplayHoldAndApproval) {
    EngineWorld world;
    world.config.apps[0].poll = Millis{60'000};
    world.start_live();
    world.machine.commit_to_main(commit('b'));
    ASSERT_TRUE(world.run_until([&] { return world.newest().commit == commit('b'); }));
    world.end_of(world.newest().id);
    EXPECT_THAT(told(world, "bbbb"), HasSubstr("polling found what no delivery told of"));

    ASSERT_TRUE(world.ask(world.engine->hold("shop", "a sale", "ada")));
    auto held = world.push('c');
    EXPECT_THAT(told(world, to_string(held.delivery)),
                AllOf(HasSubstr("ccccccc waits: shop is on hold by ada (a sale)"),
                      HasSubstr("next: belay resume shop")));
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    world.end_of(held.deployment);

    auto replay = world.ask(world.engine->redeliver(held.delivery));
    world.end_of(replay->deployment);
    EXPECT_THAT(told(world, to_string(replay->delivery)),
                HasSubstr(to_string(held.delivery) + " was replayed by hand"));

    world.config.apps[0].manual_approval = true;
    ASSERT_TRUE(world.ask(world.engine->reload()));
    auto gated = world.push('d');
    ASSERT_TRUE(world.reaches(gated.deployment, State::awaiting_approval));
    EXPECT_THAT(told(world, "dddd"),
                AllOf(HasSubstr("ddddddd waits for approval; 7 days left"),
                      HasSubstr("next: belay approve " + to_string(gated.deployment))));
}

TEST(Why, AnswersForWhatIsNotInTheRecord) {
    EngineWorld world;
    world.config.apps[0].poll = Millis{60'000};
    world.start_live();
    ASSERT_TRUE(world.run_until([&] { return !world.machine.polls.empty(); }));
    EXPECT_THAT(told(world, "beef1234"),
                AllOf(HasSubstr("no delivery and no deployment names a commit beef1234"),
                      HasSubstr("shop follows branch main of /srv/shop.git"),
                      HasSubstr("and was at aaaaaaa"), HasSubstr("live is aaaaaaa")));
    EXPECT_THAT(told(world, "w99"), HasSubstr("error: no delivery w99"));
    EXPECT_THAT(told(world, "d99"), HasSubstr("error: no deployment d99"));
    EXPECT_THAT(told(world, "nonsense"), HasSubstr("is no delivery (w88), deployment (d42) or"));
}

}  // namespace
}  // namespace belay::engine
