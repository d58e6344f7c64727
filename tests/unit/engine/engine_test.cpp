#include "engine_world.hpp"

namespace belay::engine {
namespace {

using domain::Reason;
using domain::State;
using test::commit;
using test::EngineWorld;
using test::saves;

TEST(Engine, DeploysANewAppOnceAndMakesItStable) {
    EngineWorld world;
    world.start_live();
    EXPECT_EQ(world.newest().trigger, domain::Trigger::config);
    EXPECT_EQ(world.machine.stages_run, (std::vector<std::string>{"build", "test"}));
    EXPECT_EQ(world.machine.current, 1);
    ASSERT_TRUE(world.machine.live && world.machine.live->stable);
    EXPECT_EQ(world.machine.live->stable->number, 1);
    EXPECT_EQ(world.disk->deployments.size(), 1u);
}

TEST(Engine, SwitchesToAPushAndStopsTheOldReleaseOnlyAfterTheBake) {
    EngineWorld world;
    world.start_live();
    auto answer = world.push('b');
    EXPECT_EQ(answer.status_code, 202);
    ASSERT_TRUE(world.reaches(answer.deployment, State::baking));
    EXPECT_EQ(world.machine.served(), 2);
    EXPECT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{1, 2}));
    EXPECT_EQ(world.machine.live->stable->number, 1) << "a boot in the bake starts the proven one";
    EXPECT_EQ(world.end_of(answer.deployment).state, State::healthy);
    EXPECT_TRUE(
        world.run_until([&] { return world.machine.running() == std::vector<ReleaseNumber>{2}; }));
    EXPECT_EQ(world.machine.live->stable->number, 2);
}

TEST(Engine, KeepsTheLiveReleaseWhenTheTestFails) {
    EngineWorld world;
    world.start_live();
    ports::StageOutcome failed;
    failed.exit_code = 2;
    failed.tail = "1 test failed";
    failed.detail = "exit code 2";
    world.machine.outcomes["test"] = failed;
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::test_failed);
    EXPECT_EQ(end.failure.exit_code, 2);
    EXPECT_EQ(world.machine.served(), 1);
    EXPECT_EQ(world.machine.flips, (std::vector<ReleaseNumber>{1}));
}

TEST(Engine, NeverSwitchesToACandidateThatIsNotHealthy) {
    EngineWorld world;
    world.start_live();
    world.machine.sick_commits.insert(commit('b'));
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::deadline);
    EXPECT_EQ(world.machine.flips, (std::vector<ReleaseNumber>{1}));
    EXPECT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{1}));
}

TEST(Engine, DoesNotBelieveAnAnswerFromSomebodyElsesProcess) {
    EngineWorld world;
    world.start_live();
    world.machine.not_owner_commits.insert(commit('b'));
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.failure.reason, Reason::not_owner);
    EXPECT_EQ(world.machine.served(), 1);
}

TEST(Engine, TellsAProcessThatDiedAfterItsAnswerFromAStranger) {
    EngineWorld world;
    world.start_live();
    world.machine.answer_and_die_commits.insert(commit('b'));
    auto end = world.end_of(world.push('b').deployment);
    EXPECT_EQ(end.failure.reason, Reason::exited) << end.failure.detail;
    world.machine.no_listener_commits.insert(commit('c'));
    end = world.end_of(world.push('c').deployment);
    EXPECT_EQ(end.failure.reason, Reason::not_owner) << end.failure.detail;
    EXPECT_EQ(world.machine.served(), 1);
}

