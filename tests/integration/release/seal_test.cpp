#include "world.hpp"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <release/sealing.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

namespace belay::release {
namespace {

using Seal = World;
using domain::Reason;
using ports::Check;

TEST_F(Seal, MakesAReleaseReadOnlyAndOurs) {
    auto directory = prepare(1);
    write(directory / "bin/app", "#!/bin/sh\n", 04775);
    write(directory / "lib/data", "12345", 0600);
    fs::create_symlink("/usr/bin/python3", directory / "bin/python");
    fs::create_directory(directory / "empty");
    auto manifest = seal(job(1));
    EXPECT_EQ(manifest.files, 2);
    EXPECT_EQ(manifest.bytes, 15);
    EXPECT_EQ(manifest.directory, directory);
    EXPECT_EQ(status_of(directory / "bin/app").st_mode & 07777, 0555u);
    EXPECT_EQ(status_of(directory / "lib/data").st_mode & 07777, 0440u);
    EXPECT_EQ(status_of(directory / "lib").st_mode & 07777, 0550u);
    EXPECT_EQ(status_of(directory).st_mode & 07777, 0550u);
    EXPECT_EQ(status_of(directory / "bin/app").st_uid, ::geteuid());
    EXPECT_EQ(status_of(directory / "bin/python").st_uid, ::geteuid());
    auto group = users.separate() ? static_cast<gid_t>(users.run) : ::getegid();
    EXPECT_EQ(status_of(directory / "lib/data").st_gid, group);
    EXPECT_EQ(fs::read_symlink(directory / "bin/python"), "/usr/bin/python3");
    auto stored = run(releases->manifest("shop", 1));
    ASSERT_TRUE(stored && *stored);
    EXPECT_TRUE(**stored == manifest);
    EXPECT_EQ(verify(1, Check::full), "");
}

TEST_F(Seal, RemovesWhatTheTestsAdded) {
    auto directory = prepare(1);
    write(directory / "app", "x");
    auto mark = run(releases->mark("shop", 1));
    ASSERT_TRUE(mark);
    write(directory / "coverage/deep/report", "y");
    write(directory / "app.log", "z");
    ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
    fs::create_symlink("/etc", directory / "link");
    auto what = job(1);
    what.before_tests = *mark;
    EXPECT_EQ(seal(what).files, 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 1);
    EXPECT_TRUE(fs::exists("/etc/passwd"));
    EXPECT_FALSE(fs::exists(mark->digest_file));
}

TEST_F(Seal, NamesWhatTheTestsChangedOrRemoved) {
    auto directory = prepare(1);
    write(directory / "kept", "x");
    write(directory / "gone", "x");
    write(directory / "grown", "x");
    write(directory / "swapped", "abc");
    write(directory / "mode", "x");
    write(directory / "touched", "same");
    write(directory / "becomes/file", "x");
    fs::create_symlink("a", directory / "link");
    auto mark = run(releases->mark("shop", 1));
    ASSERT_TRUE(mark);
    fs::remove(directory / "gone");
    write(directory / "grown", "xx");
    auto time = fs::last_write_time(directory / "swapped");
    write(directory / "swapped", "xyz");
    fs::last_write_time(directory / "swapped", time);  // same size, same mtime: only ctime tells
    ::chmod((directory / "mode").c_str(), 0755);
    write(directory / "touched", "same");
    fs::remove_all(directory / "becomes");
    write(directory / "becomes", "x");
    fs::remove(directory / "link");
    fs::create_symlink("b", directory / "link");
    auto what = job(1);
    what.before_tests = *mark;
    auto failure = seal_failure(what);
    EXPECT_EQ(failure.reason, Reason::artifact_changed);
    const auto& text = failure.error.message;
    for (const char* name :
         {"grown (changed)", "swapped (changed)", "mode (changed)", "becomes (changed)",
          "link (changed)", "gone (removed)", "becomes/file (removed)"})
        EXPECT_NE(text.find(name), std::string::npos) << name << " in " << text;
    EXPECT_EQ(text.find("touched"), std::string::npos) << text;
    EXPECT_EQ(text.find("kept"), std::string::npos) << text;
    EXPECT_FALSE(*run(releases->manifest("shop", 1)));
}

TEST_F(Seal, NamesAtMostTenOfThem) {
    auto directory = prepare(1);
    for (int i = 0; i < 25; ++i)
        write(directory / std::to_string(100 + i), "x");
    auto mark = run(releases->mark("shop", 1));
    for (int i = 0; i < 25; ++i)
        fs::remove(directory / std::to_string(100 + i));
    auto what = job(1);
    what.before_tests = *mark;
    EXPECT_NE(seal_failure(what).error.message.find("109 (removed) and 15 more"),
              std::string::npos);
}

TEST_F(Seal, LetsTheTestsUseWhatIsWritable) {
    auto directory = prepare(1);
    write(directory / "log/test.log", "x");
    auto mark = run(releases->mark("shop", 1));
    write(directory / "log/test.log", "xyz");
    auto what = job(1);
    what.before_tests = *mark;
    what.writable = {"log/"};
    seal(what);
}

TEST_F(Seal, ShipsOnlyWhatIsAsked) {
    auto directory = prepare(1);
    write(directory / "dist/a/b.js", "x");
    write(directory / "src/a.ts", "x");
    write(directory / "dist/.git/config", "x");
    write(directory / "package.json", "x");
    auto what = job(1);
    what.ship = {"dist", "*.json"};
    EXPECT_EQ(seal(what).files, 2);
    EXPECT_TRUE(fs::exists(directory / "dist/a/b.js"));
    EXPECT_FALSE(fs::exists(directory / "src"));
    EXPECT_FALSE(fs::exists(directory / "dist/.git"));
}

TEST_F(Seal, RefusesFifosSocketsAndDevices) {
    auto directory = prepare(1);
    ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0644), 0);
    auto failure = seal_failure(job(1));
    EXPECT_EQ(failure.reason, Reason::seal_failed);
    EXPECT_NE(failure.error.message.find("pipe"), std::string::npos);
}

