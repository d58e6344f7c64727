// What was acknowledged is there, whatever happens to the process, the disk or the file.
#include "integration/store/child.hpp"
#include "integration/store/fault_vfs.hpp"
#include "integration/store/samples.hpp"
#include "support/run_task.hpp"
#include "support/temp_directory.hpp"

#include <belay/async/task_group.hpp>
#include <belay/store/open.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sys/mount.h>
#include <sys/stat.h>

namespace belay {
namespace {

using namespace test;
using ports::Write;
namespace fs = std::filesystem;

class StoreDurability : public testing::Test {
  protected:
    std::unique_ptr<ports::Store> open(const std::string& path) {
        return store::open({path, loop_.get_executor(), Millis(50)}).value();
    }
    Result<ports::Committed> put(ports::Store& store, std::vector<Write> batch) {
        return run_task(loop_, store.commit(std::move(batch)));
    }
    void close(std::unique_ptr<ports::Store> store) { run_task(loop_, store->close()); }
    bool has(ports::Store& store, std::int64_t id) {
        auto delivery = run_task(loop_, store.delivery(DeliveryId{id})).value();
        auto deployment = run_task(loop_, store.deployment(DeploymentId{id})).value();
        EXPECT_EQ(delivery.has_value(), deployment.has_value()) << "half of batch " << id;
        return delivery && deployment;
    }

