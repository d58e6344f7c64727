// Which files are opened, and what is said about the others.
#include "integration/store/child.hpp"
#include "integration/store/samples.hpp"
#include "support/run_task.hpp"
#include "support/temp_directory.hpp"

#include <belay/store/open.hpp>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/stat.h>

namespace belay {
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr uid_t kNobody = 65'534;

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Another program's view of the file. Leaves the log as it is.
void execute(const std::string& path, const std::string& sql) {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    char* problem = nullptr;
    EXPECT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, &problem), SQLITE_OK) << problem;
    sqlite3_free(problem);
    sqlite3_close(raw);
}

class StoreOpen : public testing::Test {
  protected:
    Result<std::unique_ptr<ports::Store>> open() {
        return store::open({path_, loop_.get_executor(), Millis(50)});
    }
    Error refusal() {
        auto opened = open();
        if (opened) {
            run_task(loop_, (*opened)->close());
            return Error{Errc::invalid, "it was opened"};
        }
        return opened.error();
    }
    // Leaves a database with a few hundred rows.
    void make() {
        auto store = open().value();
        std::vector<ports::Write> batch;
        for (int id = 1; id <= 300; ++id)
            batch.push_back(ports::PutDeployment{sample_deployment(id)});
        run_task(loop_, store->commit(std::move(batch))).value();
        run_task(loop_, store->close());
    }
    static bool says(const Error& error, const std::string& text) {
        return error.message.find(text) != std::string::npos;
    }

    TempDirectory directory_;
    std::string path_ = directory_ / "belay.db";
    boost::asio::io_context loop_;
};