TEST_F(Seal, SeedsSharedOnceAndLinksIt) {
    auto directory = prepare(1);
    write(directory / "storage/deep/a", "first");
    write(directory / "config/db.yml", "first", 0400);
    auto what = job(1);
    what.shared = {"storage", "config/db.yml", "fresh/one"};
    seal(what);
    auto shared = state.path() / "shared/shop";
    EXPECT_EQ(read(shared / "storage/deep/a"), "first");
    EXPECT_TRUE(fs::is_directory(shared / "fresh/one"));
    EXPECT_EQ(fs::read_symlink(directory / "storage"), shared / "storage");
    EXPECT_EQ(read(directory / "config/db.yml"), "first");
    for (const char* part :
         {"storage", "storage/deep/a", "config", "config/db.yml", "fresh", "fresh/one"})
        EXPECT_EQ(status_of(shared / part).st_uid, static_cast<uid_t>(run_uid())) << part;
    EXPECT_EQ(status_of(shared / "config/db.yml").st_mode & 0777, 0600u);

    write(shared / "storage/upload", "kept");
    auto second = prepare(2);
    write(second / "storage/deep/a", "second");
    what.manifest.number = 2;
    seal(what);
    EXPECT_EQ(read(second / "storage/deep/a"), "first");
    EXPECT_EQ(read(second / "storage/upload"), "kept");
    EXPECT_EQ(verify(2, Check::full), "");
}

TEST_F(Seal, FollowsNoLinkOnTheWayToSharedOrWritable) {
    test::TempDirectory outside;
    for (const char* kind : {"shared", "writable"}) {
        auto directory = prepare(1);
        fs::create_symlink(outside.path(), directory / "a");
        auto what = job(1);
        (std::string(kind) == "shared" ? what.shared : what.writable) = {"a/b"};
        EXPECT_EQ(seal_failure(what).reason, Reason::seal_failed) << kind;
        EXPECT_TRUE(fs::is_empty(outside.path())) << kind;
    }
    auto directory = prepare(1);
    fs::create_symlink(outside.path(), directory / "a");
    auto what = job(1);
    what.writable = {"a"};
    seal_failure(what);
    EXPECT_EQ(status_of(outside.path()).st_uid, ::geteuid());
}

TEST_F(Seal, RefusesPathsOutOfTheRelease) {
    prepare(1);
    for (const char* path : {"../x", "/etc", "a/../../b", "", "."}) {
        auto what = job(1);
        what.shared = {path};
        EXPECT_EQ(seal_failure(what).reason, Reason::seal_failed) << path;
        what.shared = {};
        what.writable = {path};
        EXPECT_EQ(seal_failure(what).reason, Reason::seal_failed) << path;
    }
}

TEST_F(Seal, GivesWritableToTheRunUser) {
    auto directory = prepare(1);
    write(directory / "tmp/cache/x", "x", 0444);
    auto what = job(1);
    what.writable = {"tmp", "made/later"};
    seal(what);
    for (const char* part : {"tmp", "tmp/cache", "tmp/cache/x", "made/later"}) {
        auto status = status_of(directory / part);
        EXPECT_EQ(status.st_uid, static_cast<uid_t>(run_uid())) << part;
        EXPECT_TRUE(status.st_mode & 0200) << part;
    }
    EXPECT_EQ(status_of(directory / "made").st_mode & 0222, 0u);
    write(directory / "tmp/new", "by the app");
    EXPECT_EQ(verify(1, Check::full), "");
}

TEST_F(Seal, CutsHardLinks) {
    auto directory = prepare(1);
    write(state.path() / "cache/file", "content");
    fs::create_directories(directory / "a");
    fs::create_hard_link(state.path() / "cache/file", directory / "a/file");
    fs::create_hard_link(state.path() / "cache/file", directory / "again");
    auto before = status_of(state.path() / "cache/file");
    seal(job(1));
    write(state.path() / "cache/file", "poison!");
    EXPECT_EQ(status_of(state.path() / "cache/file").st_uid, before.st_uid);
    EXPECT_EQ(read(directory / "a/file"), "content");
    EXPECT_EQ(read(directory / "again"), "content");
    EXPECT_EQ(verify(1, Check::full), "");
}

