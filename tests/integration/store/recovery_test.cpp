// What takes the place of a database that is damaged, gone or to be replaced; backups of one in
// use; and the room that is kept for the record.
#include "integration/store/fault_vfs.hpp"
#include "integration/store/samples.hpp"
#include "support/run_task.hpp"
#include "support/temp_directory.hpp"

#include <belay/async/task_group.hpp>
#include <belay/store/open.hpp>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sys/mount.h>

namespace belay {
namespace {

using namespace test;
namespace fs = std::filesystem;

void execute(const std::string& path, const std::string& sql) {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(raw);
    sqlite3_close(raw);
}

class StoreRecovery : public testing::Test {
  protected:
    StoreRecovery() { fs::create_directory(backups_); }

    store::StoreOptions options() {
        store::StoreOptions options;
        options.path = path_;
        options.executor = loop_.get_executor();
        options.busy_wait = Millis(50);
        options.backups = backups_;
        options.on_distrust = [this](store::Distrust distrust, std::string) {
            told_.push_back(distrust);
        };
        return options;
    }
    store::Opened open() { return store::open_or_recover(options()).value(); }
    Result<ports::Committed> put(ports::Store& store, std::vector<ports::Write> batch) {
        return run_task(loop_, store.commit(std::move(batch)));
    }
    void close(store::Opened& opened) { run_task(loop_, opened.store->close()); }
    bool has(ports::Store& store, std::int64_t id) {
        return run_task(loop_, store.deployment(DeploymentId{id})).value().has_value();
    }
    // Deployments 1 to 300 in the database, of which a backup knows the first 100.
    void make() {
        auto opened = open();
        for (int id = 1; id <= 300; ++id) {
            ASSERT_TRUE(put(*opened.store, {ports::PutDeployment{sample_deployment(id)}}));
            if (id == 100) backup(*opened.store);
        }
        close(opened);
    }
    std::string backup(ports::Store& store) {
        auto file = store::backup_name(backups_);
        run_task(loop_, store.backup(file)).value();
        return file;
    }
    void damage(const std::string& file) {
        auto size = fs::file_size(file);
        ASSERT_GT(size, 40'000U);
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(4'096);
        for (std::uintmax_t i = 4'096; i < size - 4'096; ++i)
            stream.put(static_cast<char>(i * 7 % 251));
    }

    TempDirectory directory_;
    std::string path_ = directory_ / "belay.db";
    std::string backups_ = directory_ / "backups";
    std::vector<store::Distrust> told_;
    boost::asio::io_context loop_;
};

// Row 34 | open_or_recover() in src/store/recovery.cpp: the branch of Fault::damaged.
TEST_F(StoreRecovery, Fault34_ADamagedDatabaseIsMovedAsideAndTheLastBackupTakesItsPlace) {
    make();
    damage(path_);
    auto opened = open();
    ASSERT_TRUE(opened.recovered);
    EXPECT_NE(opened.recovered->why.find("is damaged"), std::string::npos);
    EXPECT_TRUE(fs::exists(opened.recovered->moved_to)) << "what is left may still be looked into";
    EXPECT_TRUE(has(*opened.store, 100));
    EXPECT_FALSE(has(*opened.store, 101)) << "the backup does not know it";
    close(opened);
    auto again = open();
    EXPECT_FALSE(again.recovered);
    EXPECT_TRUE(has(*again.store, 100));
    close(again);
}

TEST_F(StoreRecovery, Fault34_ABackupThatIsDamagedItselfIsPassedOver) {
    make();
    auto opened = open();
    auto newer = backup(*opened.store);
    close(opened);
    damage(newer);
    damage(path_);
    auto recovered = open();
    ASSERT_TRUE(recovered.recovered);
    EXPECT_NE(recovered.recovered->from, newer);
    EXPECT_TRUE(has(*recovered.store, 100));
    close(recovered);
}

TEST_F(StoreRecovery, Fault34_WithoutABackupTheDamagedFileIsLeftAsItIsAndTheCureIsNamed) {
    make();
    fs::remove_all(backups_);
    damage(path_);
    auto size = fs::file_size(path_);
    auto refused = store::open_or_recover(options());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("belay restore FILE"), std::string::npos);
    EXPECT_EQ(fs::file_size(path_), size);
    EXPECT_FALSE(fs::exists(store::laid_ready(path_)));
}

TEST_F(StoreRecovery, Fault34_ADatabaseThatIsGoneOrCutToNothingComesBackFromABackup) {
    make();
    for (bool cut : {false, true}) {
        if (cut)
            fs::resize_file(path_, 0);
        else
            fs::remove(path_);
        auto opened = open();
        EXPECT_TRUE(opened.recovered) << cut;
        EXPECT_TRUE(has(*opened.store, 100)) << cut;
        close(opened);
    }
}

TEST_F(StoreRecovery, Fault34_ACutFileIsDamagedToo) {
    make();
    fs::resize_file(path_, fs::file_size(path_) / 2);
    auto opened = open();
    EXPECT_TRUE(opened.recovered);
    EXPECT_TRUE(has(*opened.store, 100));
    close(opened);
}

// Row 34 | prepare() in src/store/database.cpp: Expected::content.
TEST_F(StoreRecovery, Fault34_ADatabaseThatIsEmptyAsItsLogIsDamagedComesBackFromABackup) {
    make();
    for (const std::string file : {"", "-wal"})
        fs::remove(path_ + file);
    execute(path_, "PRAGMA journal_mode = WAL");  // all that a first run writes outside of the log
    ASSERT_GT(fs::file_size(path_), 0U);
    auto opened = open();
    ASSERT_TRUE(opened.recovered);
    EXPECT_TRUE(has(*opened.store, 100));
    close(opened);
}

// Killed between moving the old file away and moving the new one in: put_in_place() in
// src/store/recovery.cpp, and that open_or_recover() looks for what is laid ready first.
TEST_F(StoreRecovery, AReplacementThatWasCutOffIsCompletedByTheNextStart) {
    make();
    auto backup = fs::directory_iterator(backups_)->path().string();
    ASSERT_TRUE(store::stage_restore(backup, path_));
    fs::rename(path_, path_ + ".aside-19700101T000000.000Z");
    auto opened = open();
    EXPECT_TRUE(opened.recovered);
    EXPECT_TRUE(has(*opened.store, 100));
    EXPECT_FALSE(has(*opened.store, 300));
    close(opened);
}

TEST_F(StoreRecovery, WhatARestoredRecordHoldsAsUnfinishedHasEndedAndNumbersGoOnFarAbove) {
    auto opened = open();
    auto ended = sample_deployment(1);
    ended.state = domain::State::healthy;
    auto unfinished = sample_deployment(2);
    unfinished.state = domain::State::baking;
    auto app = sample_app();
    app.name = unfinished.app;
    app.last_release = 12;
    ASSERT_TRUE(
        put(*opened.store,
            {ports::PutApp{app}, ports::PutDeployment{ended}, ports::PutDeployment{unfinished},
             ports::PutRefSeen{unfinished.app, "refs/heads/main", "c0ffee", at(1)},
             ports::PutRefSeen{"other", "refs/heads/main", "c0ffee", at(1)}}));
    auto file = backup(*opened.store);
    close(opened);
    ASSERT_TRUE(store::stage_restore(file, path_));
    auto restored = open();
    auto snapshot = run_task(loop_, restored.store->snapshot()).value();
    EXPECT_TRUE(snapshot.unfinished.empty()) << "it would be taken up over what is live now";
    EXPECT_GE(snapshot.last_deployment, 1'002);
    ASSERT_FALSE(snapshot.apps.empty());
    EXPECT_EQ(snapshot.apps.front().last_release, 1'012);
    auto cut = run_task(loop_, restored.store->deployment(DeploymentId{2})).value();
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->state, domain::State::failed);
    EXPECT_EQ(cut->failure.reason, domain::Reason::interrupted);
    EXPECT_EQ(run_task(loop_, restored.store->deployment(DeploymentId{1})).value()->state,
              domain::State::healthy);
    auto seen = [&](const char* name) {
        return run_task(loop_, restored.store->ref_seen(name, "refs/heads/main")).value();
    };
    EXPECT_FALSE(seen(unfinished.app.c_str())) << "polling must find that push again";
    EXPECT_TRUE(seen("other"));
    close(restored);
}

TEST_F(StoreRecovery, ABackupIsWholeWhileCommitsGoOnAndNobodyWaitsForAllOfIt) {
    auto opened = open();
    const std::string large(std::size_t{64} << 10, 'x');
    for (int i = 0; i < 200; ++i)  // 12 MiB: a dozen slices
        ASSERT_TRUE(put(*opened.store, {ports::PutConfig{"hash" + std::to_string(i), large}}));
    auto file = directory_ / "copy.db";
    async::TaskGroup tasks(loop_.get_executor());
    Result<void> made{Error{}};
    auto copy = [](ports::Store& store, std::string to, Result<void>& result) -> Task<void> {
        result = co_await store.backup(std::move(to));
    };
    int meanwhile = 0;
    auto write = [](ports::Store& store, const std::string& to, int& count) -> Task<void> {
        while (!fs::exists(to)) {
            std::vector<ports::Write> batch{ports::PutDeployment{sample_deployment(++count)}};
            auto done = co_await store.commit(std::move(batch));
            EXPECT_TRUE(done);
        }
    };
    tasks.spawn("copy", copy(*opened.store, file, made));
    tasks.spawn("write", write(*opened.store, file, meanwhile));
    run_task(loop_, tasks.join());
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_GT(meanwhile, 2) << "commits waited for the whole copy";
    EXPECT_TRUE(store::check_backup(file));
    EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_FALSE(fs::exists(file + "-wal"));
    EXPECT_FALSE(fs::exists(file + ".belay-partial"));
    auto refused = run_task(loop_, opened.store->backup(file));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict) << "a file is never overwritten";
    close(opened);
    ASSERT_TRUE(store::stage_restore(file, path_));
    auto restored = open();
    EXPECT_TRUE(run_task(loop_, restored.store->config("hash199")).value());
    close(restored);
}

TEST_F(StoreRecovery, WhatIsNoBackupIsRefusedAndTheDatabaseLeftAlone) {
    make();
    auto expect = [&](const std::string& file, Errc code, std::string_view word) {
        auto refused = store::stage_restore(file, path_);
        ASSERT_FALSE(refused) << file;
        EXPECT_EQ(refused.error().code, code) << refused.error().message;
        EXPECT_NE(refused.error().message.find(word), std::string::npos) << refused.error().message;
        EXPECT_NE(refused.error().message.find(file), std::string::npos) << refused.error().message;
        EXPECT_FALSE(fs::exists(store::laid_ready(path_)));
    };
    expect(directory_ / "none", Errc::not_found, "No such file");
    expect(directory_ / "backups", Errc::invalid, "no file");
    expect(path_, Errc::invalid, "the database itself");
    std::ofstream(directory_ / "text") << std::string(10'000, 'x');
    expect(directory_ / "text", Errc::invalid, "no database");
    std::ofstream(directory_ / "empty").close();
    expect(directory_ / "empty", Errc::invalid, "empty");
    execute(directory_ / "theirs", "CREATE TABLE theirs (a)");
    expect(directory_ / "theirs", Errc::conflict, "another program");
    fs::copy_file(path_, directory_ / "newer");
    execute(directory_ / "newer", "PRAGMA user_version = 99");
    expect(directory_ / "newer", Errc::conflict, "schema 99");
    fs::copy_file(path_, directory_ / "damaged");
    damage(directory_ / "damaged");
    expect(directory_ / "damaged", Errc::invalid, "damaged");
    auto opened = open();
    EXPECT_FALSE(opened.recovered);
    EXPECT_TRUE(has(*opened.store, 300));
    close(opened);
}

// Row 6 | keep_older() in src/store/database.cpp.
TEST_F(StoreRecovery, Fault06_ADatabaseIsKeptAsItWasBeforeItsSchemaIsBroughtUpToDate) {
    auto opened = open();
    close(opened);
    // The newest step again, which only remakes an index.
    execute(path_, "PRAGMA user_version = 4; CREATE INDEX deliveries_digest ON deliveries (app)");
    auto upgraded = open();
    close(upgraded);
    std::vector<std::string> kept;
    for (const auto& each : fs::directory_iterator(backups_))
        kept.push_back(each.path().filename());
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_TRUE(kept[0].starts_with("schema4-")) << kept[0];
    EXPECT_TRUE(store::check_backup(fs::path(backups_) / kept[0]));
}

TEST_F(StoreRecovery, OnlyTheNewestBackupsAreKept) {
    auto opened = open();
    std::vector<std::string> made;
    for (int i = 0; i < 4; ++i)
        made.push_back(backup(*opened.store));
    store::drop_old_backups(backups_, 2);
    EXPECT_FALSE(fs::exists(made[0]) || fs::exists(made[1]));
    EXPECT_TRUE(fs::exists(made[2]) && fs::exists(made[3]));
    EXPECT_TRUE(store::newest_backup(backups_));
    close(opened);
}

// Row 35 | Writer::end() in src/store/writer.cpp: the check of SameFile.
TEST_F(StoreRecovery, Fault32_ABackupOfATimeToComeIsOlderThanAnyOfTheTimeBefore) {
    const auto to_come = backups_ + "/belay-20990101T000000.000Z.db";
    auto opened = open();
    ASSERT_TRUE(put(*opened.store, {ports::PutDeployment{sample_deployment(1)}}));
    run_task(loop_, opened.store->backup(to_come)).value();
    ASSERT_TRUE(put(*opened.store, {ports::PutDeployment{sample_deployment(2)}}));
    auto recent = backup(*opened.store);
    close(opened);
    fs::remove(path_);
    auto again = open();
    ASSERT_TRUE(again.recovered);
    EXPECT_EQ(again.recovered->from, recent);
    EXPECT_TRUE(has(*again.store, 2));
    close(again);
    store::drop_old_backups(backups_, 1);
    EXPECT_FALSE(fs::exists(to_come));
    EXPECT_TRUE(fs::exists(recent));
}

TEST_F(StoreRecovery, Fault35_WhatWasCommittedCanBeSavedAfterTheFileWasRemoved) {
    for (const std::string file : {"", "-wal"}) {
        auto opened = open();
        ASSERT_TRUE(put(*opened.store, {ports::PutDeployment{sample_deployment(1)}}));
        fs::remove(path_ + file);
        EXPECT_FALSE(put(*opened.store, {ports::PutDeployment{sample_deployment(2)}}));
        ASSERT_EQ(told_, std::vector{store::Distrust::lost}) << file;
        told_.clear();
        ASSERT_TRUE(run_task(loop_, opened.store->backup(store::laid_ready(path_)))) << file;
        close(opened);
        auto again = open();
        EXPECT_TRUE(again.recovered);
        EXPECT_TRUE(has(*again.store, 1)) << file;
        EXPECT_FALSE(has(*again.store, 2)) << "it was refused";
        close(again);
    }
}

// Row 61 | Writer::give_up() in src/store/writer.cpp.
TEST_F(StoreRecovery, Fault61_AFailedSyncIsToldOnce) {
    FaultVfs vfs;
    auto opened = open();
    ASSERT_TRUE(put(*opened.store, {ports::PutDeployment{sample_deployment(1)}}));
    vfs.fail_log_sync = true;
    EXPECT_FALSE(put(*opened.store, {ports::PutDeployment{sample_deployment(2)}}));
    vfs.fail_log_sync = false;
    EXPECT_FALSE(put(*opened.store, {ports::PutDeployment{sample_deployment(3)}}));
    EXPECT_EQ(told_, std::vector{store::Distrust::unsound});
    close(opened);
}

// Row 24 | Writer::commit() in src/store/writer.cpp: reserve_.release().
TEST_F(StoreRecovery, Fault24_OnAFullDiskTheRecordGoesOnInTheRoomThatWasKeptForIt) {
    auto where = directory_ / "small";
    fs::create_directory(where);
    if (::mount("tmpfs", where.c_str(), "tmpfs", 0, "size=48m") != 0)
        GTEST_SKIP() << "mounting needs root";
    path_ = where + "/belay.db";
    {
        auto opened = open();
        ASSERT_TRUE(put(*opened.store, {ports::PutDeployment{sample_deployment(1)}}));
        ASSERT_TRUE(fs::exists(path_ + ".reserve"));
        // A build has filled the disk to the last byte.
        std::ofstream filler(where + "/filler", std::ios::binary);
        const std::string block(4'096, 'f');
        while (filler.write(block.data(), 4'096).flush()) {
        }
        const std::string large(std::size_t{64} << 10, 'x');
        for (int id = 2; id <= 30; ++id)
            ASSERT_TRUE(put(*opened.store, {ports::PutDeployment{sample_deployment(id)},
                                            ports::PutConfig{std::to_string(id), large}}))
                << id;
        EXPECT_FALSE(fs::exists(path_ + ".reserve"));
        close(opened);
        filler.close();
        fs::remove(where + "/filler");
        // With room again it is set aside again.
        auto later = open();
        ASSERT_TRUE(put(*later.store, {ports::PutDeployment{sample_deployment(31)}}));
        EXPECT_TRUE(fs::exists(path_ + ".reserve"));
        EXPECT_TRUE(has(*later.store, 30));
        close(later);
    }
    ::umount2(where.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace belay