TEST(Engine, WhatDiesJustAfterTheSwitchIsRolledBackThoughTheProxyStillWaitsForIt) {
    EngineWorld world;
    world.config.apps[0].traffic.listen = {"127.0.0.1:8080"};
    world.start_live();
    bool asked = false;
    world.machine.hold_through_proxy = [&]() -> Task<void> {
        asked = true;
        co_await world.timers.sleep(Millis{2'000});
    };
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.run_until([&] { return asked; }));
    world.runtime->crash(2, 7);
    EXPECT_TRUE(world.run_until([&] { return world.machine.served() == 1; }, Millis{1'000}));
    EXPECT_EQ(world.end_of(id).failure.reason, Reason::exited);
}

TEST(Engine, NamesMemoryWhereTheNewReleaseRunsOutOfItInItsBakeOrBefore) {
    EngineWorld world;
    world.start_live();
    Exit killed;
    killed.signal = SIGKILL;
    killed.oom = true;
    killed.memory_limit = 64 << 20;
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.runtime->end(2, killed);
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::oom);
    EXPECT_NE(
        end.failure.detail.find("web killed by KILL: out of memory, at its limit of 64MiB while"),
        std::string::npos)
        << end.failure.detail;
    id = world.push('c').deployment;
    ASSERT_TRUE(world.reaches(id, State::verifying));
    world.runtime->end(3, killed);
    end = world.end_of(id);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::oom);
    EXPECT_EQ(world.machine.served(), 1);
}

TEST(Engine, GoesBackAtOnceWhenTheNewReleaseDiesInItsBake) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.runtime->crash(2, 7);
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::rolled_back);
    EXPECT_EQ(end.failure.reason, Reason::exited);
    EXPECT_EQ(end.failure.exit_code, 7);
    EXPECT_EQ(world.machine.flips, (std::vector<ReleaseNumber>{1, 2, 1}));
    EXPECT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{1}));
    EXPECT_EQ(world.disk->releases.at({"shop", 2}).state, domain::ReleaseState::bad);
    EXPECT_EQ(world.disk->releases.at({"shop", 1}).state, domain::ReleaseState::live);
    EXPECT_EQ(world.disk->apps.at("shop").live, 1);
}

// So that a release that dies in its bake costs no request while the daemon is dead, too.
TEST(Engine, GivesTheProxyTheWayBackForAsLongAsItIsThere) {
    EngineWorld world;
    world.start_live();
    const auto old = world.machine.routes.at("shop");
    EXPECT_EQ(old.fallback, 0);
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    const auto& route = world.machine.routes.at("shop");
    EXPECT_EQ(route.fallback, 1);
    EXPECT_EQ(route.fallback_upstreams, old.upstreams);
    // What is about to stop is not named any more.
    bool named = false;
    world.runtime->on_stop = [&](const ports::RunInfo& info) {
        named = named || world.machine.routes.at("shop").fallback != 0;
        EXPECT_EQ(info.port, old.upstreams.front().port);
    };
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{2}));
    EXPECT_FALSE(named);
    EXPECT_EQ(world.machine.routes.at("shop").fallback, 0);
    EXPECT_TRUE(world.machine.routes.at("shop").fallback_upstreams.empty());
}

TEST(Engine, TellsAProxyThatWasAwayThatTheWayBackIsClosed) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.machine.proxy_refuses = true;
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_EQ(world.machine.routes.at("shop").fallback, 1) << "it was not heard";
    world.machine.proxy_refuses = false;
    world.traffic->reconnect();
    EXPECT_TRUE(world.run_until([&] { return world.machine.routes.at("shop").fallback == 0; }));
    EXPECT_EQ(world.machine.served(), 2);
    // The next switch is above it.
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
    EXPECT_EQ(world.machine.served(), 3);
}

TEST(Engine, NamesNoWayBackThatDoesNotRunBesideTheNewRelease) {
    EngineWorld world;
    world.config.apps[0].processes[0].overlap = false;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    EXPECT_TRUE(world.machine.routes.at("shop").fallback_upstreams.empty());
}

TEST(Engine, StaysWithWhatAnswersWhenTheReleaseBeforeAnswersNoMore) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.machine.sick_commits = {commit('a'), commit('b')};
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::rollback_failed);
    EXPECT_EQ(world.machine.flips, (std::vector<ReleaseNumber>{1, 2})) << "it runs; one try only";
    EXPECT_EQ(world.disk->apps.at("shop").live, 2);
    EXPECT_EQ(world.disk->apps.at("shop").stable, 1);
    EXPECT_TRUE(world.disk->apps.at("shop").hold);
    EXPECT_EQ(world.engine->app("shop")->state, domain::AppState::degraded);
}

TEST(Engine, TheWayBackThatFailedEndsWhenTheNextReleaseTakesOver) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.machine.sick_commits = {commit('a'), commit('b')};
    ASSERT_EQ(world.end_of(id).failure.reason, Reason::rollback_failed);
    ASSERT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{1, 2}));
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
    EXPECT_TRUE(
        world.run_until([&] { return world.machine.processes.size() == 1; }, Millis{60'000}))
        << world.machine.processes.size();
    EXPECT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{3}));
}

