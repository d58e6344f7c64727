#include "world.hpp"

namespace belay::release {
namespace {

using ports::Check;
using Releases = World;

domain::LiveManifest live_of(std::string app) {
    domain::LiveManifest live;
    live.app = std::move(app);
    live.epoch = 3;
    live.stable.emplace().number = 4;
    return live;
}

TEST_F(Releases, PreparesAnEmptyDirectoryOfTheBuildUser) {
    auto directory = prepare(3);
    write(directory / "left/over", "x");
    write(state.path() / "releases/shop/3.mark", "x");
    directory = prepare(3);
    EXPECT_TRUE(fs::is_empty(directory));
    EXPECT_FALSE(fs::exists(state.path() / "releases/shop/3.mark"));
    if (!users.separate()) return;
    EXPECT_EQ(status_of(directory).st_uid, static_cast<uid_t>(users.build));
    EXPECT_EQ(status_of(directory).st_gid, static_cast<gid_t>(users.run));
    EXPECT_EQ(status_of(directory).st_mode & 07777, 0750u);
    EXPECT_EQ(status_of(directory.parent_path()).st_uid, 0u);
    EXPECT_EQ(status_of(directory.parent_path()).st_mode & 07777, 0750u);
}

TEST_F(Releases, NeverPreparesWhatIsSealed) {
    auto directory = prepare(1);
    write(directory / "app", "x");
    seal(job(1));
    EXPECT_EQ(run(releases->prepare("shop", 1, users)).error().code, Errc::conflict);
    EXPECT_EQ(seal_failure(job(1)).error.code, Errc::conflict);
    EXPECT_EQ(verify(1, Check::full), "");
}

TEST_F(Releases, ListsNumbersOnly) {
    EXPECT_TRUE(run(releases->list("shop"))->empty());
    prepare(2);
    prepare(10);
    write(prepare(1) / "app", "x");
    seal(job(1));
    ASSERT_TRUE(run(releases->set_current("shop", 1)));
    write(state.path() / "releases/shop/.9.json.tmp", "x");
    write(state.path() / "releases/shop/7.json", "x");
    write(state.path() / "releases/shop/012", "x");
    EXPECT_EQ(*run(releases->list("shop")), (std::vector<ReleaseNumber>{1, 2, 7, 10}));
}

TEST_F(Releases, TellsWhatDiffersFromTheSeal) {
    auto directory = prepare(1);
    write(directory / "lib/a", "12345");
    write(directory / "lib/b", "12345");
    fs::create_symlink("a", directory / "lib/link");
    seal(job(1));
    ::chmod((directory / "lib").c_str(), 0750);
    auto file = directory / "lib/a";
    auto time = fs::last_write_time(file);

    ::chmod(file.c_str(), 0640);
    EXPECT_NE(verify(1, Check::quick).find("lib/a (changed)"), std::string::npos);
    std::ofstream(file) << "54321";
    fs::last_write_time(file, time);
    ::chmod(file.c_str(), 0444);
    EXPECT_EQ(verify(1, Check::quick), "");  // same size, mode and mtime: only the hash tells
    EXPECT_NE(verify(1, Check::full).find("lib/a (changed)"), std::string::npos);

    fs::remove(directory / "lib/b");
    EXPECT_NE(verify(1, Check::quick).find("lib/b (missing)"), std::string::npos);
    write(directory / "lib/evil", "x");
    EXPECT_NE(verify(1, Check::quick).find("lib/evil (added)"), std::string::npos);
    fs::remove(directory / "lib/link");
    fs::create_symlink("b", directory / "lib/link");
    EXPECT_NE(verify(1, Check::quick).find("lib/link (changed)"), std::string::npos);

    ASSERT_TRUE(sys::remove_tree(directory));
    EXPECT_NE(verify(1, Check::quick).find("is gone"), std::string::npos);
    EXPECT_EQ(run(releases->verify("shop", 1, Check::quick)).error().code, Errc::conflict);
}

TEST_F(Releases, TrustsNoListThatWasNotSealed) {
    write(prepare(1) / "app", "x");
    seal(job(1));
    write(state.path() / "releases/shop/1.files", "belay-files 1\n");
    EXPECT_NE(verify(1, Check::quick).find("not the list that was sealed"), std::string::npos);
}

TEST_F(Releases, TellsAMissingManifestFromATornOne) {
    EXPECT_FALSE(*run(releases->manifest("shop", 1)));
    write(state.path() / "releases/shop/1.json", "{\"schema\"");
    EXPECT_EQ(run(releases->manifest("shop", 1)).error().code, Errc::invalid);
    write(state.path() / "releases/shop/1.json", R"({"schema": 99})");
    EXPECT_EQ(run(releases->manifest("shop", 1)).error().code, Errc::conflict);
}

TEST_F(Releases, CopiesWhatWasSealed) {
    auto directory = prepare(1);
    write(directory / "bin/app", "x", 0755);
    write(directory / "tmp/cache", "built");
    write(directory / "storage/a", "seed");
    fs::create_symlink("app", directory / "bin/link");
    fs::create_directory(directory / "empty");
    auto what = job(1);
    what.writable = {"tmp"};
    what.shared = {"storage"};
    auto first = seal(what);
    write(directory / "tmp/junk", "of the app");
    auto copy = prepare(2);
    auto done = run(releases->copy("shop", 1, 2, users));
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_FALSE(fs::is_symlink(copy / "storage"));
    what.manifest.number = 2;
    auto second = seal(what);
    EXPECT_EQ(second.files, first.files);
    EXPECT_EQ(second.bytes, first.bytes);
    EXPECT_EQ(verify(2, Check::full), "");
    EXPECT_EQ(status_of(copy / "bin/app").st_mode & 07777, 0555u);
    EXPECT_NE(status_of(copy / "bin/app").st_ino, status_of(directory / "bin/app").st_ino);
    EXPECT_EQ(fs::read_symlink(copy / "bin/link"), "app");
    EXPECT_TRUE(fs::is_directory(copy / "empty"));
    EXPECT_TRUE(fs::is_empty(copy / "tmp"));
    EXPECT_EQ(read(copy / "storage/a"), "seed");
}

TEST_F(Releases, ACopyOfADamagedReleaseShowsItsDamage) {
    auto directory = prepare(1);
    write(directory / "app", "12345");
    seal(job(1));
    auto time = fs::last_write_time(directory / "app");
    ::chmod((directory / "app").c_str(), 0640);
    std::ofstream(directory / "app") << "54321";
    fs::last_write_time(directory / "app", time);
    prepare(2);
    ASSERT_TRUE(run(releases->copy("shop", 1, 2, users)));
    seal(job(2));
    EXPECT_NE(verify(2, Check::full).find("app (changed)"), std::string::npos);
}

TEST_F(Releases, RemovesAllOfARelease) {
    write(prepare(1) / "a/b", "x");
    auto what = job(1);
    what.environments = {{"web", {{"A", "b"}}}};
    seal(what);
    write(prepare(2) / "a/b", "x");
    seal(job(2));
    ASSERT_TRUE(run(releases->set_current("shop", 2)));
    EXPECT_EQ(run(releases->remove("shop", 2)).error().code, Errc::conflict);
    ASSERT_TRUE(run(releases->remove("shop", 1)));
    ASSERT_TRUE(run(releases->remove("shop", 1)));
    EXPECT_EQ(*run(releases->list("shop")), std::vector<ReleaseNumber>{2});
    EXPECT_FALSE(fs::exists(state.path() / "secrets/shop/1"));
    EXPECT_FALSE(fs::exists(state.path() / "releases/shop/1.files"));
}

TEST_F(Releases, PointsCurrentAtOneRelease) {
    prepare(1);
    auto link = state.path() / "releases/shop/current";
    ASSERT_TRUE(run(releases->set_current("shop", 1)));
    EXPECT_EQ(fs::read_symlink(link), "1");
    ASSERT_TRUE(run(releases->set_current("shop", 22)));
    EXPECT_EQ(fs::read_symlink(link), "22");
    ASSERT_TRUE(run(releases->set_current("shop", 0)));
    EXPECT_FALSE(fs::is_symlink(link));
    ASSERT_TRUE(run(releases->set_current("shop", 0)));
    ASSERT_TRUE(run(releases->set_current("other", 0)));
}

TEST_F(Releases, ReadsLiveManifestsAndNamesTheOnesItCannot) {
    EXPECT_TRUE(run(releases->read_live())->first.empty());
    ASSERT_TRUE(run(releases->write_live(live_of("shop"))));
    ASSERT_TRUE(run(releases->write_live(live_of("blog"))));
    write(state.path() / "live/torn.json", "{");
    write(state.path() / "live/newer.json", R"({"schema": 99, "app": "newer"})");
    write(state.path() / "live/liar.json", encode(live_of("other")));
    write(state.path() / "live/.shop.json.tmp", "{");
    auto found = run(releases->read_live());
    ASSERT_TRUE(found);
    ASSERT_EQ(found->first.size(), 2u);
    EXPECT_TRUE(found->first[0] == live_of("blog"));
    EXPECT_TRUE(found->first[1] == live_of("shop"));
    ASSERT_EQ(found->second.size(), 3u);
    EXPECT_NE(found->second[1].message.find("newer.json"), std::string::npos);
    EXPECT_TRUE(fs::exists(state.path() / "live/newer.json"));
    ASSERT_TRUE(run(releases->remove_live("shop")));
    ASSERT_TRUE(run(releases->remove_live("shop")));
    EXPECT_EQ(run(releases->read_live())->first.size(), 1u);
}

TEST_F(Releases, GivesEachUserAHomeOfItsOwn) {
    auto build = run(releases->home("shop", "build", users));
    auto run_home = run(releases->home("shop", "run", users));
    ASSERT_TRUE(build && run_home);
    EXPECT_NE(*build, *run_home);
    write(*build + "/kept", "x");
    // What the build user may do to it, and a link to somebody else's directory must not be
    // followed.
    test::TempDirectory outside;
    fs::remove(*build + "/tmp");
    fs::create_symlink(outside.path(), *build + "/tmp");
    ASSERT_TRUE(run(releases->home("shop", "build", users)));
    EXPECT_FALSE(fs::is_symlink(*build + "/tmp"));
    EXPECT_TRUE(fs::is_directory(*build + "/tmp"));
    EXPECT_TRUE(fs::exists(*build + "/kept"));
    EXPECT_EQ(status_of(outside.path()).st_uid, ::geteuid());
    EXPECT_EQ(status_of(*build).st_mode & 07777, 0700u);
    if (users.separate()) {
        EXPECT_EQ(status_of(*build).st_uid, static_cast<uid_t>(users.build));
        EXPECT_EQ(status_of(*build + "/tmp").st_uid, static_cast<uid_t>(users.build));
        EXPECT_EQ(status_of(*run_home).st_uid, static_cast<uid_t>(users.run));
    }
    EXPECT_EQ(run(releases->home("shop", "../x", users)).error().code, Errc::invalid);
}

// A release before, of other users, goes on living beside it.
TEST_F(Releases, ANamedUserBuildsAndRunsInTheAppsOwnGroup) {
    if (!users.separate()) GTEST_SKIP() << "needs several uids";
    auto named = users;
    named.build = 1001;
    named.named_build = User{1001, 101, {}};
    named.run = 1002;
    named.named_run = User{1002, 102, {}};
    EXPECT_EQ(named.files_group(), users.run);
    EXPECT_EQ(named.builder().groups, std::vector<gid_t>{static_cast<gid_t>(users.run)});
    users = named;
    auto directory = prepare(1);
    EXPECT_EQ(status_of(directory).st_uid, 1001u);
    EXPECT_EQ(status_of(directory).st_gid, static_cast<gid_t>(named.files_group()));
    EXPECT_EQ(status_of(directory.parent_path()).st_gid, static_cast<gid_t>(named.files_group()));
    fs::create_directory(directory / "tmp");
    auto what = job(1);
    what.writable = {"tmp"};
    seal(std::move(what));
    EXPECT_EQ(status_of(directory / "tmp").st_uid, 1002u);
    EXPECT_EQ(status_of(directory).st_uid, ::geteuid());
    EXPECT_EQ(status_of(state.path() / "shared/shop").st_uid, 1002u);
    auto home = run(releases->home("shop", "run", named));
    ASSERT_TRUE(home);
    EXPECT_EQ(fs::path(*home).filename(), "run-1002");
    EXPECT_EQ(status_of(*home).st_uid, 1002u);
    EXPECT_EQ(status_of(*home).st_gid, 102u);
}

TEST_F(Releases, SharedFilesAreNotTakenFromTheUserThatHasThem) {
    if (!users.separate()) GTEST_SKIP() << "needs several uids";
    prepare(1);
    auto shared = state.path() / "shared/shop";
    auto named = users;
    named.run = 1002;
    named.named_run = User{1002, 102, {}};
    ASSERT_TRUE(run(releases->shared_directory("shop", named))) << "there is nothing to lose";
    std::ofstream(shared / "data.db") << "rows";
    auto back = run(releases->shared_directory("shop", users));
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().code, Errc::conflict);
    EXPECT_NE(
        back.error().message.find("belay stop shop && chown -R 52003:52003 " + shared.string()),
        std::string::npos)
        << back.error().message;
    EXPECT_EQ(status_of(shared).st_uid, 1002u);
}

TEST_F(Releases, MakesDirectoriesForLogs) {
    auto logs = releases->log_directory("shop", "d12");
    ASSERT_TRUE(logs) << logs.error().message;
    EXPECT_EQ(*logs, state / "logs/shop/d12");
    EXPECT_TRUE(fs::is_directory(*logs));
    EXPECT_TRUE(releases->log_directory("shop", "d12"));
    EXPECT_EQ(releases->log_directory("shop", "../x").error().code, Errc::invalid);
}

TEST_F(Releases, PurgesAllOfAnAppAndNothingOfOthers) {
    for (const char* place : {"releases/shop/1/x", "shared/shop/x", "secrets/shop/1/x",
                              "cache/shop/x", "logs/shop/d1/x", "git/shop.git/x", "live/shop.json",
                              "home/shop/build/x", "releases/shop2/1/x"})
        write(state.path() / place, "x");
    ASSERT_TRUE(run(releases->purge("shop")));
    int left = 0;
    for (const auto& entry : fs::recursive_directory_iterator(state.path()))
        left += entry.is_regular_file();
    EXPECT_EQ(left, 1);
    EXPECT_TRUE(fs::exists(state.path() / "releases/shop2/1/x"));
}

TEST_F(Releases, TellsWhenTheDiskIsBelowItsReserve) {
    EXPECT_TRUE(releases->check_free(0));
    EXPECT_TRUE(releases->check_free(1));
    auto full = releases->check_free(1ull << 60);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Errc::disk_full);
    EXPECT_NE(full.error().message.find("disk_reserve"), std::string::npos);
}

}  // namespace
}  // namespace belay::release
