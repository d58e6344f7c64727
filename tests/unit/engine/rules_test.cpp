#include "engine/rules.hpp"

#include "engine_world.hpp"

namespace belay::engine {
namespace {

using domain::Decision;
using domain::Rule;
using domain::State;
using domain::Trigger;
using test::commit;
using test::EngineWorld;

TEST(SkipMark, IsFoundAnywhereInAnyCase) {
    EXPECT_EQ(skip_mark("Fix typo [skip ci]"), "[skip ci]");
    EXPECT_EQ(skip_mark("Fix typo\n\nlonger text\n[CI Skip]\n"), "[CI Skip]");
    EXPECT_EQ(skip_mark("[skip deploy] docs"), "[skip deploy]");
    EXPECT_FALSE(skip_mark("skip ci"));
    EXPECT_FALSE(skip_mark("[skip]"));
    EXPECT_FALSE(skip_mark(""));
}

TEST(Paths, ExcludeOutranksIncludeAndADirectoryTakesAllBelowIt) {
    domain::AppConfig app;
    EXPECT_FALSE(filters_paths(app));
    app.exclude_paths = {"docs", "**/*.md"};
    EXPECT_TRUE(filters_paths(app));
    EXPECT_FALSE(concerns(app, {"docs/a.txt", "README.md", "web/README.md"}));
    EXPECT_TRUE(concerns(app, {"docs/a.txt", "main.c"}));
    app.include_paths = {"web/"};
    EXPECT_TRUE(concerns(app, {"web/a/b.js"}));
    EXPECT_FALSE(concerns(app, {"web/a/b.md", "api/main.c"}));
    app.include_paths.clear();
    EXPECT_TRUE(concerns(app, {"api/main.c"}));
}

// --- skip marks

TEST(Rules, ASkippedCommitIsNotDeployedAndItsDeliverySaysSo) {
    EngineWorld world;
    world.start_live();
    world.machine.messages[commit('b')] = "Fix a typo [skip ci]";
    auto answer = world.push('b');
    EXPECT_EQ(answer.status_code, 202);
    auto end = world.end_of(answer.deployment);
    EXPECT_EQ(end.state, State::canceled);
    EXPECT_EQ(end.rule, Rule::skip_mark);
    EXPECT_NE(end.failure.detail.find("[skip ci]"), std::string::npos);
    EXPECT_EQ(world.machine.stages_run.size(), 2u) << "nothing was built";
    const auto& delivery = world.disk->deliveries.at(answer.delivery);
    EXPECT_EQ(delivery.decision, Decision::ignored);
    EXPECT_EQ(delivery.rule, Rule::skip_mark);
    EXPECT_EQ(delivery.status_code, 202) << "what was answered stays what was answered";
}

TEST(Rules, ThePushAfterASkippedOneIsDeployed) {
    EngineWorld world;
    world.start_live();
    world.machine.messages[commit('b')] = "[skip ci]";
    world.end_of(world.push('b').deployment);
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
}

TEST(Rules, ByHandAndWithForceASkippedCommitIsDeployed) {
    EngineWorld world;
    world.start_live();
    world.machine.messages[commit('b')] = "[ci skip]";
    world.end_of(world.push('b').deployment);
    auto by_hand = world.ask(world.engine->deploy("shop", {}));
    EXPECT_EQ(world.end_of(by_hand->deployment).state, State::healthy);
    world.machine.messages[commit('c')] = "[ci skip]";
    world.machine.commit_to_main(commit('c'));
    DeployRequest exact;
    exact.commit = commit('c');
    exact.force = true;
    auto forced = world.ask(world.engine->deploy("shop", exact));
    EXPECT_EQ(world.end_of(forced->deployment).state, State::healthy);
}

TEST(Rules, AReplayOfASkippedCommitIsSkippedAgain) {
    EngineWorld world;
    world.start_live();
    world.machine.messages[commit('b')] = "[skip deploy]";
    auto first = world.push('b');
    world.end_of(first.deployment);
    auto again = world.ask(world.engine->redeliver(first.delivery));
    ASSERT_TRUE(again);
    EXPECT_EQ(world.end_of(again->deployment).rule, Rule::skip_mark);
    EXPECT_EQ(world.disk->deliveries.at(again->delivery).replay_of, first.delivery);
}

TEST(Rules, ASkippedPushDoesNotTakeAnOrdinaryOneDownWithIt) {
    EngineWorld world;
    world.start_live();
    auto ordinary = world.push('b');
    ASSERT_TRUE(world.reaches(ordinary.deployment, State::building));
    world.machine.messages[commit('c')] = "[skip ci]";
    auto skipped = world.push('c');
    EXPECT_EQ(world.end_of(ordinary.deployment).state, State::superseded);
    EXPECT_EQ(world.end_of(skipped.deployment).state, State::healthy)
        << "what it superseded wanted to go live";
}

TEST(Rules, TwoSkippedPushesInARowAreBothSkipped) {
    EngineWorld world;
    world.start_live();
    world.machine.messages[commit('b')] = "[skip ci]";
    world.machine.messages[commit('c')] = "[skip ci]";
    ASSERT_TRUE(world.ask(world.engine->hold("shop", "", "ada")));
    world.push('b');
    auto second = world.push('c');
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    EXPECT_EQ(world.end_of(second.deployment).rule, Rule::skip_mark);
}

TEST(Rules, ASkippedTipIsNotFoundAgainByEveryPoll) {
    EngineWorld world;
    world.config.apps[0].poll = Millis{60'000};
    world.start_live();
    world.machine.messages[commit('b')] = "[skip ci]";
    world.machine.commit_to_main(commit('b'));
    ASSERT_TRUE(world.run_until([&] { return world.newest().rule == Rule::skip_mark; }));
    EXPECT_EQ(world.newest().trigger, Trigger::poll);
    const auto id = world.newest().id;
    const auto polls = world.machine.polls.size();
    world.run_until([&] { return world.machine.polls.size() > polls + 5; });
    EXPECT_EQ(world.newest().id, id);
}

// --- paths

TEST(Rules, WhatChangesNothingOfTheAppsPathsIsNotDeployed) {
    EngineWorld world;
    world.config.apps[0].exclude_paths = {"docs"};
    world.machine.changes = {{"docs/a.md"}, true};
    world.start_live();  // a first deployment knows no filter
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::canceled);
    EXPECT_EQ(end.rule, Rule::path_filter);
    EXPECT_NE(end.failure.detail.find("docs/a.md"), std::string::npos);
    world.machine.changes = {{"docs/a.md", "main.c"}, true};
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
}

TEST(Rules, AChangeThatCannotBeToldCountsAsAChange) {
    EngineWorld world;
    world.config.apps[0].exclude_paths = {"docs"};
    world.start_live();
    world.machine.changes = {{"docs/a.md"}, false};
    EXPECT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    world.machine.changes_error = ports::SourceError{ports::SourceReason::internal, "no", false};
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
}

TEST(Rules, ByHandPathsAreNotAsked) {
    EngineWorld world;
    world.config.apps[0].exclude_paths = {"docs"};
    world.machine.changes = {{"docs/a.md"}, true};
    world.start_live();
    world.machine.commit_to_main(commit('b'));
    auto by_hand = world.ask(world.engine->deploy("shop", {}));
    EXPECT_EQ(world.end_of(by_hand->deployment).state, State::healthy);
}

// --- tags

EngineWorld& follow_tags(EngineWorld& world) {
    world.config.apps[0].branch.clear();
    world.config.apps[0].tags = "v*";
    world.machine.tags["v1.0"] = commit('a');
    return world;
}

TEST(Rules, ANewerTagIsDeployedAndAnOlderOneIsNot) {
    EngineWorld world;
    follow_tags(world).start_live();
    world.machine.commits.insert(commit('b'));
    world.machine.tags["v1.10"] = commit('b');
    auto newer = world.deliver(world.tag_of("v1.10", 'b'));
    EXPECT_EQ(world.end_of(newer.deployment).state, State::healthy);
    world.machine.commits.insert(commit('c'));
    world.machine.tags["v1.9"] = commit('c');
    auto older = world.deliver(world.tag_of("v1.9", 'c'));
    EXPECT_EQ(older.status_code, 200);
    EXPECT_EQ(older.decision, Decision::ignored);
    EXPECT_EQ(world.disk->deliveries.at(older.delivery).rule, Rule::older_tag);
    EXPECT_NE(older.reason.find("v1.10, which is live"), std::string::npos) << older.reason;
    DeployRequest by_hand;
    by_hand.ref = "v1.9";
    auto asked = world.ask(world.engine->deploy("shop", by_hand));
    EXPECT_EQ(world.end_of(asked->deployment).state, State::healthy) << "a person may";
}

TEST(Rules, AnOlderTagDoesNotSupersedeANewerOneThatIsOnItsWay) {
    EngineWorld world;
    follow_tags(world).start_live();
    for (char letter : {'b', 'c'})
        world.machine.commits.insert(commit(letter));
    world.machine.tags["v2"] = commit('b');
    auto newer = world.deliver(world.tag_of("v2", 'b'));
    world.machine.tags["v1.5"] = commit('c');
    EXPECT_EQ(world.deliver(world.tag_of("v1.5", 'c')).decision, Decision::ignored);
    EXPECT_EQ(world.end_of(newer.deployment).state, State::healthy);
}

TEST(Rules, OfSeveralTagsInOneDeliveryTheNewestVersionIsTaken) {
    EngineWorld world;
    follow_tags(world).start_live();
    world.machine.commits.insert(commit('b'));
    world.machine.tags["v1.10"] = commit('b');
    world.machine.tags["v1.9"] = commit('a');
    auto push = world.tag_of("v1.10", 'b');
    push.changes.push_back(world.tag_of("v1.9", 'a').changes[0]);
    auto end = world.end_of(world.deliver(push).deployment);
    EXPECT_EQ(end.ref, "refs/tags/v1.10");
    EXPECT_EQ(end.state, State::healthy);
}

TEST(Rules, ATagThatMovedIsDeployedWhereItIsNow) {
    EngineWorld world;
    follow_tags(world).start_live();
    for (char letter : {'b', 'c'})
        world.machine.commits.insert(commit(letter));
    world.machine.tags["v2"] = commit('c');
    auto answer = world.deliver(world.tag_of("v2", 'b'));
    auto end = world.end_of(answer.deployment);
    EXPECT_EQ(end.state, State::superseded);
    EXPECT_EQ(end.rule, Rule::tip_moved);
    auto heir = world.end_of(end.superseded_by);
    EXPECT_EQ(heir.commit, commit('c'));
    EXPECT_EQ(heir.state, State::healthy);
}

TEST(Rules, PollingFindsTheNewestTagAndNotAnOlderOne) {
    EngineWorld world;
    follow_tags(world).config.apps[0].poll = Millis{60'000};
    world.start_live();
    world.machine.commits.insert(commit('b'));
    world.machine.tags["v1.1"] = commit('b');
    ASSERT_TRUE(world.run_until([&] { return world.newest().commit == commit('b'); }));
    EXPECT_EQ(world.end_of(world.newest().id).state, State::healthy);
    // The newest is withdrawn: what is left is older than live.
    world.machine.tags.erase("v1.1");
    world.machine.tags["v0.9"] = commit('b');
    const auto id = world.newest().id;
    const auto polls = world.machine.polls.size();
    world.run_until([&] { return world.machine.polls.size() > polls + 3; });
    EXPECT_EQ(world.newest().id, id);
}

TEST(Rules, WhereABranchIsLiveATagInItsHistoryIsNoNews) {
    EngineWorld world;
    world.config.apps[0].tags = "v*";
    world.config.apps[0].poll = Millis{60'000};
    world.machine.tags["v1"] = commit('a');
    world.machine.commit_to_main(commit('b'));
    world.start_live();
    ASSERT_TRUE(world.run_until([&] { return world.machine.polls.size() > 2; }));
    EXPECT_EQ(world.disk->deployments.size(), 1u) << "what was tagged before is no news";
    EXPECT_EQ(world.end_of(world.push('d').deployment).state, State::healthy);
    world.machine.tags["v1.1"] = commit('a');
    ASSERT_TRUE(world.run_until([&] { return world.newest().rule == Rule::older_tag; }));
    EXPECT_EQ(world.newest().state, State::canceled);
    EXPECT_EQ(world.machine.served(), 2);
    world.machine.commits.insert(commit('c'));
    world.machine.tags["v2"] = commit('c');
    ASSERT_TRUE(world.run_until([&] { return world.newest().commit == commit('c'); }));
    EXPECT_EQ(world.end_of(world.newest().id).state, State::healthy);
}

TEST(Rules, ATagOutranksTheMarkOfItsCommit) {
    EngineWorld world;
    follow_tags(world).start_live();
    world.machine.commits.insert(commit('b'));
    world.machine.messages[commit('b')] = "Release 1.1 [skip ci]";
    world.machine.tags["v1.1"] = commit('b');
    auto answer = world.deliver(world.tag_of("v1.1", 'b'));
    EXPECT_EQ(world.end_of(answer.deployment).state, State::healthy);
}

// --- the tip

TEST(Tip, AReplayedCaptureNeverLeadsBackHoweverOftenItComes) {
    EngineWorld world;
    world.start_live();
    world.end_of(world.push('b').deployment);
    world.end_of(world.push('c').deployment);
    ASSERT_EQ(world.machine.served(), 3);
    for (int i = 0; i < 6; ++i) {
        auto replay = world.deliver(world.push_of('b'));  // another delivery id each time
        auto end = world.end_of(replay.deployment);
        EXPECT_EQ(end.state, State::superseded) << i;
        EXPECT_EQ(end.rule, Rule::tip_moved);
    }
    EXPECT_EQ(world.machine.served(), 3);
}

TEST(Tip, AReplayDoesNotRunAFailedTipAgain) {
    EngineWorld world;
    world.start_live();
    world.end_of(world.push('b').deployment);
    ports::StageOutcome broken;
    broken.exit_code = 2;
    broken.verdict = ports::StageVerdict::failed;
    world.machine.outcomes["test"] = broken;
    ASSERT_EQ(world.end_of(world.push('c').deployment).state, State::failed);
    const auto stages = world.machine.stages_run.size();
    auto replay = world.end_of(world.deliver(world.push_of('a')).deployment);
    EXPECT_EQ(replay.state, State::superseded);
    EXPECT_NE(replay.failure.detail.find("d3 dealt with it (failed)"), std::string::npos)
        << replay.failure.detail;
    EXPECT_EQ(world.machine.stages_run.size(), stages);
    EXPECT_EQ(world.machine.served(), 2);
}

TEST(Tip, AForcePushBetweenDeliveryAndFetchDeploysWhatTheBranchIsNow) {
    EngineWorld world;
    world.start_live();
    world.machine.force_push(commit('c'), commit('b'));
    auto end = world.end_of(world.deliver(world.push_of('b')).deployment);
    EXPECT_EQ(end.state, State::superseded);
    EXPECT_EQ(end.rule, Rule::tip_moved);
    auto heir = world.end_of(end.superseded_by);
    EXPECT_EQ(heir.commit, commit('c'));
    EXPECT_EQ(heir.state, State::healthy);
}

TEST(Tip, ACommitThatTheServerLearnsALittleLaterIsDeployed) {
    EngineWorld world;
    world.start_live();
    auto answer = world.deliver(world.push_of('b'));
    ASSERT_TRUE(world.reaches(answer.deployment, State::fetching));
    world.run_until([] { return false; }, Millis{1'000});
    world.machine.commit_to_main(commit('b'));
    EXPECT_EQ(world.end_of(answer.deployment).state, State::healthy);
}

TEST(Tip, ACommitThatNeverWasFailsByItsOwnReason) {
    EngineWorld world;
    world.start_live();
    auto end = world.end_of(world.deliver(world.push_of('b')).deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, domain::Reason::sha_unavailable);
}

TEST(Tip, ABranchThatIsGoneFailsAndLeavesLiveAlone) {
    EngineWorld world;
    world.start_live();
    world.machine.commit_to_main(commit('b'));
    world.machine.branch_gone = true;
    auto end = world.end_of(world.deliver(world.push_of('b')).deployment);
    EXPECT_EQ(end.failure.reason, domain::Reason::sha_unavailable);
    EXPECT_EQ(end.failure.detail, "there is no branch");
    EXPECT_EQ(world.machine.served(), 1);
}

// --- bodies that nobody signed

TEST(UnsignedBody, LeadsToTheTipWhateverItClaims) {
    EngineWorld world;
    world.start_live();
    world.end_of(world.push('b').deployment);
    world.machine.commit_to_main(commit('c'));
    auto push = world.push_of('a');  // claims an old commit
    push.body_authentic = false;
    auto answer = world.deliver(push);
    EXPECT_EQ(answer.status_code, 202);
    auto end = world.end_of(answer.deployment);
    EXPECT_EQ(end.commit, commit('c'));
    EXPECT_EQ(end.state, State::healthy);
}

TEST(UnsignedBody, StartsNothingWhereTheTipWasDealtWith) {
    EngineWorld world;
    world.start_live();
    ports::StageOutcome broken;
    broken.exit_code = 2;
    broken.verdict = ports::StageVerdict::failed;
    world.machine.outcomes["build"] = broken;
    world.end_of(world.push('b').deployment);
    const auto stages = world.machine.stages_run.size();
    auto push = world.push_of('a');
    push.body_authentic = false;
    auto end = world.end_of(world.deliver(push).deployment);
    EXPECT_EQ(end.state, State::superseded);
    EXPECT_EQ(world.machine.stages_run.size(), stages);
    auto replay = world.ask(world.engine->redeliver(end.delivery));
    ASSERT_TRUE(replay);
    EXPECT_EQ(world.end_of(replay->deployment).commit, commit('b')) << "never what it claimed";
}

// --- polling

TEST(Polling, AsksAFailingServerEverLessOftenAndShowsIt) {
    EngineWorld world;
    world.config.apps[0].poll = Millis{60'000};
    world.start_live();
    world.machine.tips_error =
        ports::SourceError{ports::SourceReason::fetch_failed, "no route to host", true};
    world.machine.polls.clear();
    world.run_until([&] { return world.machine.polls.size() == 6; }, Millis{24 * 3'600'000});
    const auto& polls = world.machine.polls;
    ASSERT_EQ(polls.size(), 6u);
    EXPECT_GT(polls[5] - polls[4], 4 * (polls[1] - polls[0]));
    auto view = world.engine->app("shop")->poll;
    ASSERT_TRUE(view);
    EXPECT_GE(view->failures, 5);
    EXPECT_EQ(view->error, "no route to host");
    EXPECT_GT(view->next_at, view->last_at);
    world.machine.tips_error.reset();
    world.run_until([&] { return world.engine->app("shop")->poll->failures == 0; },
                    Millis{24 * 3'600'000});
    EXPECT_EQ(world.engine->app("shop")->poll->tip, commit('a'));
}

TEST(Polling, TakesUpAPushWhoseFetchFailedBecauseTheServerWasAway) {
    EngineWorld world;
    world.config.apps[0].poll = Millis{60'000};
    world.start_live();
    world.machine.fetch_error =
        ports::SourceError{ports::SourceReason::fetch_failed, "connection refused", true};
    auto end = world.end_of(world.push('b').deployment);
    ASSERT_EQ(end.state, State::failed);
    EXPECT_NE(end.failure.detail.find("polling tries again"), std::string::npos);
    world.machine.fetch_error.reset();
    ASSERT_TRUE(world.run_until([&] { return world.newest().id != end.id; }));
    EXPECT_EQ(world.end_of(world.newest().id).state, State::healthy);
}

TEST(Polling, DoesNotFetchForEverWhatCannotBeFetched) {
    EngineWorld world;
    world.config.apps[0].poll = Millis{60'000};
    world.start_live();
    world.machine.fetch_error =
        ports::SourceError{ports::SourceReason::fetch_failed, "a broken pack", true};
    world.push('b');
    world.run_until([] { return false; }, Millis{3'600'000});
    int tries = 0;
    for (const auto& [id, deployment] : world.disk->deployments)
        tries += deployment.commit == commit('b');
    EXPECT_EQ(tries, 3);
}

TEST(Polling, AsksFewServersAtOnceAndNotAllAtTheSameMoment) {
    EngineWorld world;
    world.config.apps[0].poll = Millis{3'600'000};
    for (int i = 0; i < 40; ++i) {
        auto app = EngineWorld::app_config();
        app.name = "app" + std::to_string(i);
        app.poll = Millis{3'600'000};
        world.config.apps.push_back(app);
    }
    world.start();
    world.run_until([&] { return world.machine.polls.size() >= 41; }, Millis{60'000});
    auto polls = world.machine.polls;
    ASSERT_GE(polls.size(), 41u);
    std::map<std::int64_t, int> by_second;
    for (auto at : polls)
        ++by_second[at.time_since_epoch().count() / 1'000];
    EXPECT_GE(by_second.size(), 6u) << "spread over about a quarter of a second per app";
}

// --- duplicates

TEST(Deliveries, ARepetitionStandsInTheInboxBesideTheFirst) {
    EngineWorld world;
    world.start_live();
    world.machine.commit_to_main(commit('b'));
    auto push = world.push_of('b');
    auto first = world.deliver(push);
    auto again = world.deliver(push);
    EXPECT_EQ(again.decision, Decision::duplicate);
    EXPECT_EQ(again.delivery, first.delivery);
    const auto& row = world.disk->deliveries.rbegin()->second;
    EXPECT_EQ(row.rule, Rule::same_delivery);
    EXPECT_EQ(row.replay_of, first.delivery);
    EXPECT_EQ(row.deployment, first.deployment);
}

TEST(Deliveries, WhatWasRefusedCannotBeReplayed) {
    EngineWorld world;
    world.start_live();
    bool recorded = false;
    boost::asio::co_spawn(*world.loop, world.engine->record_refusal("shop", "github", 401, "no"),
                          [&](std::exception_ptr) { recorded = true; });
    ASSERT_TRUE(world.run_until([&] { return recorded; }));
    const auto& row = world.disk->deliveries.rbegin()->second;
    EXPECT_EQ(row.rule, Rule::bad_signature);
    EXPECT_EQ(world.ask(world.engine->redeliver(row.id)).error().code, Errc::conflict);
}

// --- approval

TEST(Approval, ExpiresAfterSevenDaysAndSurvivesARestart) {
    EngineWorld world;
    world.start_live();
    world.config.apps[0].manual_approval = true;
    ASSERT_TRUE(world.ask(world.engine->reload()));
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::awaiting_approval));
    const auto expires = world.deployment(id).expires_at;
    EXPECT_EQ(expires - world.timers.now(), Millis{7LL * 86'400'000});
    world.run_until([] { return false; }, Millis{3LL * 86'400'000});
    world.kill();
    world.start();
    EXPECT_EQ(world.deployment(id).expires_at, expires) << "a restart doesn't wind it up again";
    ASSERT_TRUE(world.run_until([&] { return domain::is_end(world.deployment(id).state); },
                                Millis{5LL * 86'400'000}));
    auto end = world.deployment(id);
    EXPECT_EQ(end.state, State::canceled);
    EXPECT_EQ(end.rule, Rule::expired);
    EXPECT_EQ(end.failure.detail, "nobody approved it within 7 days");
    EXPECT_GE(end.finished_at, expires);
    EXPECT_EQ(end.expires_at, TimePoint{});
    EXPECT_EQ(world.machine.served(), 1);
}

TEST(Approval, ANewerPushTakesThePlaceOfOneThatWaits) {
    EngineWorld world;
    world.start_live();
    world.config.apps[0].manual_approval = true;
    ASSERT_TRUE(world.ask(world.engine->reload()));
    auto first = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(first, State::awaiting_approval));
    auto second = world.push('c').deployment;
    ASSERT_TRUE(world.reaches(second, State::awaiting_approval));
    EXPECT_EQ(world.deployment(first).state, State::superseded);
    EXPECT_EQ(world.deployment(first).rule, Rule::newer_push);
}

}  // namespace
}  // namespace belay::engine