TEST(Engine, SaysThatTheWayBackFailedWhereNeitherReleaseAnswers) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.machine.sick_commits = {commit('a')};
    for (auto& [run, process] : world.machine.processes)  // as if its shim had died with it
        if (process.release == 2) process.info.policy = RestartPolicy::never;
    world.runtime->crash(2, 7);
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(end.failure.reason, Reason::rollback_failed);
    EXPECT_EQ(world.machine.served(), 1) << "that one may come back; the other is broken";
    EXPECT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{1}));
    EXPECT_EQ(world.disk->apps.at("shop").live, 1);
    EXPECT_EQ(world.disk->releases.at({"shop", 1}).state, domain::ReleaseState::live);
    EXPECT_EQ(world.disk->releases.at({"shop", 2}).state, domain::ReleaseState::bad);
    EXPECT_TRUE(world.disk->apps.at("shop").hold);
}

TEST(Engine, ADaemonThatWasStoppedForLongJudgesACandidateAnewAndNotByItsDeadline) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::verifying));
    world.timers.stall(Millis{3'600'000});
    auto stopped = world.timers.steady_now();
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    auto window = EngineWorld::app_config().health.min_healthy_time;
    EXPECT_GE(world.timers.steady_now() - stopped, window + EngineWorld::app_config().traffic.bake);
}

TEST(Engine, GoesBackWhenUsersGetErrorsThoughProbesPass) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.machine.counters[2].requests = 100;
    world.machine.counters[2].status[4] = 20;
    EXPECT_EQ(world.end_of(id).failure.reason, Reason::error_ratio);
    EXPECT_EQ(world.machine.served(), 1);
}

TEST(Engine, RollsBackThoughNothingCanBeWritten) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.store->fail_all_commits(Error{Errc::disk_full, "no space left"});
    world.runtime->crash(2, 7);
    EXPECT_TRUE(world.run_until([&] { return world.machine.served() == 1; }, Millis{5'000}));
    world.store->fail_all_commits(std::nullopt);
    EXPECT_EQ(world.end_of(id).state, State::rolled_back);
}

TEST(Engine, DoesNotSwitchWhenTheIntentCannotBeWritten) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::verifying));
    world.store->before_commit = [&](const std::vector<ports::Write>& batch) {
        for (const auto& write : batch)
            if (const auto* put = std::get_if<ports::PutDeployment>(&write))
                if (put->deployment.state == State::switching)
                    world.store->fail_commit(0, Error{Errc::disk_full, "no space left"});
    };
    auto end = world.end_of(id);
    EXPECT_EQ(end.failure.reason, Reason::disk_full);
    EXPECT_EQ(world.machine.flips, (std::vector<ReleaseNumber>{1}));
}

// Whoever saw one delivery of Gitee can send any body with it.
TEST(Engine, DeploysTheTipWhateverABodyThatIsNotBelievedNames) {
    EngineWorld world;
    world.start_live();
    domain::Push push;
    push.event = "Push Hook";
    push.kind = domain::PushKind::push;
    push.body_authentic = false;
    domain::Change change;
    change.ref = "refs/heads/main";
    change.name = "main";
    change.after = change.commit = commit('e');
    push.changes.push_back(change);
    world.machine.commits.insert(commit('e'));  // it exists, but nobody merged it
    world.machine.tip = commit('b');
    world.machine.commits.insert(commit('b'));
    auto answer = world.ask(world.engine->submit("shop", "gitee", push, "x"));
    ASSERT_TRUE(answer);
    auto end = world.end_of(answer->deployment);
    EXPECT_EQ(end.state, State::healthy);
    EXPECT_EQ(end.commit, commit('b'));

    auto replayed = world.ask(world.engine->submit("shop", "gitee", push, "x"));
    EXPECT_EQ(world.end_of(replayed->deployment).state, State::superseded);
    auto again = world.ask(world.engine->redeliver(answer->delivery));
    EXPECT_EQ(world.end_of(again->deployment).commit, commit('b'));
}

TEST(Engine, DoesNotAcceptADeliveryThatCannotBeWritten) {
    EngineWorld world;
    world.start_live();
    world.store->fail_all_commits(Error{Errc::disk_full, "no space left"});
    domain::Push push;
    push.kind = domain::PushKind::push;
    domain::Change change;
    change.ref = "refs/heads/main";
    change.name = "main";
    change.after = change.commit = commit('b');
    push.changes.push_back(change);
    auto answer = world.ask(world.engine->submit("shop", "github", push, "x"));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::disk_full);
    world.store->fail_all_commits(std::nullopt);
    EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy);
}