TEST_F(Seal, TakesWhatTheBuildClosedToItself) {
    auto directory = prepare(1);
    write(directory / "a/secret", "x", 0000);
    ::chmod((directory / "a").c_str(), 0000);
    seal(job(1));
    EXPECT_EQ(status_of(directory / "a/secret").st_mode & 0777, 0440u);
}

TEST_F(Seal, KeepsEnvironmentsForUsAlone) {
    prepare(1);
    auto what = job(1);
    what.environments = {{"web", {{"TOKEN", "s3cret\xff"}}}, {"release", {}}};
    seal(what);
    auto file = state.path() / "secrets/shop/1/web.env";
    EXPECT_EQ(status_of(file).st_mode & 0777, 0600u);
    EXPECT_EQ(status_of(file.parent_path()).st_mode & 0777, 0700u);
    auto back = run(releases->environment("shop", 1, "web"));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, what.environments[0].second);
    EXPECT_EQ(run(releases->environment("shop", 1, "none")).error().code, Errc::not_found);
    EXPECT_EQ(run(releases->environment("shop", 1, "../2/web")).error().code, Errc::invalid);
    EXPECT_EQ(read(state.path() / "releases/shop/1.json").find("s3cret"), std::string::npos);
}

TEST_F(Seal, RefusesATreeThatIsTooDeep) {
    auto directory = prepare(1);
    auto path = directory;
    for (int i = 0; i < kMaxDepth + 2; ++i)
        fs::create_directory(path /= "d");
    auto failure = seal_failure(job(1));
    EXPECT_NE(failure.error.message.find("directories deep"), std::string::npos);
}

// The process ends at each step in turn, as by kill -9: there is no release then, and a new attempt
// makes one.
TEST_F(Seal, ADeathBetweenStepsLeavesNoRelease) {
    for (const char* at : {"open", "mark", "undo_tests", "ship", "shared", "writable", "protect",
                           "environments", "list", "sync", "manifest"}) {
        auto directory = prepare(1);
        write(directory / "app", "x");
        write(directory / "storage/seed", "x");
        auto mark = run(releases->mark("shop", 1));
        ASSERT_TRUE(mark);
        write(directory / "added", "x");
        auto what = job(1);
        what.before_tests = *mark;
        what.shared = {"storage"};
        what.writable = {"tmp"};
        what.environments = {{"web", {{"A", "b"}}}};
        Layout layout(state.path().string());
        auto child = ::fork();
        if (child == 0) {
            Sealing(layout, what, [at](std::string_view step) {
                if (step == at) ::_exit(7);
            }).run();
            ::_exit(0);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << at;
        auto manifest = run(releases->manifest("shop", 1));
        ASSERT_TRUE(manifest) << at;
        EXPECT_FALSE(*manifest) << at;
        EXPECT_EQ(*run(releases->list("shop")), std::vector<ReleaseNumber>{1}) << at;
    }
    auto directory = prepare(1);
    write(directory / "app", "x");
    write(directory / "storage/seed", "x");
    auto what = job(1);
    what.shared = {"storage"};
    EXPECT_EQ(seal(what).files, 1);
    EXPECT_EQ(read(directory / "storage/seed"), "x");
    EXPECT_EQ(verify(1, Check::full), "");
}

// The figures for 20,000 files: BELAY_BENCH=1. Making so many takes far longer than sealing them.
TEST_F(Seal, TimesAManyFileRelease) {
    const int count = std::getenv("BELAY_BENCH") ? 20'000 : 1'000;
    auto directory = prepare(1);
    for (int i = 0; i < count; ++i)
        write(directory / std::to_string(i / 100) / std::to_string(i),
              std::string(3'000, 'x') + std::to_string(i));
    using Clock = std::chrono::steady_clock;
    auto timed = [](const char* what, auto&& call) {
        auto from = Clock::now();
        call();
        auto took = std::chrono::duration_cast<Millis>(Clock::now() - from);
        std::cout << what << ": " << took.count() << " ms\n";
        return took;
    };
    std::optional<ports::TreeMark> mark;
    timed("mark", [&] { mark = *run(releases->mark("shop", 1)); });
    auto what = job(1);
    what.before_tests = mark;
    timed("seal", [&] { EXPECT_EQ(seal(what).files, count); });
    timed("quick check", [&] { EXPECT_EQ(verify(1, Check::quick), ""); });
    timed("full check", [&] { EXPECT_EQ(verify(1, Check::full), ""); });
    prepare(2);
    timed("copy", [&] { EXPECT_TRUE(run(releases->copy("shop", 1, 2, users))); });
    timed("seal of the copy", [&] { seal(job(2)); });
    EXPECT_EQ(verify(2, Check::full), "");
}

}  // namespace
}  // namespace belay::release
