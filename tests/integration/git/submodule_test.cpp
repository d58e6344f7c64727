#include "export_fixture.hpp"
#include "support/git_server.hpp"

#include <gmock/gmock.h>

namespace belay::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Submodule : ExportFixture {
    GitRepository library{directory.path(), "library"};
    std::string library_commit;

    Submodule() {
        library_commit = library.commit_file("lib.js", "library");
        library.push();
    }

    void add(const std::string& url) const {
        repository.write(
            ".gitmodules",
            fmt::format("[submodule \"vendor/lib\"]\n\tpath = vendor/lib\n\turl = {}\n", url));
        repository.write("main.js", "main");
        repository.git({"add", "-A"});
        repository.git(
            {"update-index", "--add", "--cacheinfo", "160000," + library_commit + ",vendor/lib"});
        repository.git({"commit", "-q", "-m", "Use the library"});
        repository.push();
    }

    git::FetchOrder order(const std::string& url) const {
        auto wanted = fetch_order(url, mirror);
        wanted.job.submodules = ports::Submodules::fetched;
        return wanted;
    }
    ports::ExportJob with_submodules(const std::string& url) const {
        auto wanted = job();
        wanted.repository = url;
        wanted.submodules = ports::Submodules::fetched;
        return wanted;
    }
};

TEST_F(Submodule, IsRefusedWithTheCureUnlessTheFileSays) {
    add("../library.git");
    EXPECT_THAT(failure_of(export_tree(job())),
                AllOf(StartsWith("tree_refused: "), HasSubstr("vendor/lib"),
                      HasSubstr("submodules = true")));
}

TEST_F(Submodule, IsLeftEmptyWhereTheFileSaysFalse) {
    add("../library.git");
    auto wanted = job();
    wanted.submodules = ports::Submodules::empty;
    ASSERT_TRUE(succeeded(export_tree(wanted)));
    EXPECT_TRUE(fs::is_empty(into / "vendor/lib"));
    EXPECT_EQ(read("main.js"), "main");
}

TEST_F(Submodule, OutsideOfTheExportedPartDoesNotMatter) {
    repository.write("web/index.html", "hello");
    add("../library.git");
    auto wanted = job();
    wanted.directory = "web";
    EXPECT_TRUE(succeeded(export_tree(wanted)));
}

TEST_F(Submodule, RelativeOneIsFetchedAndLaidOut) {
    add("../library.git");
    GitDaemon daemon(directory.path());
    for (const auto& url : {daemon.url("shop.git"), repository.bare().string()}) {
        ASSERT_TRUE(succeeded(fetch(order(url)))) << url;
        auto exported = export_tree(with_submodules(url));
        ASSERT_TRUE(succeeded(exported)) << url;
        EXPECT_EQ(exported->submodules, 1u);
        EXPECT_EQ(read("vendor/lib/lib.js"), "library");
    }
}

TEST_F(Submodule, NestedOneIsFetchedToo) {
    GitRepository core(directory.path(), "core");
    auto core_commit = core.commit_file("core.js", "core");
    core.push();
    library.write(".gitmodules", "[submodule \"c\"]\n path = core\n url = ../core.git\n");
    library.git({"add", "-A"});
    library.git({"update-index", "--add", "--cacheinfo", "160000," + core_commit + ",core"});
    library.git({"commit", "-q", "-m", "Use core"});
    library.push();
    library_commit = library.git({"rev-parse", "HEAD"});
    add("../library.git");
    auto url = repository.bare().string();
    ASSERT_TRUE(succeeded(fetch(order(url))));
    ASSERT_TRUE(succeeded(export_tree(with_submodules(url))));
    EXPECT_EQ(read("vendor/lib/core/core.js"), "core");
}

TEST_F(Submodule, OneThatContainsItselfEnds) {
    // A commit can't name itself, but its tree can name a submodule whose history goes on and on.
    for (int i = 0; i < 8; ++i) {
        library.write(".gitmodules", "[submodule \"me\"]\n path = me\n url = ../library.git\n");
        library.git({"add", "-A"});
        library.git({"update-index", "--add", "--cacheinfo",
                     "160000," + library.git({"rev-parse", "HEAD"}) + ",me"});
        library.git({"commit", "-q", "-m", "Once more"});
    }
    library.push();
    library_commit = library.git({"rev-parse", "HEAD"});
    add("../library.git");
    EXPECT_THAT(failure_of(fetch(order(repository.bare().string()))), HasSubstr("nested deeper"));
}

TEST_F(Submodule, SchemeThatIsNotAllowedIsRefused) {
    add("ext::sh -c id");
    EXPECT_THAT(failure_of(fetch(order(repository.bare().string()))), StartsWith("tree_refused: "));
    add("http://127.0.0.1:1/x");
    auto wanted = order(repository.bare().string());
    wanted.job.access.allow = {"file"};
    EXPECT_THAT(failure_of(fetch(wanted)), HasSubstr("\"http\" is not among"));
}

TEST_F(Submodule, TokenIsNotSentToAnotherHost) {
    GitHttpServer thief(directory.path(), "another");
    GitHttpServer server(directory.path(), "s3cret");
    add(thief.url("library.git"));
    auto wanted = order(server.url("shop.git"));
    wanted.job.access.token = Secret("s3cret");
    EXPECT_THAT(failure_of(fetch(wanted)),
                AllOf(StartsWith("auth_failed: "), HasSubstr("vendor/lib")));
    EXPECT_EQ(run({"curl", "-s", thief.url("_seen")}), "");
}

TEST_F(Submodule, MissingCommitIsNamed) {
    library_commit = std::string(40, 'b');
    add("../library.git");
    EXPECT_THAT(failure_of(fetch(order(repository.bare().string()))),
                AllOf(StartsWith("sha_unavailable: "), HasSubstr(library_commit)));
}

}  // namespace
}  // namespace belay::test