TEST(Engine, OfPushesThatCannotBeWrittenNoneIsDeployedLater) {
    EngineWorld world;
    world.start_live();
    ASSERT_TRUE(world.ask(world.engine->hold("shop", "a look", "ada")));
    auto waiting = world.push('b').deployment;
    world.store->fail_all_commits(Error{Errc::disk_full, "no space left"});
    int refused = 0;
    auto count = [&refused](std::exception_ptr, Result<engine::HookAnswer> answer) {
        refused += answer ? 0 : 1;
    };
    // The second takes the first one's place in the queue before either is known to be lost.
    for (char letter : {'c', 'd'})
        boost::asio::co_spawn(
            *world.loop,
            world.engine->submit("shop", "github", world.push_of(letter), std::string(1, letter)),
            count);
    ASSERT_TRUE(world.run_until([&] { return refused == 2; }));
    world.store->fail_all_commits(std::nullopt);
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    EXPECT_EQ(world.end_of(waiting).state, State::healthy);
    EXPECT_EQ(world.newest().id, waiting);
    EXPECT_EQ(world.push('e').status_code, 202);
}

TEST(Engine, RevertsWhenTheProxyDoesNotAnswer) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::verifying));
    world.machine.proxy_refuses = true;
    EXPECT_EQ(world.end_of(id).failure.reason, Reason::switch_failed);
    EXPECT_EQ(world.machine.served(), 1);
    EXPECT_EQ(world.machine.running(), (std::vector<ReleaseNumber>{1}));
}

TEST(Engine, HoldsWhereTheReleaseCommandSaidThereIsNoWayBack) {
    EngineWorld world;
    world.config.apps[0].release.run.shell = "migrate";
    ports::StageOutcome irreversible;
    irreversible.exit_code = 10;
    world.machine.outcomes["release"] = irreversible;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.runtime->crash(2, 1);
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_EQ(world.machine.served(), 2) << "what answers stays where it is";
    EXPECT_TRUE(world.disk->apps.at("shop").hold);
    EXPECT_EQ(world.engine->app("shop")->state, domain::AppState::degraded);
}

TEST(Engine, SupersedesQueuedAndRunningButNotTheThirdInARow) {
    EngineWorld world;
    world.start_live();
    std::vector<DeploymentId> ids;
    for (char letter : {'b', 'c', 'd', 'e', 'f'}) {
        ids.push_back(world.push(letter).deployment);
        ASSERT_TRUE(world.run_until([&] {
            return world.deployment(ids.back()).state >= State::building;
        }) || letter > 'd');
    }
    for (auto id : ids)
        world.end_of(id);
    EXPECT_EQ(world.deployment(ids[0]).state, State::superseded);
    EXPECT_EQ(world.deployment(ids[1]).state, State::superseded);
    EXPECT_EQ(world.deployment(ids.back()).state, State::healthy);
    int healthy = 0;
    for (auto id : ids)
        healthy += world.deployment(id).state == State::healthy;
    EXPECT_EQ(healthy, 2) << "a busy branch goes live all the same";
}

TEST(Engine, APushWhileTheReleaseCommandIsAboutToBeginWaitsForItsEnd) {
    EngineWorld world;
    world.config.apps[0].release.run.shell = "migrate";
    world.start_live();
    auto older = world.push('b').deployment;
    bool held = false;
    async::Event disk;
    world.store->hold_commit = [&](const std::vector<ports::Write>& batch) -> Task<void> {
        if (!saves(batch, State::releasing)) co_return;
        held = true;
        co_await disk.wait();
    };
    ASSERT_TRUE(world.run_until([&] { return held; }));
    auto newer = world.push('c').deployment;
    disk.set();
    EXPECT_EQ(world.end_of(newer).state, State::healthy);
    auto end = world.end_of(older);
    EXPECT_EQ(end.state, State::superseded) << end.failure.detail;
    EXPECT_EQ(end.superseded_by, newer);
}

