// What every ports::Store does, asked of the fake and of the real one alike: the fake can't lie.
#include "fakes/fake_store.hpp"
#include "integration/store/samples.hpp"
#include "support/run_task.hpp"
#include "support/temp_directory.hpp"

#include <belay/store/open.hpp>

#include <gtest/gtest.h>

namespace belay {
namespace {

using namespace test;
using ports::Write;

struct InMemory {
    std::shared_ptr<FakeDisk> disk = std::make_shared<FakeDisk>();

    std::unique_ptr<ports::Store> open(boost::asio::io_context&) {
        return std::make_unique<FakeStore>(disk);
    }
};

struct OnSqlite {
    TempDirectory directory;

    std::unique_ptr<ports::Store> open(boost::asio::io_context& loop) {
        auto options = store::StoreOptions{directory / "belay.db", loop.get_executor()};
        return store::open(std::move(options)).value();
    }
};

template <class Backend>
class StoreContract : public testing::Test {
  protected:
    StoreContract() { store_ = backend_.open(loop_); }
    ~StoreContract() override { run_task(loop_, store_->close()); }

    template <class T>
    T run(Task<Result<T>> task) {
        return run_task(loop_, std::move(task)).value();
    }
    Result<ports::Committed> try_put(std::vector<Write> batch) {
        return run_task(loop_, store_->commit(std::move(batch)));
    }
    ports::Committed put(std::vector<Write> batch) { return try_put(std::move(batch)).value(); }
    void put_deployments(int first, int last, const std::string& app, std::int64_t finished) {
        std::vector<Write> batch;
        for (int id = first; id <= last; ++id)
            batch.push_back(ports::PutDeployment{ended(id, app, finished)});
        put(std::move(batch));
    }
    void reopen() {
        run_task(loop_, store_->close());
        store_.reset();
        store_ = backend_.open(loop_);
    }
    std::int64_t prune_all(TimePoint before, int keep) {
        std::int64_t total = 0;
        while (auto count = run(store_->prune(before, keep)))
            total += count;
        return total;
    }

    template <class Record>
    static std::vector<std::int64_t> ids(const std::vector<Record>& records) {
        std::vector<std::int64_t> found;
        for (const auto& record : records)
            found.push_back(record.id.value);
        return found;
    }