TEST_F(StoreOpen, TheFileAndItsLogArePrivate) {
    auto former = ::umask(0);
    auto store = open().value();
    ::umask(former);
    for (const std::string file : {"", "-wal"}) {
        struct stat status{};
        ASSERT_EQ(::stat((path_ + file).c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0600U) << file;
    }
    run_task(loop_, store->close());
    EXPECT_FALSE(fs::exists(path_ + "-wal")) << "closing leaves one file";
}

TEST_F(StoreOpen, AFileThatOthersMayReadIsMadePrivate) {
    make();
    ::chmod(path_.c_str(), 0644);
    run_task(loop_, open().value()->close());
    EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(StoreOpen, ASecondStoreIsRefusedInThisAndInAnotherProcess) {
    auto store = open().value();
    auto error = refusal();
    EXPECT_EQ(error.code, Errc::conflict) << error.message;
    EXPECT_TRUE(says(error, path_) && says(error, "belay serve")) << error.message;
    Child child({"open", path_, "0"});
    EXPECT_EQ(child.line(), "conflict");
    EXPECT_TRUE(run_task(loop_, store->commit({ports::PutApp{sample_app()}})))
        << "the first goes on";
    run_task(loop_, store->close());
    EXPECT_TRUE(open());
}

// SQLite before 3.51.3 may lose commits where two connections share a log (wal.html, "the WAL-reset
// bug"): there is no second one, not even for reading, at any time that the store is open.
TEST_F(StoreOpen, Fault37_NobodyElseConnectsToTheRecordWhileItIsOpen) {
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    auto second = [&](const char* sql) {
        sqlite3* raw = nullptr;
        EXPECT_EQ(sqlite3_open_v2(path_.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
        const int code = sqlite3_exec(raw, sql, nullptr, nullptr, nullptr);
        sqlite3_close(raw);
        return code;
    };
    EXPECT_EQ(second("SELECT count(*) FROM apps"), SQLITE_BUSY);
    ASSERT_TRUE(run_task(loop_, (*opened)->commit({ports::PutApp{sample_app()}})));
    EXPECT_EQ(second("SELECT count(*) FROM apps"), SQLITE_BUSY);
    EXPECT_EQ(second("PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_BUSY);
    run_task(loop_, (*opened)->close());
    EXPECT_EQ(second("SELECT count(*) FROM apps"), SQLITE_OK);
}

TEST_F(StoreOpen, ANewerSchemaIsRefusedAndTheFileLeftAsItIs) {
    make();
    // In the log, not yet in the file: as a killed newer daemon would leave it.
    execute(path_,
            "PRAGMA user_version = 99; UPDATE meta SET value = '7.8.9' WHERE name = 'belay'");
    ::chmod(path_.c_str(), 0640);
    auto file = content(path_);
    auto log = content(path_ + "-wal");
    ASSERT_FALSE(log.empty());
    auto error = refusal();
    EXPECT_EQ(error.code, Errc::conflict);
    EXPECT_TRUE(says(error, "schema 99") && says(error, "schemas up to ") &&
                says(error, BELAY_VERSION) && says(error, "install belay >= 7.8.9") &&
                says(error, "restore"))
        << error.message;
    EXPECT_EQ(content(path_), file);
    EXPECT_EQ(content(path_ + "-wal"), log);
    EXPECT_NE(fs::status(path_).permissions() & fs::perms::group_read, fs::perms::none);
}

TEST_F(StoreOpen, ADamagedPageIsFound) {
    make();
    auto size = fs::file_size(path_);
    ASSERT_GT(size, 20'000U);
    // One page in the middle, which no question that starting asks would come across.
    constexpr std::uintmax_t kPage = 4'096;
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>((size / kPage - 5) * kPage));
    for (std::uintmax_t i = 0; i < kPage; ++i)
        file.put(static_cast<char>(i * 7 % 251));
    file.close();
    auto error = refusal();
    EXPECT_EQ(error.code, Errc::internal);
    EXPECT_TRUE(says(error, path_ + " is damaged") && says(error, "restore")) << error.message;
}

TEST_F(StoreOpen, AFileThatIsNoDatabaseIsDamaged) {
    std::ofstream(path_) << std::string(5'000, 'x');
    auto error = refusal();
    EXPECT_EQ(error.code, Errc::internal);
    EXPECT_TRUE(says(error, "is damaged") && says(error, "not a database")) << error.message;
    EXPECT_EQ(content(path_), std::string(5'000, 'x'));
}

TEST_F(StoreOpen, AnotherProgramsDatabaseIsRefused) {
    execute(path_, "CREATE TABLE theirs (a)");
    auto error = refusal();
    EXPECT_EQ(error.code, Errc::conflict);
    EXPECT_TRUE(says(error, "another program")) << error.message;
}

TEST_F(StoreOpen, AMissingDirectoryAndADirectoryInTheFilesPlaceAreNamed) {
    path_ = directory_ / "missing/belay.db";
    EXPECT_EQ(refusal().code, Errc::not_found);
    EXPECT_TRUE(says(refusal(), path_));
    path_ = directory_ / "folder";
    fs::create_directory(path_);
    EXPECT_EQ(refusal().code, Errc::invalid);
    EXPECT_TRUE(says(refusal(), path_));
}

TEST_F(StoreOpen, AReadOnlyDirectoryIsForbidden) {
    auto as = ::geteuid() == 0 ? kNobody : 0;  // root may write anywhere
    auto folder = directory_ / "state";
    fs::create_directory(folder);
    make();
    fs::copy_file(path_, folder + "/belay.db");
    if (as != 0) {
        ASSERT_EQ(::chown(folder.c_str(), as, as), 0);
        ASSERT_EQ(::chown((folder + "/belay.db").c_str(), as, as), 0);
        ::chmod(directory_.path().c_str(), 0755);
    }
    ::chmod(folder.c_str(), 0500);
    for (const std::string file : {"/new.db", "/belay.db"}) {
        Child child({"open", folder + file, std::to_string(as)});
        EXPECT_EQ(child.line(), "forbidden") << file;
        auto message = child.line();
        EXPECT_NE(message.find(folder + file), std::string::npos) << message;
    }
    ::chmod(folder.c_str(), 0700);
    ::chmod((folder + "/belay.db").c_str(), 0400);
    Child child({"open", folder + "/belay.db", std::to_string(as)});
    EXPECT_EQ(child.line(), "forbidden") << child.line();
}

TEST_F(StoreOpen, AWordThatIsNotKnownIsAnErrorThatNamesItsPlace) {
    make();
    execute(path_, "UPDATE deployments SET state = 'teleporting' WHERE id = 2");
    auto store = open().value();
    EXPECT_TRUE(run_task(loop_, store->deployment(DeploymentId{1})).value());
    for (const auto& failed : {run_task(loop_, store->deployment(DeploymentId{2})).error(),
                               run_task(loop_, store->deployments("", {5, 50})).error()}) {
        EXPECT_EQ(failed.code, Errc::internal);
        EXPECT_TRUE(says(failed, "deployments") && says(failed, "state") &&
                    says(failed, "teleporting"))
            << failed.message;
    }
    EXPECT_TRUE(run_task(loop_, store->commit({ports::PutApp{sample_app()}}))) << "writing goes on";
    run_task(loop_, store->close());
}

TEST_F(StoreOpen, AStoreThatIsDroppedWhileCommitsWaitLeavesASoundFile) {
    {
        boost::asio::io_context loop;
        auto store = store::open({path_, loop.get_executor(), Millis(50)}).value();
        for (int id = 1; id <= 20; ++id)
            boost::asio::co_spawn(loop,
                                  store->commit({ports::PutDeployment{sample_deployment(id)}}),
                                  [](const std::exception_ptr&, const auto&) {});
        loop.run_one();
        store.reset();
    }
    auto store = open().value();
    run_task(loop_, store->close());
}

TEST_F(StoreOpen, ClosingCommitsWhatWaits) {
    auto store = open().value();
    for (int id = 1; id <= 20; ++id)
        boost::asio::co_spawn(
            loop_, store->commit({ports::PutDeployment{sample_deployment(id)}}),
            [](const std::exception_ptr&, const auto& result) { EXPECT_TRUE(result); });
    loop_.poll();
    run_task(loop_, store->close());
    store = open().value();
    EXPECT_EQ(run_task(loop_, store->deployments("", {})).value().size(), 20U);
    run_task(loop_, store->close());
}

TEST_F(StoreOpen, TellsOfEachCommitHowLongItsCallerWaitedAndWhatCameOfIt) {
    store::StoreOptions options{path_, loop_.get_executor(), Millis(50)};
    std::vector<std::optional<Errc>> told;
    double waited = 0;
    options.on_commit = [&](std::chrono::duration<double> took,
                            const Result<ports::Committed>& result) {
        told.push_back(result ? std::nullopt : std::optional(result.error().code));
        waited += took.count();
    };
    auto store = store::open(std::move(options)).value();
    const auto began = std::chrono::steady_clock::now();
    run_task(loop_, store->commit({ports::PutDeployment{sample_deployment(1)}})).value();
    domain::Stage orphan;
    orphan.deployment = DeploymentId{99};
    EXPECT_TRUE(run_task(loop_, store->commit({ports::PutStage{orphan}})).has_error());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(told, (std::vector<std::optional<Errc>>{std::nullopt, Errc::not_found}));
    EXPECT_GT(waited, 0);
    EXPECT_LE(waited, took.count());
    run_task(loop_, store->close());
}

}  // namespace
}  // namespace belay
