#include "export_fixture.hpp"

#include <gmock/gmock.h>

namespace belay::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Export : ExportFixture {};

TEST_F(Export, WritesExactlyTheCommit) {
    repository.write("a.txt", "one");
    repository.write("deep/er/b.txt", std::string("\0two\n", 5));
    repository.write("empty", "");
    repository.write("run.sh", "#!/bin/sh\n");
    fs::permissions(repository.work() / "run.sh", fs::perms(0755));
    fs::create_symlink("../a.txt", repository.work() / "deep/link");
    repository.commit("Begin");
    repository.push();
    repository.write("a.txt", "not committed");
    auto exported = export_tree(job());
    ASSERT_TRUE(succeeded(exported));
    EXPECT_EQ(exported->files, 5u);
    EXPECT_EQ(exported->directories, 2u);
    EXPECT_EQ(exported->bytes, 3u + 5u + 10u);
    EXPECT_EQ(read("a.txt"), "one");
    EXPECT_EQ(read("deep/er/b.txt"), std::string("\0two\n", 5));
    EXPECT_EQ(read("deep/link"), "one");
    EXPECT_EQ(fs::read_symlink(into / "deep/link"), "../a.txt");
    EXPECT_EQ(mode("a.txt"), 0644u);
    EXPECT_EQ(mode("run.sh"), 0755u);
    EXPECT_EQ(mode("deep"), 0755u);
    EXPECT_TRUE(exported->warnings.empty());
}

TEST_F(Export, ManyFilesByTwoThreadsAreAllThere) {
    for (int i = 0; i < 1200; ++i)
        repository.write(fmt::format("d{}/f{}", i % 37, i), std::to_string(i));
    repository.commit("Add many");
    repository.push();
    auto exported = export_tree(job());
    ASSERT_TRUE(succeeded(exported));
    EXPECT_EQ(exported->files, 1200u);
    EXPECT_EQ(run({"diff", "-r", "-x", ".git", repository.work().string(), into.string()}), "");
}

TEST_F(Export, WritesOnlyTheDirectoryOfTheApp) {
    repository.write("apps/web/main.js", "web");
    repository.commit_file("apps/api/main.js", "api");
    repository.push();
    auto wanted = job();
    wanted.directory = "apps/web";
    ASSERT_TRUE(succeeded(export_tree(wanted)));
    EXPECT_EQ(read("main.js"), "web");
    EXPECT_FALSE(fs::exists(into / "apps"));
    wanted = job();
    wanted.directory = "apps/nothere";
    EXPECT_THAT(failure_of(export_tree(wanted)), HasSubstr("no directory \"apps/nothere\""));
}

TEST_F(Export, WritesAnOlderCommitOfTheMirror) {
    auto first = repository.commit_file("a", "1");
    repository.commit_file("a", "2");
    repository.push();
    auto wanted = job();
    wanted.commit = first;
    ASSERT_TRUE(succeeded(export_tree(wanted)));
    EXPECT_EQ(read("a"), "1");
    wanted = job();
    wanted.commit = std::string(40, 'a');
    EXPECT_THAT(failure_of(export_tree(wanted)), StartsWith("sha_unavailable: "));
}

TEST_F(Export, RefusesADirectoryThatIsNotEmpty) {
    repository.commit_file("a", "1");
    repository.push();
    auto wanted = job();
    std::ofstream(into / "b") << "there";
    EXPECT_THAT(failure_of(export_tree(wanted)), HasSubstr("not empty"));
}

TEST_F(Export, WarnsOfLfsPointers) {
    repository.commit_file(
        "big.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n");
    repository.push();
    auto exported = export_tree(job());
    ASSERT_TRUE(succeeded(exported));
    ASSERT_EQ(exported->warnings.size(), 1u);
    EXPECT_THAT(exported->warnings.front(), HasSubstr("big.bin"));
}

TEST_F(Export, StopsAtTheBoundOfSizeAndCount) {
    repository.write("a", std::string(600, 'a'));
    repository.commit_file("b", std::string(600, 'b'));
    repository.push();
    auto wanted = job();
    wanted.limits.bytes = 1000;
    EXPECT_THAT(failure_of(export_tree(wanted)), StartsWith("tree_refused: "));
    wanted = job();
    wanted.limits.entries = 1;
    EXPECT_THAT(failure_of(export_tree(wanted)), StartsWith("tree_refused: "));
    EXPECT_TRUE(fs::is_empty(into));
}

TEST_F(Export, DamagedObjectIsFoundAndTheNextFetchMendsTheMirror) {
    repository.commit_file("a", "something");
    repository.push();
    auto wanted = job();
    auto blob = repository.git({"rev-parse", "HEAD:a"});
    auto object = mirror / "objects" / blob.substr(0, 2) / blob.substr(2);
    fs::remove(object);
    std::ofstream(object) << "damaged";
    auto broken = export_tree(wanted);
    ASSERT_FALSE(succeeded(broken));
    EXPECT_TRUE(broken.error().damaged);
    auto order = fetch_order(repository.bare().string(), mirror);
    order.fresh_mirror = true;
    ASSERT_TRUE(succeeded(fetch(order)));
    EXPECT_TRUE(succeeded(export_tree(job())));
}

TEST_F(Export, ContentThatIsNotTheObjectsOwnIsNeverWritten) {
    repository.write("a", "what was pushed");
    repository.commit_file("b", "something else");
    repository.push();
    auto wanted = job();
    auto object_of = [this](const std::string& name) {
        auto id = repository.git({"rev-parse", "HEAD:" + name});
        return mirror / "objects" / id.substr(0, 2) / id.substr(2);
    };
    fs::remove(object_of("a"));
    fs::copy_file(object_of("b"), object_of("a"));
    auto exported = export_tree(wanted);
    ASSERT_FALSE(succeeded(exported));
    EXPECT_TRUE(exported.error().damaged);
    EXPECT_FALSE(fs::exists(into / "a"));
}

}  // namespace
}  // namespace belay::test