    boost::asio::io_context loop_;
    Backend backend_;
    std::unique_ptr<ports::Store> store_;
};

using Ids = std::vector<std::int64_t>;
using Backends = testing::Types<InMemory, OnSqlite>;
TYPED_TEST_SUITE(StoreContract, Backends);

TYPED_TEST(StoreContract, NothingIsFoundInAnEmptyStore) {
    auto& store = *this->store_;
    auto snapshot = this->run(store.snapshot());
    EXPECT_TRUE(snapshot.apps.empty() && snapshot.unfinished.empty() && snapshot.open_runs.empty());
    EXPECT_EQ(snapshot.last_deployment + snapshot.last_delivery + snapshot.last_event, 0);
    EXPECT_FALSE(this->run(store.find_delivery("shop", "github", "x")));
    EXPECT_FALSE(this->run(store.find_body("shop", "c", "x")));
    EXPECT_FALSE(this->run(store.delivery(DeliveryId{1})));
    EXPECT_TRUE(this->run(store.deliveries("", {})).empty());
    EXPECT_FALSE(this->run(store.deployment(DeploymentId{1})));
    EXPECT_TRUE(this->run(store.deployments("", {})).empty());
    EXPECT_TRUE(this->run(store.deployments_of_commit("a", 9)).empty());
    EXPECT_TRUE(this->run(store.deliveries_of_commit("a", 9)).empty());
    EXPECT_TRUE(this->run(store.stages(DeploymentId{1})).empty());
    EXPECT_TRUE(this->run(store.probes(DeploymentId{1}, 9)).empty());
    EXPECT_TRUE(this->run(store.releases("shop")).empty());
    EXPECT_FALSE(this->run(store.release("shop", 1)));
    EXPECT_FALSE(this->run(store.config("x")));
    EXPECT_FALSE(this->run(store.ref_seen("shop", "refs/heads/main")));
    EXPECT_TRUE(this->run(store.events(0, 9, "", DeploymentId{})).empty());
    EXPECT_EQ(this->run(store.prune(at(1'000'000), 0)), 0);
}

TYPED_TEST(StoreContract, EveryFieldOfEveryRecordComesBackAfterReopening) {
    auto delivery = sample_delivery(3);
    auto deployment = sample_deployment(7);
    auto stage = sample_stage(deployment.id);
    auto probe = sample_probe(80);
    auto release = sample_release(12);
    auto run = sample_run(1);
    auto app = sample_app();
    auto event = sample_event("it bakes");
    auto committed = this->put(
        {ports::PutDelivery{delivery}, ports::PutDeployment{deployment}, ports::PutStage{stage},
         ports::AddProbes{deployment.id, {probe}}, ports::PutRelease{release}, ports::PutRun{run},
         ports::PutApp{app}, ports::PutConfig{"cafe", R"({"a":1})"},
         ports::PutRefSeen{"shop", "refs/heads/main", "abc", at(9)}, ports::AddEvent{event}});
    ASSERT_EQ(committed.event_ids.size(), 1U);
    event.id = committed.event_ids[0];

    this->reopen();
    auto& store = *this->store_;
    EXPECT_EQ(this->run(store.delivery(delivery.id)), delivery);
    EXPECT_EQ(this->run(store.deployment(deployment.id)), deployment);
    EXPECT_EQ(this->run(store.stages(deployment.id)), std::vector{stage});
    EXPECT_EQ(this->run(store.probes(deployment.id, 10)), std::vector{probe});
    EXPECT_EQ(this->run(store.release("shop", 12)), release);
    EXPECT_EQ(this->run(store.config("cafe")), R"({"a":1})");
    auto seen = this->run(store.ref_seen("shop", "refs/heads/main"));
    ASSERT_TRUE(seen);
    EXPECT_EQ(std::tie(seen->ref, seen->commit), std::tuple("refs/heads/main", "abc"));
    EXPECT_EQ(seen->at, at(9));
    EXPECT_EQ(this->run(store.events(0, 10, "", DeploymentId{})), std::vector{event});
    auto snapshot = this->run(store.snapshot());
    EXPECT_EQ(snapshot.apps, std::vector{app});
    EXPECT_EQ(snapshot.unfinished, std::vector{deployment});
    EXPECT_EQ(snapshot.open_runs, std::vector{run});
    EXPECT_EQ(snapshot.last_delivery, 3);
    EXPECT_EQ(snapshot.last_deployment, 7);
    EXPECT_EQ(snapshot.last_event, event.id);
}

TYPED_TEST(StoreContract, RecordsWithNothingSetComeBackAsTheyAre) {
    domain::Delivery delivery;
    delivery.id = DeliveryId{1};
    domain::Deployment deployment;
    deployment.id = DeploymentId{1};
    domain::Stage stage;
    stage.deployment = deployment.id;
    domain::App app;
    app.name = "a";
    domain::Run run;
    run.id = "r";
    this->put({ports::PutDelivery{delivery}, ports::PutDeployment{deployment},
               ports::PutStage{stage}, ports::AddProbes{deployment.id, {domain::Probe{}}},
               ports::PutRelease{domain::Release{}}, ports::PutApp{app}, ports::PutRun{run}});
    this->reopen();
    auto& store = *this->store_;
    EXPECT_EQ(this->run(store.delivery(delivery.id)), delivery);
    EXPECT_EQ(this->run(store.deployment(deployment.id)), deployment);
    EXPECT_EQ(this->run(store.stages(deployment.id)), std::vector{stage});
    EXPECT_EQ(this->run(store.probes(deployment.id, 1)), std::vector{domain::Probe{}});
    EXPECT_EQ(this->run(store.releases("")), std::vector{domain::Release{}});
    auto snapshot = this->run(store.snapshot());
    EXPECT_EQ(snapshot.apps, std::vector{app});
    EXPECT_EQ(snapshot.open_runs, std::vector{run});
}

TYPED_TEST(StoreContract, EveryWordOfEveryEnumerationComesBack) {
    std::int64_t id = 0;
    std::vector<domain::Deployment> deployments;
    for (int i = 0; i < domain::kReasonCount; ++i) {
        auto deployment = sample_deployment(++id);
        deployment.state = static_cast<domain::State>(i % domain::kStateCount);
        deployment.failure.reason = static_cast<domain::Reason>(i);
        deployment.trigger = static_cast<domain::Trigger>(i % 6);
        deployment.plan = static_cast<domain::Plan>(i % 3);
        deployments.push_back(deployment);
        auto delivery = sample_delivery(id);
        delivery.decision = static_cast<domain::Decision>(i % 4);
        delivery.kind = static_cast<domain::PushKind>(i % 7);
        auto release = sample_release(id);
        release.state = static_cast<domain::ReleaseState>(i % 8);
        auto stage = sample_stage(deployment.id);
        stage.state = static_cast<domain::StageState>(i % 4);
        this->put({ports::PutDeployment{deployment}, ports::PutDelivery{delivery},
                   ports::PutRelease{release}, ports::PutStage{stage}});
        EXPECT_EQ(this->run(this->store_->delivery(delivery.id)), delivery);
        EXPECT_EQ(this->run(this->store_->release("shop", id)), release);
        EXPECT_EQ(this->run(this->store_->stages(deployment.id)), std::vector{stage});
        EXPECT_EQ(this->run(this->store_->deployment(deployment.id)), deployment);
    }
    std::erase_if(deployments,
                  [](const auto& deployment) { return domain::is_end(deployment.state); });
    EXPECT_EQ(this->run(this->store_->snapshot()).unfinished, deployments);
}

TYPED_TEST(StoreContract, PuttingARowAgainReplacesItAndLeavesWhatBelongsToIt) {
    auto deployment = sample_deployment(7);
    auto stage = sample_stage(deployment.id);
    auto build = stage;
    build.name = "build";
    this->put({ports::PutDeployment{deployment}, ports::PutStage{stage}, ports::PutStage{build},
               ports::AddProbes{deployment.id, {sample_probe(1)}}, ports::PutApp{sample_app()},
               ports::PutRelease{sample_release(12)}, ports::PutRun{sample_run(1)},
               ports::PutRefSeen{"shop", "r", "old", at(1)}});
    deployment.state = domain::State::healthy;
    deployment.failure = {};
    deployment.overhead_ms.reset();
    stage.state = domain::StageState::passed;
    stage.signal.reset();
    auto app = sample_app();
    app.hold.reset();
    auto release = sample_release(12);
    release.state = domain::ReleaseState::bad;
    auto run = sample_run(1);
    run.ended_at = at(90);
    this->put({ports::PutDeployment{deployment}, ports::PutStage{stage}, ports::PutApp{app},
               ports::PutRelease{release}, ports::PutRun{run},
               ports::PutRefSeen{"shop", "r", "new", at(2)}});

    auto& store = *this->store_;
    EXPECT_EQ(this->run(store.deployment(deployment.id)), deployment);
    EXPECT_EQ(this->run(store.stages(deployment.id)), (std::vector{stage, build}));
    EXPECT_EQ(this->run(store.probes(deployment.id, 9)).size(), 1U);
    EXPECT_EQ(this->run(store.releases("shop")), std::vector{release});
    EXPECT_EQ(this->run(store.ref_seen("shop", "r"))->commit, "new");
    auto snapshot = this->run(store.snapshot());
    EXPECT_EQ(snapshot.apps, std::vector{app});
    EXPECT_TRUE(snapshot.open_runs.empty());
    EXPECT_TRUE(snapshot.unfinished.empty());
}

TYPED_TEST(StoreContract, AStageOfAnotherAttemptIsAnotherRow) {
    auto first = sample_stage(DeploymentId{7});
    auto second = first;
    second.attempt = first.attempt + 1;
    this->put({ports::PutDeployment{sample_deployment(7)}, ports::PutStage{first},
               ports::PutStage{second}});
    EXPECT_EQ(this->run(this->store_->stages(DeploymentId{7})), (std::vector{first, second}));
}

TYPED_TEST(StoreContract, ADeliveryIsStoredOnceByItsForgesId) {
    auto first = sample_delivery(1);
    this->put({ports::PutDelivery{first}});
    auto again = sample_delivery(2);
    again.delivery_id = first.delivery_id;
    auto refused =
        this->try_put({ports::AddEvent{sample_event("lost")}, ports::PutDelivery{again}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    EXPECT_NE(refused.error().message.find(first.delivery_id), std::string::npos);

    auto& store = *this->store_;
    EXPECT_FALSE(this->run(store.delivery(again.id)));
    EXPECT_TRUE(this->run(store.events(0, 9, "", DeploymentId{})).empty()) << "half a batch";
    EXPECT_EQ(this->run(store.find_delivery("shop", "github", first.delivery_id)), first);

    // Another app, another forge, and the same row again are no conflict.
    again.app = "blog";
    auto third = sample_delivery(3);
    third.delivery_id = first.delivery_id;
    third.forge = "gitea";
    first.decision = domain::Decision::ignored;
    first.changes = {sample_change()};
    this->put({ports::PutDelivery{again}, ports::PutDelivery{third}, ports::PutDelivery{first}});
    EXPECT_EQ(this->run(store.delivery(first.id)), first);
    EXPECT_EQ(this->run(store.find_delivery("blog", "github", first.delivery_id)), again);
    auto recent = this->run(store.snapshot()).recent_deliveries;
    EXPECT_TRUE(std::any_of(recent.begin(), recent.end(), [&](const auto& identity) {
        return identity.app == "blog" && identity.forge == "github" &&
               identity.delivery_id == first.delivery_id;
    }));
}

TYPED_TEST(StoreContract, DeliveriesWithoutAnIdAreNeverTheSame) {
    auto first = sample_delivery(1);
    auto second = sample_delivery(2);
    first.delivery_id.clear();
    second.delivery_id.clear();
    this->put({ports::PutDelivery{first}, ports::PutDelivery{second}});
    EXPECT_FALSE(this->run(this->store_->find_delivery("shop", "github", "")));
    const auto commit = *first.changes.front().commit;
    EXPECT_EQ(this->run(this->store_->find_body("shop", commit, first.body_digest)), second);
    EXPECT_FALSE(this->run(this->store_->find_body("blog", commit, first.body_digest)));
    EXPECT_FALSE(
        this->run(this->store_->find_body("shop", std::string(40, 'e'), first.body_digest)));
    EXPECT_TRUE(this->run(this->store_->snapshot()).recent_deliveries.empty());
}

TYPED_TEST(StoreContract, ListsArePagedFromTheNewest) {
    std::vector<Write> batch;
    for (int id = 1; id <= 9; ++id) {
        auto deployment = sample_deployment(id);
        auto delivery = sample_delivery(id);
        deployment.app = delivery.app = id % 3 == 0 ? "blog" : "shop";
        batch.push_back(ports::PutDeployment{deployment});
        batch.push_back(ports::PutDelivery{delivery});
    }
    this->put(std::move(batch));
    auto& store = *this->store_;
    EXPECT_EQ(this->ids(this->run(store.deployments("", {0, 4}))), (Ids{9, 8, 7, 6}));
    EXPECT_EQ(this->ids(this->run(store.deployments("", {6, 2}))), (Ids{5, 4}));
    EXPECT_EQ(this->ids(this->run(store.deployments("blog", {0, 50}))), (Ids{9, 6, 3}));
    EXPECT_EQ(this->ids(this->run(store.deployments("blog", {9, 1}))), (Ids{6}));
    EXPECT_EQ(this->ids(this->run(store.deliveries("", {3, 50}))), (Ids{2, 1}));
    EXPECT_EQ(this->ids(this->run(store.deliveries("shop", {8, 2}))), (Ids{7, 5}));
    EXPECT_TRUE(this->run(store.deployments("", {0, 0})).empty());
    EXPECT_TRUE(this->run(store.deployments("", {0, -1})).empty());
    EXPECT_TRUE(this->run(store.deliveries("nobody", {})).empty());
}

TYPED_TEST(StoreContract, CommitsAreFoundByTheirPrefix) {
    std::vector<Write> batch;
    const std::vector<std::string> commits{"abc1", "abd2", "abc3", "", "ab"};
    for (std::size_t i = 0; i < commits.size(); ++i) {
        auto id = static_cast<std::int64_t>(i) + 1;
        auto deployment = sample_deployment(id);
        deployment.commit = commits[i];
        auto delivery = sample_delivery(id);
        delivery.changes = {sample_change(), sample_change()};
        delivery.changes[0].commit = commits[i];
        delivery.changes[1].commit.reset();
        delivery.changes[1].after = "7a9" + commits[i];  // an annotated tag's own id
        batch.push_back(ports::PutDeployment{deployment});
        batch.push_back(ports::PutDelivery{delivery});
    }
    this->put(std::move(batch));
    auto& store = *this->store_;
    EXPECT_EQ(this->ids(this->run(store.deployments_of_commit("abc", 9))), (Ids{3, 1}));
    EXPECT_EQ(this->ids(this->run(store.deployments_of_commit("ab", 2))), (Ids{5, 3}));
    EXPECT_EQ(this->ids(this->run(store.deployments_of_commit("abc1", 9))), (Ids{1}));
    EXPECT_TRUE(this->run(store.deployments_of_commit("abc10", 9)).empty());
    EXPECT_TRUE(this->run(store.deployments_of_commit("", 9)).empty());
    EXPECT_EQ(this->ids(this->run(store.deliveries_of_commit("abc", 9))), (Ids{3, 1}));
    EXPECT_EQ(this->ids(this->run(store.deliveries_of_commit("7a9abd", 9))), (Ids{2}));
    EXPECT_EQ(this->ids(this->run(store.deliveries_of_commit("7a9", 1))), (Ids{5}));
    EXPECT_TRUE(this->run(store.deliveries_of_commit("", 9)).empty());
    EXPECT_TRUE(this->run(store.deliveries_of_commit("%", 9)).empty());
}

TYPED_TEST(StoreContract, OnlyTheLastProbesOfADeploymentAreKept) {
    this->put({ports::PutDeployment{sample_deployment(7)},
               ports::PutDeployment{sample_deployment(8)},
               ports::AddProbes{DeploymentId{8}, {sample_probe(1)}}});
    std::int64_t time = 0;
    for (int i = 0; i < 5; ++i) {
        std::vector<domain::Probe> some;
        for (int j = 0; j < 45; ++j)
            some.push_back(sample_probe(++time));
        this->put({ports::AddProbes{DeploymentId{7}, some}});
    }
    auto kept = this->run(this->store_->probes(DeploymentId{7}, 1'000));
    ASSERT_EQ(kept.size(), static_cast<std::size_t>(ports::kProbesKept));
    EXPECT_EQ(kept.front().at, at(time - ports::kProbesKept + 1));
    EXPECT_EQ(kept.back().at, at(time));
    auto last = this->run(this->store_->probes(DeploymentId{7}, 2));
    ASSERT_EQ(last.size(), 2U);
    EXPECT_EQ(last[0].at, at(time - 1));
    EXPECT_EQ(this->run(this->store_->probes(DeploymentId{8}, 9)).size(), 1U);
}

TYPED_TEST(StoreContract, AStageWithoutItsDeploymentIsRefused) {
    for (const auto& write : {Write(ports::PutStage{sample_stage(DeploymentId{5})}),
                              Write(ports::AddProbes{DeploymentId{5}, {sample_probe(1)}})}) {
        auto refused = this->try_put({write});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::not_found);
        EXPECT_NE(refused.error().message.find("d5"), std::string::npos) << refused.error().message;
    }
}

TYPED_TEST(StoreContract, ReleasesCountPerApp) {
    auto other = sample_release(2);
    other.app = "blog";
    this->put({ports::PutRelease{sample_release(1)}, ports::PutRelease{sample_release(2)},
               ports::PutRelease{sample_release(10)}, ports::PutRelease{other}});
    auto found = this->run(this->store_->releases("shop"));
    EXPECT_EQ(found, (std::vector{sample_release(10), sample_release(2), sample_release(1)}));
    EXPECT_EQ(this->run(this->store_->release("blog", 2)), other);
    EXPECT_FALSE(this->run(this->store_->release("blog", 1)));
}

TYPED_TEST(StoreContract, AConfigurationStoredAgainIsNoChange) {
    this->put({ports::PutConfig{"h", "first"}});
    this->put({ports::PutConfig{"h", "second"}, ports::PutConfig{"i", "other"}});
    EXPECT_EQ(this->run(this->store_->config("h")), "first");
    EXPECT_EQ(this->run(this->store_->config("i")), "other");
}

TYPED_TEST(StoreContract, RefsAreSeenPerApp) {
    this->put({ports::PutRefSeen{"shop", "refs/heads/main", "a", at(1)},
               ports::PutRefSeen{"blog", "refs/heads/main", "b", at(2)},
               ports::PutRefSeen{"shop", "refs/heads/next", "c", at(3)}});
    EXPECT_EQ(this->run(this->store_->ref_seen("shop", "refs/heads/main"))->commit, "a");
    EXPECT_EQ(this->run(this->store_->ref_seen("blog", "refs/heads/main"))->commit, "b");
    EXPECT_EQ(this->run(this->store_->ref_seen("shop", "refs/heads/next"))->commit, "c");
    EXPECT_FALSE(this->run(this->store_->ref_seen("blog", "refs/heads/next")));
}

TYPED_TEST(StoreContract, EventsAreNumberedInOrderAndReadFromAnyPlace) {
    std::vector<Write> batch;
    for (int i = 1; i <= 6; ++i) {
        auto event = sample_event(std::to_string(i));
        event.id = 4'000;  // of no effect
        event.app = i % 2 == 0 ? "blog" : "shop";
        event.deployment = DeploymentId{i % 3};
        batch.push_back(ports::AddEvent{event});
    }
    auto first = this->put(std::move(batch)).event_ids;
    auto later = this->put({ports::AddEvent{sample_event("7")}}).event_ids;
    EXPECT_EQ(first, (Ids{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(later, (Ids{7}));

    auto texts = [&](std::int64_t after, int limit, const std::string& app,
                     std::int64_t deployment) {
        std::string all;
        for (const auto& event :
             this->run(this->store_->events(after, limit, app, DeploymentId{deployment})))
            all += event.text;
        return all;
    };
    EXPECT_EQ(texts(0, 99, "", 0), "1234567");
    EXPECT_EQ(texts(2, 3, "", 0), "345");
    EXPECT_EQ(texts(0, 99, "blog", 0), "246");
    EXPECT_EQ(texts(0, 99, "", 1), "14");
    EXPECT_EQ(texts(0, 99, "blog", 1), "4");
    EXPECT_EQ(texts(7, 99, "", 0), "");
    EXPECT_EQ(texts(0, 0, "", 0), "");
}

TYPED_TEST(StoreContract, UnfinishedDeploymentsAndOpenRunsAreInTheSnapshotInOrder) {
    auto first = sample_deployment(2);
    auto second = sample_deployment(10);
    first.state = domain::State::queued;
    auto blog = sample_app();
    blog.name = "blog";
    auto over = sample_run(3);
    over.ended_at = at(99);
    this->put({ports::PutDeployment{second}, ports::PutDeployment{first},
               ports::PutDeployment{ended(4, "shop", 5)}, ports::PutApp{sample_app()},
               ports::PutApp{blog}, ports::PutRun{over}, ports::PutRun{sample_run(2)},
               ports::PutRun{sample_run(1)}});
    auto snapshot = this->run(this->store_->snapshot());
    EXPECT_EQ(snapshot.unfinished, (std::vector{first, second}));
    EXPECT_EQ(snapshot.open_runs, (std::vector{sample_run(1), sample_run(2)}));
    EXPECT_EQ(snapshot.apps, (std::vector{blog, sample_app()}));
    EXPECT_EQ(snapshot.last_deployment, 10);
}

TYPED_TEST(StoreContract, ABatchSeesWhatItWroteItself) {
    this->put({ports::PutDeployment{sample_deployment(7)},
               ports::PutStage{sample_stage(DeploymentId{7})}, ports::PurgeApp{"shop"},
               ports::PutDeployment{sample_deployment(8)}});
    EXPECT_FALSE(this->run(this->store_->deployment(DeploymentId{7})));
    EXPECT_TRUE(this->run(this->store_->stages(DeploymentId{7})).empty());
    EXPECT_TRUE(this->run(this->store_->deployment(DeploymentId{8})));
}

TYPED_TEST(StoreContract, PurgingAnAppTakesAllItsRowsAndNoOthers) {
    auto mine = sample_deployment(1);
    auto other = sample_deployment(2);
    other.app = "blog";
    other.config = "shared";
    auto release = sample_release(1);
    release.config = "shared";
    auto delivery = sample_delivery(2);
    delivery.app = "blog";
    auto event = sample_event("theirs");
    event.app = "blog";
    this->put({ports::PutConfig{"cafe", "mine"}, ports::PutConfig{"shared", "ours"},
               ports::PutConfig{"apart", "nobody's"}, ports::PutDeployment{mine},
               ports::PutDeployment{other}, ports::PutStage{sample_stage(mine.id)},
               ports::PutDelivery{sample_delivery(1)}, ports::PutDelivery{delivery},
               ports::PutRelease{release}, ports::PutRun{sample_run(1)},
               ports::PutApp{sample_app()}, ports::PutRefSeen{"shop", "r", "c", at(1)},
               ports::AddEvent{sample_event("mine")}, ports::AddEvent{event},
               ports::AddOutgoing{sample_outgoing("shop", "a")}});
    this->put({ports::PurgeApp{"shop"}, ports::AddEvent{sample_event("removed")}});

    auto& store = *this->store_;
    EXPECT_EQ(this->ids(this->run(store.deployments("", {}))), (Ids{2}));
    EXPECT_EQ(this->ids(this->run(store.deliveries("", {}))), (Ids{2}));
    EXPECT_TRUE(this->run(store.stages(mine.id)).empty());
    EXPECT_TRUE(this->run(store.releases("shop")).empty());
    EXPECT_FALSE(this->run(store.ref_seen("shop", "r")));
    EXPECT_FALSE(this->run(store.config("cafe")));
    EXPECT_TRUE(this->run(store.config("shared")));
    EXPECT_TRUE(this->run(store.config("apart")));
    EXPECT_TRUE(this->run(store.waiting_destinations()).empty());
    auto snapshot = this->run(store.snapshot());
    EXPECT_TRUE(snapshot.apps.empty() && snapshot.open_runs.empty());
    auto events = this->run(store.events(0, 9, "", DeploymentId{}));
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].text, "theirs");
    EXPECT_EQ(events[1].text, "removed");
}

TYPED_TEST(StoreContract, IdsAreNotGivenOutTwiceAfterTheNewestRowIsGone) {
    this->put({ports::PutDeployment{sample_deployment(7)}, ports::PutDelivery{sample_delivery(9)},
               ports::AddEvent{sample_event("last")}});
    this->put({ports::PurgeApp{"shop"}});
    this->reopen();
    auto snapshot = this->run(this->store_->snapshot());
    EXPECT_EQ(snapshot.last_deployment, 7);
    EXPECT_EQ(snapshot.last_delivery, 9);
    EXPECT_EQ(snapshot.last_event, 1);
    EXPECT_EQ(this->put({ports::AddEvent{sample_event("next")}}).event_ids, (Ids{2}));
}

TYPED_TEST(StoreContract, PruningTakesOldEndedDeploymentsWithAllThatIsTheirs) {
    this->put_deployments(1, 6, "shop", 100);
    this->put_deployments(7, 8, "blog", 100);
    auto event = sample_event("of d1");
    event.deployment = DeploymentId{1};
    this->put({ports::PutStage{sample_stage(DeploymentId{1})},
               ports::AddProbes{DeploymentId{1}, {sample_probe(1)}}, ports::AddEvent{event}});

    EXPECT_EQ(this->prune_all(at(100), 2), 0) << "ended at the limit, not before it";
    EXPECT_EQ(this->prune_all(at(101), 2), 4 + 1);
    auto& store = *this->store_;
    EXPECT_EQ(this->ids(this->run(store.deployments("", {}))), (Ids{8, 7, 6, 5}));
    EXPECT_TRUE(this->run(store.stages(DeploymentId{1})).empty());
    EXPECT_TRUE(this->run(store.probes(DeploymentId{1}, 9)).empty());
    EXPECT_TRUE(this->run(store.events(0, 9, "", DeploymentId{})).empty());
    EXPECT_EQ(this->prune_all(at(101), 0), 4);
    EXPECT_TRUE(this->run(store.deployments("", {})).empty());
}

TYPED_TEST(StoreContract, PruningSparesWhatRunsAndWhatMadeARunningRelease) {
    auto running = ended(1, "shop", 5);
    running.state = domain::State::baking;
    this->put({ports::PutDeployment{running}});
    this->put_deployments(2, 5, "shop", 5);
    const domain::ReleaseState states[] = {domain::ReleaseState::live, domain::ReleaseState::bad,
                                           domain::ReleaseState::pruned};
    for (int i = 0; i < 3; ++i) {
        auto release = sample_release(i + 1);
        release.deployment = DeploymentId{i + 2};
        release.state = states[i];
        this->put({ports::PutRelease{release}});
    }
    EXPECT_EQ(this->prune_all(at(1'000), 0), 3);
    EXPECT_EQ(this->ids(this->run(this->store_->deployments("", {}))), (Ids{2, 1}));
    EXPECT_EQ(this->run(this->store_->releases("shop")).size(), 3U);
}

TYPED_TEST(StoreContract, PruningTakesDeliveriesEventsAndRunsByTheirTime) {
    this->put_deployments(1, 1, "shop", 5'000);
    std::vector<Write> batch;
    for (int id = 1; id <= 4; ++id) {
        auto delivery = sample_delivery(id);
        delivery.received_at = at(100 * id);
        delivery.deployment = DeploymentId{id == 1 ? 1 : 0};
        batch.push_back(ports::PutDelivery{delivery});
        auto event = sample_event(std::to_string(id));
        event.at = at(100 * id);
        event.deployment = DeploymentId{id == 1 ? 1 : 0};
        batch.push_back(ports::AddEvent{event});
        auto run = sample_run(id);
        run.ended_at = at(id == 1 ? 0 : 100 * id);
        batch.push_back(ports::PutRun{run});
    }
    this->put(std::move(batch));

    // w1 and its event belong to d1, which is still there; the first run is open.
    EXPECT_EQ(this->prune_all(at(350), 1), 2 + 2 + 2);
    auto& store = *this->store_;
    EXPECT_EQ(this->ids(this->run(store.deliveries("", {}))), (Ids{4, 1}));
    EXPECT_EQ(this->run(store.delivery(DeliveryId{1}))->changes.size(), 2U);
    EXPECT_TRUE(this->run(store.deliveries_of_commit("c", 9)).size() == 2);
    auto events = this->run(store.events(0, 9, "", DeploymentId{}));
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].text + events[1].text, "14");
    EXPECT_EQ(this->run(store.snapshot()).open_runs.size(), 1U);
}

TYPED_TEST(StoreContract, TokensComeBackByNameUntilTheyAreRemoved) {
    auto added =
        this->put({ports::AddToken{sample_token("ci")}, ports::AddToken{sample_token("bot")}});
    ASSERT_EQ(added.access_ids.size(), 2U);
    auto taken = this->try_put({ports::AddToken{sample_token("ci")}});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Errc::conflict);
    this->reopen();
    auto& again = *this->store_;
    auto tokens = this->run(again.tokens());
    ASSERT_EQ(tokens.size(), 2U);
    auto expected = sample_token("ci");
    expected.id = added.access_ids[0];
    EXPECT_EQ(tokens[0].name, "bot");
    EXPECT_EQ(tokens[1], expected);

    this->put({ports::PutTokenUse{expected.id, at(99), "socket"},
               ports::PutTokenUse{12'345, at(1), "x"}, ports::RemoveToken{added.access_ids[1]}});
    tokens = this->run(again.tokens());
    ASSERT_EQ(tokens.size(), 1U);
    EXPECT_EQ(tokens[0].last_used_at, at(99));
    EXPECT_EQ(tokens[0].last_used_from, "socket");
    // An id names one token for ever: keys and the audit go by it.
    this->put({ports::RemoveToken{expected.id}});
    EXPECT_GT(this->put({ports::AddToken{sample_token("ci")}}).access_ids[0], added.access_ids[1]);
}

TYPED_TEST(StoreContract, TheAuditIsReadNewestFirstAndPrunedWithHistory) {
    auto first = this->put({ports::AddAudit{sample_entry("deploy")}}).access_ids[0];
    auto late = sample_entry("run");
    late.at = at(500);
    late.status_code = 0;
    late.outcome.clear();
    auto second = this->put({ports::AddAudit{late}}).access_ids[0];
    this->put(
        {ports::EndAudit{second, 200, "exit code 3"}, ports::EndAudit{12'345, 200, "nobody"}});
    this->reopen();
    auto& store = *this->store_;
    auto entries = this->run(store.audit({}));
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].id, second);
    EXPECT_EQ(entries[0].status_code, 200);
    EXPECT_EQ(entries[0].outcome, "exit code 3");
    auto expected = sample_entry("deploy");
    expected.id = first;
    EXPECT_EQ(entries[1], expected);
    EXPECT_EQ(this->run(store.audit({second, 5})).size(), 1U);
    EXPECT_EQ(this->run(store.audit({0, 1})).size(), 1U);
    EXPECT_EQ(this->prune_all(at(100), 100), 1);
    entries = this->run(store.audit({}));
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].id, second);
}

TYPED_TEST(StoreContract, AnswersAreKeptForADayAndTheNewestOfEachCaller) {
    constexpr auto kDay = ports::kAnswersAge;
    ports::PutAnswer answer{"token 5", "k", "digest", 0, "", "", at(1'000)};
    this->put({answer});
    this->reopen();
    auto& store = *this->store_;
    EXPECT_EQ(this->run(store.answer("token 5", "k", at(1'000))), answer);
    EXPECT_EQ(this->run(store.answer("token 6", "k", at(1'000))), std::nullopt);
    answer.status_code = 202;
    answer.content_type = "application/json";
    answer.body = "{}";
    this->put({answer});
    EXPECT_EQ(this->run(store.answer("token 5", "k", at(1'000) + kDay)), answer);
    EXPECT_EQ(this->run(store.answer("token 5", "k", at(1'001) + kDay)), std::nullopt);

    std::vector<Write> many;
    for (int i = 0; i < ports::kAnswersKept; ++i)
        many.push_back(
            ports::PutAnswer{"token 5", std::to_string(i), "", 200, "", "", at(2'000 + i)});
    this->put(std::move(many));
    EXPECT_EQ(this->run(store.answer("token 5", "k", at(3'000))), std::nullopt);
    EXPECT_NE(this->run(store.answer("token 5", "0", at(3'000))), std::nullopt);
    ports::PutAnswer other{"uid 0", "k", "", 200, "", "", at(2'500)};
    this->put({other});
    EXPECT_NE(this->run(store.answer("token 5", "0", at(3'000))), std::nullopt);
    this->put({ports::RemoveAnswer{"uid 0", "k"}});
    EXPECT_EQ(this->run(store.answer("uid 0", "k", at(3'000))), std::nullopt);
}

TYPED_TEST(StoreContract, TheOutboxKeepsWhatWaitsInOrderForEachDestination) {
    const ports::Destination shop{ports::OutgoingKind::status, "shop"};
    const ports::Destination ops{ports::OutgoingKind::alert, "ops"};
    auto alert = sample_outgoing("ops", "c");
    alert.kind = ports::OutgoingKind::alert;
    this->put({ports::AddOutgoing{sample_outgoing("shop", "a")}, ports::AddOutgoing{alert},
               ports::AddOutgoing{sample_outgoing("shop", "b")}});
    this->reopen();
    auto& store = *this->store_;
    EXPECT_EQ(this->run(store.waiting_destinations()), (std::vector{ops, shop}));
    auto waiting = this->run(store.waiting_outgoing(shop, 9));
    EXPECT_EQ(this->run(store.waiting_outgoing(shop, 1)).size(), 1U);
    ASSERT_EQ(waiting.size(), 2U);
    EXPECT_LT(waiting[0].id, waiting[1].id);
    auto expected = sample_outgoing("shop", "a");
    expected.id = waiting[0].id;
    EXPECT_EQ(waiting[0], expected);
    EXPECT_EQ(waiting[1].key, "b");

    auto sent = waiting[0];
    sent.state = ports::OutgoingState::sent;
    sent.finished_at = at(700);
    auto merged = waiting[1];
    merged.state = ports::OutgoingState::merged;
    merged.finished_at = at(800);
    this->put({ports::PutOutgoing{sent}, ports::PutOutgoing{merged}});
    EXPECT_EQ(this->run(store.waiting_destinations()), (std::vector{ops}));
    EXPECT_EQ(this->run(store.last_sent(shop, "a")), at(700));
    EXPECT_EQ(this->run(store.last_sent(shop, "b")), at(0)) << "it was not sent itself";
    EXPECT_EQ(this->run(store.last_sent(ops, "a")), at(0)) << "of another destination";
    EXPECT_EQ(this->prune_all(at(701), 0), 1);
    EXPECT_EQ(this->run(store.last_sent(shop, "a")), at(0));
    sent.id = 4'000;
    EXPECT_EQ(this->try_put({ports::PutOutgoing{sent}}).error().code, Errc::not_found);
}

TYPED_TEST(StoreContract, WhatIsToBeSaidOnceIsNotAddedAgain) {
    const ports::Destination shop{ports::OutgoingKind::status, "shop"};
    this->put({ports::AddOutgoing{sample_outgoing("shop", "a"), true}});
    auto sent = this->run(this->store_->waiting_outgoing(shop, 9)).front();
    sent.state = ports::OutgoingState::sent;
    sent.finished_at = at(1);
    this->put({ports::PutOutgoing{sent}});
    this->put({ports::AddOutgoing{sample_outgoing("shop", "a"), true},
               ports::AddOutgoing{sample_outgoing("blog", "a"), true},
               ports::AddOutgoing{sample_outgoing("shop", "b"), true}});
    auto waiting = this->run(this->store_->waiting_outgoing(shop, 9));
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].key, "b");
    this->put({ports::AddOutgoing{sample_outgoing("shop", "a"), false}});
    EXPECT_EQ(this->run(this->store_->waiting_outgoing(shop, 9)).size(), 2U);
}

TYPED_TEST(StoreContract, TheOldestBeyondTheOutboxsBoundIsDropped) {
    const ports::Destination shop{ports::OutgoingKind::status, "shop"};
    std::vector<Write> batch;
    for (int i = 0; i < ports::kOutgoingKept; ++i)
        batch.push_back(ports::AddOutgoing{sample_outgoing("shop", std::to_string(i))});
    batch.push_back(ports::AddOutgoing{sample_outgoing("blog", "other")});
    this->put(std::move(batch));
    this->put({ports::AddOutgoing{sample_outgoing("shop", "new")}});
    auto waiting = this->run(this->store_->waiting_outgoing(shop, 9'999));
    ASSERT_EQ(waiting.size(), static_cast<std::size_t>(ports::kOutgoingKept));
    EXPECT_EQ(waiting.front().key, "1");
    EXPECT_EQ(waiting.back().key, "new");
    EXPECT_EQ(this->run(this->store_->waiting_destinations()).size(), 2U);
}

TYPED_TEST(StoreContract, AClosedStoreAnswersUnavailable) {
    auto& store = *this->store_;
    run_task(this->loop_, store.close());
    auto refused = this->try_put({ports::PutApp{sample_app()}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    auto read = run_task(this->loop_, store.snapshot());
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::unavailable);
    auto pruned = run_task(this->loop_, store.prune(at(1), 0));
    EXPECT_EQ(pruned.error().code, Errc::unavailable);
}

}  // namespace
}  // namespace belay
