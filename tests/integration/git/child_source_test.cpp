#include "support/git_server.hpp"
#include "support/run_task.hpp"

#include <belay/async/timers.hpp>
#include <belay/git/child_source.hpp>

#include <gmock/gmock.h>

#include <chrono>

namespace belay::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using Clock = std::chrono::steady_clock;

struct ChildSource : ::testing::Test {
    TemporaryDirectory directory;
    GitRepository repository{directory.path(), "shop"};
    boost::asio::io_context loop{1};
    std::unique_ptr<ports::Source> source =
        git::make_child_source(loop.get_executor(), {BELAY_STAGE_WORKER, BELAY_SHIM_PATH});
    std::string commit = repository.commit_file("a", "1");

    ChildSource() { repository.push(); }

    ports::FetchJob job(const std::string& url) const {
        ports::FetchJob job;
        job.child.app = "shop";
        job.child.log = directory / "fetch.log";
        job.child.timeout = std::chrono::seconds(20);
        job.access.url = url;
        job.access.allow = {"file", "git", "http", "ssh"};
        job.mirror = directory / "mirror";
        job.wanted.branch = "main";
        return job;
    }
    ports::ExportJob export_job() const {
        ports::ExportJob job;
        job.child.timeout = std::chrono::seconds(20);
        job.mirror = directory / "mirror";
        job.repository = repository.bare().string();
        job.commit = commit;
        job.into = directory / "release";
        fs::create_directory(job.into);
        return job;
    }
    auto fetch(ports::FetchJob job, async::Cancel cancel = async::Cancel()) {
        return run_task(loop, source->fetch(std::move(job), cancel));
    }
    std::string log() const {
        std::ifstream stream(directory / "fetch.log");
        return std::string(std::istreambuf_iterator<char>(stream), {});
    }
};

TEST_F(ChildSource, FetchesListsComparesAndLaysOut) {
    auto fetched = fetch(job(repository.bare().string()));
    ASSERT_TRUE(fetched.has_value()) << fetched.error().message;
    EXPECT_EQ(fetched->commit, commit);
    EXPECT_THAT(log(), HasSubstr(commit));
    auto exported = run_task(loop, source->export_tree(export_job(), async::Cancel()));
    ASSERT_TRUE(exported.has_value()) << exported.error().message;
    EXPECT_EQ(exported->files, 1u);
    ports::TipsJob tips;
    tips.access = job(repository.bare().string()).access;
    tips.branch = "main";
    auto listed = run_task(loop, source->tips(tips, async::Cancel()));
    ASSERT_TRUE(listed.has_value()) << listed.error().message;
    EXPECT_EQ(listed->at(0), (ports::Tip{"refs/heads/main", commit}));
    ports::ChangesJob changes;
    changes.mirror = directory / "mirror";
    changes.from = commit;
    changes.to = commit;
    auto compared = run_task(loop, source->changed_paths(changes, async::Cancel()));
    ASSERT_TRUE(compared.has_value()) << compared.error().message;
    EXPECT_TRUE(compared->paths.empty());
}

TEST_F(ChildSource, ReadsKeyAndKnownHostsForTheChild) {
    SshServer server(directory / "ssh");
    auto wanted = job(server.url(repository.bare()));
    wanted.access.key_file = server.file("client");
    wanted.access.known_hosts = {directory / "missing", directory / "known_hosts"};
    std::ofstream(directory / "known_hosts") << server.host_line();
    auto fetched = fetch(wanted);
    EXPECT_TRUE(fetched.has_value()) << fetched.error().message;
    wanted.access.key_file = directory / "missing";
    auto without = fetch(wanted);
    ASSERT_FALSE(without.has_value());
    EXPECT_EQ(without.error().reason, ports::SourceReason::auth_failed);
}

TEST_F(ChildSource, SilentServerEndsInATimeoutInTime) {
    StallingServer server(0, 0);
    auto wanted = job(fmt::format("git://127.0.0.1:{}/shop.git", server.port()));
    wanted.child.timeout = std::chrono::milliseconds(300);
    auto start = Clock::now();
    auto fetched = fetch(wanted);
    ASSERT_FALSE(fetched.has_value());
    EXPECT_EQ(fetched.error().reason, ports::SourceReason::fetch_timeout);
    EXPECT_TRUE(fetched.error().transient);
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
}