    TempDirectory directory_;
    std::string path_ = directory_ / "belay.db";
    boost::asio::io_context loop_;
};

TEST_F(StoreDurability, EveryAcknowledgedRowOutlivesAKilledProcess) {
    std::int64_t highest = 0;
    for (int round = 0; round < 3; ++round) {
        auto path = directory_ / ("round" + std::to_string(round));
        Child child({"write", path});
        std::vector<std::int64_t> acknowledged;
        for (auto line = child.line(); !line.empty(); line = child.line()) {
            acknowledged.push_back(std::stoll(line));
            if (acknowledged.size() == 300) child.kill();
        }
        ASSERT_GE(acknowledged.size(), 300U);
        auto store = open(path);
        for (auto id : acknowledged)
            EXPECT_TRUE(has(*store, id)) << id;
        // What was on its way is there as a whole or not at all.
        for (std::int64_t id = 1; id <= acknowledged.back() + 8; ++id)
            has(*store, id);
        highest = std::max(highest, run_task(loop_, store->snapshot()).value().last_delivery);
        close(std::move(store));
    }
    EXPECT_GT(highest, 0);
}

TEST_F(StoreDurability, RemovingALongHistoryKeepsTheLogSmall) {
    auto store = open(path_);
    constexpr std::int64_t kDeliveries = 20'000;
    for (std::int64_t id = 1; id <= kDeliveries;) {
        std::vector<Write> batch;
        for (; batch.size() < 500; ++id) {
            auto delivery = sample_delivery(id);
            delivery.deployment = DeploymentId{};
            delivery.reason = std::string(2'000, 'r');
            batch.emplace_back(ports::PutDelivery{std::move(delivery)});
        }
        ASSERT_TRUE(put(*store, std::move(batch)));
    }
    auto before = fs::file_size(path_ + "-wal");
    std::int64_t removed = 0;
    while (auto count = run_task(loop_, store->prune(at(10'000'000), 0)).value())
        removed += count;
    EXPECT_GE(removed, kDeliveries);
    // What is not carried over by 1,000 pages of 4 KiB, the last step among them.
    EXPECT_LT(fs::file_size(path_ + "-wal"), std::max<std::uintmax_t>(before, 8U << 20) + 4096);
    close(std::move(store));
}

Task<void> commit_one(ports::Store& store, std::vector<Write> batch,
                      Result<ports::Committed>& result) {
    auto committed = co_await store.commit(std::move(batch));
    result = std::move(committed);
}

// Commits all at the same time.
std::vector<Result<ports::Committed>> commit_together(boost::asio::io_context& loop,
                                                      ports::Store& store,
                                                      std::vector<std::vector<Write>> batches) {
    std::vector<Result<ports::Committed>> results(batches.size(),
                                                  Error{Errc::internal, "not committed"});
    async::TaskGroup tasks(loop.get_executor());
    for (std::size_t i = 0; i < batches.size(); ++i)
        tasks.spawn("commit", commit_one(store, std::move(batches[i]), results[i]));
    run_task(loop, tasks.join());
    return results;
}

TEST_F(StoreDurability, CommitsThatWaitTogetherShareOneSync) {
    FaultVfs vfs;
    auto store = open(path_);
    auto before = vfs.log_syncs;
    ASSERT_TRUE(put(*store, {ports::PutDelivery{sample_delivery(1'000)}}));
    EXPECT_EQ(vfs.log_syncs, before + 1) << "a commit is a sync";

    std::vector<std::vector<Write>> batches;
    for (int id = 1; id <= 64; ++id)
        batches.push_back(
            {ports::PutDelivery{sample_delivery(id)}, ports::AddEvent{sample_event("e")}});
    before = vfs.log_syncs;
    auto results = commit_together(loop_, *store, std::move(batches));
    std::int64_t event = 0;
    for (const auto& result : results)
        EXPECT_EQ(result.value().event_ids, std::vector{++event}) << "in the order of the calls";
    EXPECT_LE(vfs.log_syncs - before, 2);
    EXPECT_GE(vfs.log_syncs - before, 1);
    close(std::move(store));
}

TEST_F(StoreDurability, ABatchThatFailsDoesNotFailItsNeighbours) {
    auto store = open(path_);
    std::vector<std::vector<Write>> batches;
    for (int id = 1; id <= 9; ++id) {
        auto delivery = sample_delivery(id);
        if (id % 3 == 0) delivery.delivery_id = "the same";
        auto deployment = sample_deployment(id);
        batches.push_back({ports::PutDeployment{deployment}, ports::PutDelivery{delivery}});
    }
    auto results = commit_together(loop_, *store, std::move(batches));
    for (int id = 1; id <= 9; ++id) {
        auto fails = id == 6 || id == 9;
        const auto& result = results[static_cast<std::size_t>(id) - 1];
        EXPECT_EQ(result.has_value(), !fails) << id;
        if (fails) {
            EXPECT_EQ(result.error().code, Errc::conflict);
        }
        EXPECT_EQ(has(*store, id), !fails) << id;
    }
    close(std::move(store));
}

// As in a burst of pushes, of which each supersedes the one before.
TEST_F(StoreDurability, OfARowThatAGroupWritesAgainAndAgainTheLastVersionStays) {
    auto store = open(path_);
    std::vector<std::vector<Write>> batches;
    for (int id = 1; id <= 40; ++id) {
        auto app = sample_app();
        app.last_release = id;
        auto delivery = sample_delivery(id);
        if (id == 40) delivery.delivery_id = sample_delivery(39).delivery_id;  // refused
        auto deployment = sample_deployment(id);
        deployment.state = domain::State::queued;
        auto before = sample_deployment(id - 1);
        before.state = domain::State::superseded;
        batches.push_back({ports::PutDelivery{delivery}, ports::PutApp{app},
                           ports::PutRefSeen{"shop", "refs/heads/main", std::to_string(id), {}},
                           ports::PutDeployment{before}, ports::PutDeployment{deployment}});
    }
    auto results = commit_together(loop_, *store, std::move(batches));
    for (std::size_t i = 0; i < 39; ++i)
        EXPECT_TRUE(results[i]) << i;
    EXPECT_EQ(results[39].error().code, Errc::conflict);
    auto deployments = run_task(loop_, store->deployments("", {0, 1000})).value();
    ASSERT_EQ(deployments.size(), 40u) << "0 to 39, and none of the batch that was refused";
    EXPECT_EQ(deployments[0].id.value, 39);
    EXPECT_EQ(deployments[0].state, domain::State::queued);
    for (std::size_t i = 1; i < deployments.size(); ++i)
        EXPECT_EQ(deployments[i].state, domain::State::superseded) << i;
    EXPECT_EQ(run_task(loop_, store->snapshot()).value().apps.at(0).last_release, 39);
    EXPECT_EQ(run_task(loop_, store->ref_seen("shop", "refs/heads/main")).value()->commit, "39");
    close(std::move(store));
}

TEST_F(StoreDurability, WhatBelongsToARowOfTheSameGroupFindsIt) {
    auto store = open(path_);
    std::vector<std::vector<Write>> batches;
    for (int id = 1; id <= 5; ++id) {
        auto stage = sample_stage(DeploymentId{id});
        batches.push_back({ports::PutDeployment{sample_deployment(id)}});
        batches.push_back({ports::PutStage{stage}});
        auto again = sample_deployment(id);
        again.note = "again";
        batches.push_back({ports::PutDeployment{again}});
    }
    for (const auto& result : commit_together(loop_, *store, std::move(batches)))
        EXPECT_TRUE(result);
    for (int id = 1; id <= 5; ++id) {
        EXPECT_EQ(run_task(loop_, store->deployment(DeploymentId{id})).value()->note, "again");
        EXPECT_EQ(run_task(loop_, store->stages(DeploymentId{id})).value().size(), 1u);
    }
    close(std::move(store));
}

TEST_F(StoreDurability, AFailedSyncEndsAllWritingUntilTheNextStart) {
    FaultVfs vfs;
    auto store = open(path_);
    ASSERT_TRUE(put(*store, {ports::PutDelivery{sample_delivery(1)}}));
    vfs.fail_log_sync = true;
    auto failed = put(*store, {ports::PutDelivery{sample_delivery(2)}});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::internal);
    EXPECT_NE(failed.error().message.find(path_), std::string::npos) << failed.error().message;

    // The disk works again, but what it dropped is not known.
    vfs.fail_log_sync = false;
    auto refused = put(*store, {ports::PutDelivery{sample_delivery(3)}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::internal);
    EXPECT_NE(refused.error().message.find("started again"), std::string::npos);
    EXPECT_FALSE(run_task(loop_, store->prune(at(1), 0)));
    EXPECT_TRUE(run_task(loop_, store->delivery(DeliveryId{1})).value()) << "reading goes on";
    close(std::move(store));

    store = open(path_);
    EXPECT_TRUE(run_task(loop_, store->delivery(DeliveryId{1})).value());
    EXPECT_TRUE(put(*store, {ports::PutDelivery{sample_delivery(3)}}));
    close(std::move(store));
}

TEST_F(StoreDurability, TheLogIsCarriedOverAndAFailedSyncThereCountsToo) {
    FaultVfs vfs;
    auto store = open(path_);
    const std::string large(std::size_t{64} << 10, 'x');
    int stored = 0;
    auto put_large = [&] {
        return put(*store, {ports::PutConfig{"hash" + std::to_string(stored++), large}});
    };
    for (int i = 0; i < 600; ++i)
        ASSERT_TRUE(put_large());
    EXPECT_LT(fs::file_size(path_ + "-wal"), std::size_t{18} << 20);
    EXPECT_GT(fs::file_size(path_), std::size_t{20} << 20);

    vfs.fail_database_sync = true;
    auto result = put_large();
    for (int i = 0; i < 600 && result; ++i)
        result = put_large();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::internal);
    vfs.fail_database_sync = false;
    EXPECT_FALSE(put_large());
    close(std::move(store));
}

// Nobody who comes meanwhile waits for long while it is carried over.
TEST_F(StoreDurability, TheLogStaysShortInARush) {
    constexpr std::size_t kMiB = std::size_t{1} << 20;
    auto store = open(path_);
    const std::string large(64 << 10, 'x');
    for (int stored = 0; stored < 400;) {
        std::vector<std::vector<Write>> batches(2);
        for (auto& batch : batches)
            batch.emplace_back(ports::PutConfig{"hash" + std::to_string(stored++), large});
        for (const auto& result : commit_together(loop_, *store, std::move(batches)))
            ASSERT_TRUE(result);
    }
    EXPECT_LT(fs::file_size(path_ + "-wal"), 5 * kMiB);
    EXPECT_GT(fs::file_size(path_), 20 * kMiB);
    // One that is large by itself makes it long; the next gives that back.
    std::vector<Write> large_batch;
    for (int i = 0; i < 400; ++i)
        large_batch.emplace_back(ports::PutConfig{"large" + std::to_string(i), large});
    ASSERT_TRUE(put(*store, std::move(large_batch)));
    EXPECT_GT(fs::file_size(path_ + "-wal"), 20 * kMiB);
    ASSERT_TRUE(put(*store, {ports::PutConfig{"next", "x"}}));
    EXPECT_LE(fs::file_size(path_ + "-wal"), 8 * kMiB);
    close(std::move(store));
}

TEST_F(StoreDurability, ADatabaseThatIsRemovedOrReplacedTakesNoMoreWrites) {
    for (const std::string file : {"", "-wal"}) {
        auto path = directory_ / ("database" + std::to_string(file.size()));
        auto store = open(path);
        ASSERT_TRUE(put(*store, {ports::PutApp{sample_app()}}));
        fs::remove(path + file);
        auto refused = put(*store, {ports::PutConfig{"lost", "x"}});
        ASSERT_FALSE(refused) << file;
        EXPECT_EQ(refused.error().code, Errc::internal);
        EXPECT_NE(refused.error().message.find(path + file), std::string::npos);
        std::ofstream(path + file) << "another";
        EXPECT_FALSE(put(*store, {ports::PutConfig{"lost", "x"}})) << file;
        EXPECT_FALSE(run_task(loop_, store->config("lost")).value()) << "it was not stored";
        close(std::move(store));
    }
}

TEST_F(StoreDurability, AFullDiskIsSaidAndLeavesNothingHalfWritten) {
    Child child({"limited", path_, "400000"});
    auto acknowledged = child.line();
    ASSERT_TRUE(acknowledged.starts_with("acknowledged ")) << acknowledged;
    auto count = std::stoll(acknowledged.substr(13));
    EXPECT_GT(count, 0);
    EXPECT_EQ(child.line(), "disk_full");
    EXPECT_EQ(child.line(), "again") << "with space again it works, without a new start";
    EXPECT_EQ(child.line(), "");
    auto store = open(path_);
    for (std::int64_t id = 1; id <= count; ++id)
        EXPECT_TRUE(has(*store, id)) << id;
    EXPECT_FALSE(has(*store, count + 1)) << "it was refused";
    EXPECT_TRUE(has(*store, count + 1'001));
    close(std::move(store));
}

// A file system of one MiB; only root may have one.
class SmallDisk {
  public:
    explicit SmallDisk(const std::string& where) : where_(where) {
        fs::create_directory(where);
        mounted_ = ::mount("tmpfs", where.c_str(), "tmpfs", 0, "size=1m") == 0;
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() {
        if (mounted_) ::umount2(where_.c_str(), MNT_DETACH);
    }
    bool mounted() const { return mounted_; }
    bool make_read_only() const {
        return ::mount(nullptr, where_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
    }

  private:
    std::string where_;
    bool mounted_ = false;
};

TEST_F(StoreDurability, ARealFullDiskIsSurvivedAlsoByTheNextStart) {
    SmallDisk disk(directory_ / "small");
    if (!disk.mounted())
        GTEST_SKIP()
            << "mounting needs root; AFullDiskIsSaidAndLeavesNothingHalfWritten covers the rest";
    auto path = directory_ / "small/belay.db";
    auto filler = directory_ / "small/filler";
    std::ofstream(filler) << std::string(std::size_t{300} << 10, 'f');
    auto store = open(path);
    std::int64_t id = 0;
    auto put_next = [&] {
        ++id;
        return put(*store, {ports::PutDelivery{sample_delivery(id)},
                            ports::PutDeployment{sample_deployment(id)},
                            ports::PutConfig{std::to_string(id), std::string(8'000, 'c')}});
    };
    auto result = put_next();
    while (result)
        result = put_next();
    EXPECT_EQ(result.error().code, Errc::disk_full);
    EXPECT_NE(result.error().message.find(path), std::string::npos);
    auto last = id - 1;
    EXPECT_EQ(put_next().error().code, Errc::disk_full);
    EXPECT_TRUE(has(*store, last)) << "reading goes on";
    close(std::move(store));

    store = open(path);  // still full
    for (std::int64_t each = 1; each <= last; ++each)
        EXPECT_TRUE(has(*store, each)) << each;
    EXPECT_FALSE(has(*store, last + 1));
    fs::remove(filler);
    EXPECT_TRUE(put_next());
    close(std::move(store));
}

TEST_F(StoreDurability, AReadOnlyFileSystemIsForbidden) {
    SmallDisk disk(directory_ / "small");
    if (!disk.mounted())
        GTEST_SKIP() << "mounting needs root; AReadOnlyDirectoryIsForbidden covers the rest";
    auto path = directory_ / "small/belay.db";
    auto store = open(path);
    ASSERT_TRUE(put(*store, {ports::PutApp{sample_app()}}));
    close(std::move(store));
    ASSERT_TRUE(disk.make_read_only());
    auto refused = store::open({path, loop_.get_executor(), Millis(50)});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::forbidden) << refused.error().message;
}

}  // namespace
}  // namespace belay