TEST(Engine, WhatWasPutAsideButNotYetWrittenIsNoFaultOfThePush) {
    EngineWorld world;
    world.start_live();
    auto older = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(older, State::verifying));
    world.store->before_commit = [&](const std::vector<ports::Write>& batch) {
        if (saves(batch, State::superseded)) world.store->stop_before_commit(0);
    };
    world.push('c');
    world.run_until([&] { return world.store->stopped(); });
    ASSERT_TRUE(world.store->stopped());
    ASSERT_EQ(world.deployment(older).state, State::verifying);
    world.kill();
    world.start();
    auto end = world.end_of(older);
    EXPECT_TRUE(end.state == State::superseded || end.state == State::healthy)
        << end.failure.detail;
    EXPECT_NE(world.disk->releases.at({"shop", end.release}).state, domain::ReleaseState::bad);
}

TEST(Engine, AManifestThatIsGoneIsTakenFromThatOfTheLiveRelease) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.kill();
    world.machine.unlisted = {2};
    world.start();
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    EXPECT_EQ(world.machine.served(), 2);
}

TEST(Engine, HoldKeepsPushesAndResumeDeploysTheNewest) {
    EngineWorld world;
    world.start_live();
    ASSERT_TRUE(world.ask(world.engine->hold("shop", "a sale", "ada")));
    auto first = world.push('b');
    auto second = world.push('c');
    EXPECT_EQ(first.status_code, 202);
    EXPECT_FALSE(
        world.run_until([&] { return world.deployment(second.deployment).state != State::queued; },
                        Millis{60'000}));
    EXPECT_EQ(world.deployment(first.deployment).state, State::superseded);
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    EXPECT_EQ(world.end_of(second.deployment).state, State::healthy);
}

TEST(Engine, RollbackInTheBakeMovesTrafficAtOnceAndHolds) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    auto back = world.ask(world.engine->rollback("shop", {}));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(world.run_until([&] { return world.machine.served() == 1; }, Millis{1'000}));
    EXPECT_EQ(world.end_of(back->deployment).state, State::healthy);
    EXPECT_EQ(world.deployment(id).state, State::rolled_back);
    EXPECT_EQ(world.deployment(id).failure.reason, Reason::canceled);
    EXPECT_TRUE(world.disk->apps.at("shop").hold);
    EXPECT_NE(world.disk->releases.at({"shop", 2}).state, domain::ReleaseState::bad);
}

TEST(Engine, RollbackAfterTheBakeStartsAndVerifiesTheOldRelease) {
    EngineWorld world;
    world.start_live();
    ASSERT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    auto stages = world.machine.stages_run.size();
    auto back = world.ask(world.engine->rollback("shop", {}));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(world.end_of(back->deployment).state, State::healthy);
    EXPECT_EQ(world.machine.served(), 1);
    EXPECT_EQ(world.machine.stages_run.size(), stages) << "a rollback builds nothing";
    auto nothing = world.ask(world.engine->rollback("shop", {}));
    EXPECT_EQ(nothing.error().code, Errc::not_found);
}

TEST(Engine, RestartRunsTheSameReleaseBesideItselfFirst) {
    EngineWorld world;
    world.start_live();
    auto again = world.ask(world.engine->restart("shop", "ada"));
    ASSERT_TRUE(again);
    EXPECT_EQ(world.end_of(again->deployment).state, State::healthy);
    EXPECT_EQ(world.machine.processes.size(), 1u);
    EXPECT_EQ(world.machine.processes.begin()->first, "shop.1.web.1.2");
    EXPECT_TRUE(world.machine.answers());
}

TEST(Engine, TakesTheSealedFilesAgainWhereOnlyTheConfigurationChanged) {
    EngineWorld world;
    world.start_live();
    world.config.apps[0].env["COLOUR"] = "blue";
    ASSERT_TRUE(world.ask(world.engine->reload()));
    auto stages = world.machine.stages_run.size();
    auto deploy = world.ask(world.engine->deploy("shop", {}));
    ASSERT_TRUE(deploy);
    EXPECT_EQ(world.end_of(deploy->deployment).state, State::healthy);
    EXPECT_EQ(world.machine.stages_run.size(), stages);
    EXPECT_EQ(world.machine.served(), 2);
}

TEST(Engine, ABadCommitNeedsForce) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    world.runtime->crash(2, 7);
    world.end_of(id);
    DeployRequest request;
    auto refused = world.ask(world.engine->deploy("shop", request));
    auto end = world.end_of(refused->deployment);
    EXPECT_EQ(end.state, State::failed);
    EXPECT_NE(end.failure.detail.find("--force"), std::string::npos);
    request.force = true;
    auto forced = world.ask(world.engine->deploy("shop", request));
    EXPECT_EQ(world.end_of(forced->deployment).state, State::healthy);
}

TEST(Engine, ADeliveryTwiceMakesOneDeployment) {
    EngineWorld world;
    world.start_live();
    domain::Push push;
    push.kind = domain::PushKind::push;
    push.delivery_id = "abc";
    domain::Change change;
    change.ref = "refs/heads/main";
    change.name = "main";
    change.after = change.commit = world.machine.tip = commit('b');
    world.machine.commits.insert(commit('b'));
    push.changes.push_back(change);
    auto first = world.ask(world.engine->submit("shop", "github", push, "x"));
    auto again = world.ask(world.engine->submit("shop", "github", push, "x"));
    EXPECT_EQ(first->status_code, 202);
    EXPECT_EQ(again->status_code, 200);
    EXPECT_EQ(again->decision, domain::Decision::duplicate);
    push.delivery_id = "other";
    EXPECT_EQ(world.ask(world.engine->submit("shop", "github", push, "y"))->decision,
              domain::Decision::duplicate);
    EXPECT_EQ(world.end_of(first->deployment).state, State::healthy);
}

TEST(Engine, ADeliveryTwiceIsKnownAfterARestartAndWhenItWasForgotten) {
    EngineWorld world;
    world.start_live();
    auto push = world.push_of('b');
    world.machine.commit_to_main(commit('b'));
    auto first = world.deliver(push);
    EXPECT_EQ(world.end_of(first.deployment).state, State::healthy);
    auto forgotten = world.disk->deliveries.at(first.delivery);
    forgotten.id = DeliveryId{1'000};
    forgotten.delivery_id = "long ago";
    world.kill();
    world.start();
    world.disk->deliveries[forgotten.id] = forgotten;  // after the engine has read what is recent
    EXPECT_EQ(world.deliver(push).decision, domain::Decision::duplicate);
    push = world.push_of('c');
    push.delivery_id = "long ago";
    auto again = world.deliver(push);
    EXPECT_EQ(again.decision, domain::Decision::duplicate);
    EXPECT_EQ(again.delivery, forgotten.id);
    EXPECT_EQ(world.newest().id, first.deployment);
    EXPECT_EQ(world.end_of(world.push('d').deployment).state, State::healthy);
}

TEST(Engine, PushingAThenBThenAAgainIsThreePushes) {
    EngineWorld world;
    world.start_live();
    EXPECT_EQ(world.end_of(world.push('b').deployment).state, State::healthy);
    auto again = world.push('a');
    EXPECT_EQ(again.status_code, 202);
    EXPECT_EQ(world.end_of(again.deployment).state, State::healthy);
    EXPECT_EQ(world.machine.served(), 3);
}

TEST(Engine, AnUnhealthyLiveReleaseIsSaidAndNotTouched) {
    EngineWorld world;
    world.start_live();
    world.machine.sick_commits.insert(commit('a'));
    ASSERT_TRUE(world.run_until(
        [&] { return world.engine->app("shop")->state == domain::AppState::degraded; },
        Millis{120'000}));
    EXPECT_EQ(world.engine->app("shop")->live->health, "unhealthy");
    world.machine.sick_commits.clear();
    EXPECT_TRUE(
        world.run_until([&] { return world.engine->app("shop")->state == domain::AppState::live; },
                        Millis{120'000}));
    int told = 0;
    for (const auto& [id, event] : world.disk->events)
        told += event.state == "unhealthy" || event.state == "recovered";
    EXPECT_EQ(told, 2);
    EXPECT_EQ(world.machine.flips, (std::vector<ReleaseNumber>{1}));
}

TEST(Engine, CancelEndsABuildAndLeavesTheLiveReleaseAlone) {
    EngineWorld world;
    world.start_live();
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::building));
    ASSERT_TRUE(world.ask(world.engine->cancel(id, "ada")));
    auto end = world.end_of(id);
    EXPECT_EQ(end.state, State::canceled);
    EXPECT_EQ(world.machine.served(), 1);
    EXPECT_EQ(world.ask(world.engine->cancel(id, "ada")).error().code, Errc::conflict);
}

// Taken on and canceled so many turns of the loop later, while it is being picked up.
TEST(Engine, CancelIsNeverTooEarly) {
    for (int turns = 0; turns < 25; ++turns) {
        EngineWorld world;
        world.start_live();
        world.machine.commit_to_main(commit('b'));
        auto both = [&]() -> Task<Result<Accepted>> {
            const std::string name = "shop", by = "ada";
            const DeployRequest request;
            auto accepted = co_await world.engine->deploy(name, request);
            if (!accepted) co_return accepted.error();
            for (int i = 0; i < turns; ++i)
                co_await boost::asio::post(boost::asio::use_awaitable);
            co_return co_await world.engine->cancel(accepted->deployment, by);
        };
        auto canceled = world.ask(both());
        ASSERT_TRUE(canceled) << turns << ": " << canceled.error().message;
        EXPECT_EQ(world.end_of(canceled->deployment).state, State::canceled) << turns;
        EXPECT_EQ(world.machine.served(), 1);
        EXPECT_EQ(world.end_of(world.push('c').deployment).state, State::healthy) << turns;
    }
}

TEST(Engine, ACancelThatIsNotStoredLeavesItInTheQueue) {
    EngineWorld world;
    world.start_live();
    ASSERT_TRUE(world.ask(world.engine->hold("shop", "", "ada")));
    auto id = world.push('b').deployment;
    world.store->fail_commit(1, Error{Errc::disk_full, "full"});
    EXPECT_EQ(world.ask(world.engine->cancel(id, "ada")).error().code, Errc::disk_full);
    EXPECT_EQ(world.deployment(id).state, State::queued);
    ASSERT_TRUE(world.ask(world.engine->resume("shop", "ada")));
    EXPECT_EQ(world.end_of(id).state, State::healthy);
}

TEST(Engine, ASecondCancelMeanwhileIsToldThatItIsEnding) {
    EngineWorld world;
    world.start_live();
    ASSERT_TRUE(world.ask(world.engine->hold("shop", "", "ada")));
    auto id = world.push('b').deployment;
    std::string second;
    world.store->hold_commit = [&](const auto&) -> Task<void> {
        if (!second.empty()) co_return;
        const std::string by = "bob";
        auto refused = co_await world.engine->cancel(id, by);
        second = refused ? "accepted" : refused.error().message;
    };
    ASSERT_TRUE(world.ask(world.engine->cancel(id, "ada")));
    EXPECT_EQ(second, "d2 is ending already");
    EXPECT_EQ(world.deployment(id).failure.detail, "canceled by ada");
}

TEST(Engine, StopSaysWhatIsInItsWay) {
    EngineWorld world;
    world.start_live();
    world.machine.stop_takes = Millis{5'000};
    auto id = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(id, State::baking));
    auto refused = world.ask(world.engine->stop("shop", "ada"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "d2 is baking: `belay cancel d2` first");
    ASSERT_TRUE(world.reaches(id, State::healthy));
    ASSERT_FALSE(world.settled());
    refused = world.ask(world.engine->remove("shop", false, "ada"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "d2 is healthy, and the release that it replaced is still ending: try again in a "
              "moment");
    ASSERT_TRUE(world.run_until([&] { return world.settled(); }));
    EXPECT_TRUE(world.ask(world.engine->stop("shop", "ada")));
}

TEST(Engine, WaitsForApprovalAndGoesOnOrEnds) {
    EngineWorld world;
    world.config.apps[0].manual_approval = true;
    world.start();
    world.run_until([&] { return !world.disk->deployments.empty(); });
    auto id = world.newest().id;
    ASSERT_TRUE(world.reaches(id, State::awaiting_approval));
    ASSERT_TRUE(world.ask(world.engine->approve(id, "ada")));
    EXPECT_EQ(world.end_of(id).state, State::healthy);
    auto second = world.push('b').deployment;
    ASSERT_TRUE(world.reaches(second, State::awaiting_approval));
    ASSERT_TRUE(world.ask(world.engine->reject(second, "no", "ada")));
    EXPECT_EQ(world.end_of(second).failure.reason, Reason::rejected);
    EXPECT_EQ(world.machine.served(), 1);
}

}  // namespace
}  // namespace belay::engine