TEST_F(ChildSource, CancelEndsAFetchThatWaits) {
    StallingServer server(0, 0);
    auto wanted = job(fmt::format("git://127.0.0.1:{}/shop.git", server.port()));
    async::Cancel cancel;
    auto timers = async::make_timers(loop.get_executor());
    auto later = timers->after(std::chrono::milliseconds(200), [&] { cancel.request(); });
    auto start = Clock::now();
    auto fetched = fetch(wanted, cancel);
    ASSERT_FALSE(fetched.has_value());
    EXPECT_EQ(fetched.error().reason, ports::SourceReason::canceled);
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
    EXPECT_EQ(fetch(wanted, cancel).error().reason, ports::SourceReason::canceled);
}

TEST_F(ChildSource, HelperThatDiesIsAnErrorOfItsOwn) {
    auto broken = git::make_child_source(loop.get_executor(), {"/bin/false", BELAY_SHIM_PATH});
    auto fetched = run_task(loop, broken->fetch(job(repository.bare().string()), async::Cancel()));
    ASSERT_FALSE(fetched.has_value());
    EXPECT_EQ(fetched.error().reason, ports::SourceReason::internal);
    EXPECT_THAT(fetched.error().message, HasSubstr("without a result"));
}

TEST_F(ChildSource, MirrorDamagedAtAnExportIsMadeAnewByTheNextFetch) {
    ASSERT_TRUE(fetch(job(repository.bare().string())).has_value());
    auto blob = repository.git({"rev-parse", "HEAD:a"});
    auto object = directory.path() / "mirror/objects" / blob.substr(0, 2) / blob.substr(2);
    fs::remove(object);
    std::ofstream(object) << "damaged";
    auto broken = run_task(loop, source->export_tree(export_job(), async::Cancel()));
    ASSERT_FALSE(broken.has_value());
    EXPECT_TRUE(broken.error().transient);
    ASSERT_TRUE(fetch(job(repository.bare().string())).has_value());
    fs::remove_all(directory / "release");
    auto exported = run_task(loop, source->export_tree(export_job(), async::Cancel()));
    EXPECT_TRUE(exported.has_value()) << exported.error().message;
}

// Without the right to change uid the same jobs run as ourselves: the tests above.
TEST_F(ChildSource, FetchesAsOneUserAndLaysOutAsAnotherWhoMayOnlyRead) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "needs root; a daemon without it runs all as itself, as tested above";
    constexpr uid_t fetcher = 52'000;
    constexpr uid_t builder = 52'001;
    fs::create_directory(directory / "git");
    auto wanted = job(repository.bare().string());
    wanted.mirror = directory / "git/shop.git";
    wanted.child.user = ports::SourceUser{fetcher, fetcher, {}};
    auto fetched = fetch(wanted);
    ASSERT_TRUE(fetched.has_value()) << fetched.error().message;
    struct stat status{};
    ASSERT_EQ(::stat((wanted.mirror / "HEAD").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, fetcher);
    ASSERT_EQ(::stat(wanted.mirror.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0750u);
    auto laying_out = export_job();
    laying_out.mirror = wanted.mirror;
    laying_out.child.user = ports::SourceUser{builder, builder, {}};
    ASSERT_EQ(::chown(laying_out.into.c_str(), builder, builder), 0);
    auto exported = run_task(loop, source->export_tree(laying_out, async::Cancel()));
    ASSERT_TRUE(exported.has_value()) << exported.error().message;
    ASSERT_EQ(::stat((laying_out.into / "a").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, builder);
}

TEST_F(ChildSource, SourceThatTheUserMayNotReadIsNamed) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root; a daemon without it has one user only";
    fs::create_directory(directory / "git");
    fs::permissions(repository.bare(), fs::perms(0700));
    auto wanted = job(repository.bare().string());
    wanted.mirror = directory / "git/shop.git";
    wanted.child.user = ports::SourceUser{52'000, 52'000, {}};
    auto fetched = fetch(wanted);
    ASSERT_FALSE(fetched.has_value());
    EXPECT_THAT(fetched.error().message, HasSubstr("Permission denied (uid 52000)"));
}

}  // namespace
}  // namespace belay::test
