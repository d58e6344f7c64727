#include "git/consolidate.hpp"
#include "worker_client.hpp"

#include <gmock/gmock.h>

namespace belay::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::size_t files_below(const fs::path& directory, std::string_view extension) {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
        if (entry.path().extension() == extension) ++count;
    }
    return count;
}

struct Fetch : ::testing::Test {
    TemporaryDirectory directory;
    GitRepository repository{directory.path(), "shop"};
    fs::path mirror = directory / "mirror";

    git::FetchOrder order() const { return fetch_order(repository.bare().string(), mirror); }
};

TEST_F(Fetch, TellsWhatTheBranchHoldsNow) {
    repository.write("a.txt", "one");
    repository.write("b/c.txt", "two");
    auto commit = repository.commit("Open the shop\n\nFor all.\n");
    repository.push();
    auto fetched = fetch(order());
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, commit);
    EXPECT_EQ(fetched->tip, commit);
    EXPECT_TRUE(fetched->is_tip);
    EXPECT_TRUE(fetched->on_branch);
    EXPECT_EQ(fetched->ref, "refs/heads/main");
    EXPECT_EQ(fetched->branch, "main");
    EXPECT_EQ(fetched->tag, "");
    EXPECT_EQ(fetched->describe, commit.substr(0, 7));
    EXPECT_EQ(fetched->author_name, "Ada");
    EXPECT_EQ(fetched->author_email, "ada@example.com");
    EXPECT_EQ(fetched->subject, "Open the shop");
    EXPECT_THAT(fetched->body, HasSubstr("For all."));
    EXPECT_EQ(fetched->files, 2u);
    EXPECT_GT(fetched->committed_at.time_since_epoch().count(), 0);
}

TEST_F(Fetch, DescribesACommitAsGitDoes) {
    repository.commit_file("a", "1");
    repository.git({"tag", "-a", "v1.2.0", "-m", "first"});
    repository.commit_file("a", "2");
    repository.push();
    auto fetched = fetch(order());
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->describe, repository.git({"describe", "--tags", "--always"}));
}

TEST_F(Fetch, PeelsAnAnnotatedTag) {
    auto commit = repository.commit_file("a", "1");
    repository.git({"tag", "-a", "v1", "-m", "first"});
    repository.commit_file("a", "2");
    repository.push();
    auto wanted = order();
    wanted.job.wanted = {"", "v1", "", ""};
    auto fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, commit);
    EXPECT_EQ(fetched->tag, "v1");
    EXPECT_EQ(fetched->ref, "refs/tags/v1");
    EXPECT_EQ(fetched->tip, commit) << "where the tag is now";
    EXPECT_EQ(fetched->newest_tag, "") << "no pattern was given";
}

TEST_F(Fetch, SaysWhereATagIsNowAndWhichIsTheNewest) {
    auto delivered = repository.commit_file("a", "1");
    repository.git({"tag", "v1"});
    auto moved = repository.commit_file("a", "2");
    repository.git({"tag", "-f", "v1"});
    repository.git({"tag", "v1.1"});
    repository.push();
    auto wanted = order();
    wanted.job.wanted = {"", "v1", "v*", delivered};
    auto fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, delivered);
    EXPECT_EQ(fetched->tip, moved);
    EXPECT_FALSE(fetched->is_tip);
    EXPECT_EQ(fetched->newest_tag, "v1.1");
}

TEST_F(Fetch, TellsTheMessagesOfWhatIsNewSinceLive) {
    auto before = repository.commit_file("a", "1");
    auto live = repository.commit_file("a", "2");
    repository.write("a", "3");
    auto between = repository.commit("Third\n\nwith a body\n");
    auto tip = repository.commit_file("a", "4");
    repository.git({"checkout", "-q", "-b", "other"});
    auto elsewhere = repository.commit_file("b", "5");
    repository.push();
    auto wanted = order();
    wanted.job.live = live;
    wanted.job.others = {before, live, between, elsewhere, std::string(40, 'f'), "rubbish"};
    auto fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, tip);
    EXPECT_FALSE(fetched->in_live);
    ASSERT_EQ(fetched->others.size(), 1u);
    EXPECT_EQ(fetched->others[0].commit, between);
    EXPECT_EQ(fetched->others[0].text, "Third\n\nwith a body\n");
    wanted.job.wanted.commit = before;
    fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_TRUE(fetched->in_live);
    wanted.job.live = std::string(40, 'f');  // no longer known
    fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_FALSE(fetched->in_live);
}

TEST_F(Fetch, TakesATagObjectForItsCommit) {
    auto commit = repository.commit_file("a", "1");
    repository.git({"tag", "-a", "v1", "-m", "first"});
    repository.push();
    auto wanted = order();
    wanted.job.wanted = {"", "v1", "", repository.git({"rev-parse", "refs/tags/v1"})};
    ASSERT_NE(wanted.job.wanted.commit, commit);
    auto fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, commit);
}

TEST_F(Fetch, TakesTheNewestVersionOfAPattern) {
    repository.commit_file("a", "1");
    repository.git({"tag", "v1.9.0"});
    auto commit = repository.commit_file("a", "2");
    repository.git({"tag", "v1.10.0"});
    repository.git({"tag", "w2.0.0"});
    repository.git({"tag", "v1.10.0-rc2"});
    repository.push();
    auto wanted = order();
    wanted.job.wanted = {"", "", "v*", ""};
    auto fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->tag, "v1.10.0");
    EXPECT_EQ(fetched->commit, commit);
}

TEST_F(Fetch, SaysOfAnOlderCommitThatItIsNotTheTip) {
    auto first = repository.commit_file("a", "1");
    auto second = repository.commit_file("a", "2");
    repository.push();
    auto wanted = order();
    wanted.job.wanted.commit = first;
    auto fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, first);
    EXPECT_EQ(fetched->tip, second);
    EXPECT_FALSE(fetched->is_tip);
    EXPECT_TRUE(fetched->on_branch);
}

TEST_F(Fetch, SaysOfACommitElsewhereThatItIsNotOnTheBranch) {
    repository.commit_file("a", "1");
    repository.git({"checkout", "-q", "-b", "other"});
    auto other = repository.commit_file("a", "2");
    repository.push();
    auto wanted = order();
    wanted.job.wanted.commit = other;
    auto fetched = fetch(wanted);
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_FALSE(fetched->on_branch);
    EXPECT_FALSE(fetched->is_tip);
}

TEST_F(Fetch, RefusesACommitThatWasForcePushedAway) {
    repository.commit_file("a", "1");
    auto lost = repository.commit_file("a", "2");
    repository.git({"reset", "-q", "--hard", "HEAD~1"});
    repository.commit_file("a", "3");
    repository.push();
    auto wanted = order();
    wanted.job.wanted.commit = lost;
    EXPECT_THAT(failure_of(fetch(wanted)), StartsWith("sha_unavailable: "));
    EXPECT_THAT(failure_of(fetch(wanted)), HasSubstr(lost));
}

TEST_F(Fetch, FollowsAForcePush) {
    repository.commit_file("a", "1");
    repository.push();
    ASSERT_TRUE(succeeded(fetch(order())));
    repository.git({"commit", "-q", "--amend", "-m", "again"});
    repository.push();
    auto fetched = fetch(order());
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, repository.git({"rev-parse", "HEAD"}));
    EXPECT_TRUE(fetched->is_tip);
}

TEST_F(Fetch, NamesTheBranchesWhereTheOneIsMissing) {
    repository.commit_file("a", "1");
    repository.git({"branch", "develop"});
    repository.push();
    auto wanted = order();
    wanted.job.wanted.branch = "master";
    EXPECT_THAT(failure_of(fetch(wanted)), StartsWith("sha_unavailable: "));
    EXPECT_THAT(failure_of(fetch(wanted)),
                HasSubstr("no branch \"master\"; there are: develop, main"));
}

TEST_F(Fetch, AcceptsABranchThatBecameADirectoryOfBranches) {
    repository.commit_file("a", "1");
    repository.git({"branch", "topic"});
    repository.push();
    ASSERT_TRUE(succeeded(fetch(order())));
    repository.git({"branch", "-D", "topic"});
    repository.git({"branch", "topic/one"});
    repository.push();
    auto wanted = order();
    wanted.job.wanted.branch = "topic/one";
    EXPECT_TRUE(succeeded(fetch(wanted)));
    EXPECT_FALSE(fs::is_regular_file(mirror / "refs/heads/topic"));
}

TEST_F(Fetch, ReadsPackedReferencesAndPacksOfTheSource) {
    repository.commit_file("a", "1");
    repository.git({"tag", "-a", "v1", "-m", "first"});
    repository.push();
    run({"git", "gc", "-q"}, git_environment(), repository.bare().string());
    ASSERT_FALSE(fs::exists(repository.bare() / "refs/heads/main"));
    auto fetched = fetch(order());
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, repository.git({"rev-parse", "HEAD"}));
    EXPECT_EQ(files_below(mirror / "objects", ".pack"), 1u);
}

TEST_F(Fetch, KeepsNoPacksThatTheSourceHasReplaced) {
    for (int i = 0; i < 3; ++i) {
        repository.commit_file("a", std::to_string(i));
        repository.push();
        run({"git", "gc", "-q"}, git_environment(), repository.bare().string());
        ASSERT_TRUE(succeeded(fetch(order())));
    }
    EXPECT_EQ(files_below(mirror / "objects", ".pack"), 1u);
}

TEST_F(Fetch, ManySmallPacksBecomeOneBesideTheLargest) {
    for (int i = 0; i < 5; ++i) {
        repository.commit_file("a", std::to_string(i));
        repository.push();
        run({"git", "repack", "-q", "-d"}, git_environment(), repository.bare().string());
    }
    ASSERT_TRUE(succeeded(fetch(order())));
    ASSERT_EQ(files_below(mirror / "objects", ".pack"), 5u);
    git_libgit2_init();
    {
        git::Progress progress;
        auto opened = git::Mirror::open_for_writing(mirror, false, progress);
        ASSERT_TRUE(opened.has_value());
        EXPECT_EQ(*git::consolidate_packs(*opened, 5), 0u);
        EXPECT_EQ(*git::consolidate_packs(*opened, 4), 4u);
    }
    git_libgit2_shutdown();
    EXPECT_EQ(files_below(mirror / "objects", ".pack"), 2u);
    EXPECT_EQ(run({"git", "fsck", "--full"}, git_environment(), mirror.string()), "");
    EXPECT_EQ(run({"git", "rev-list", "--count", "main"}, git_environment(), mirror.string()), "5");
}

TEST_F(Fetch, ReadsAWorkTreeALinkedOneAndOneThatBorrowsObjects) {
    auto commit = repository.commit_file("a", "1");
    auto linked = directory / "linked";
    auto borrower = directory / "borrower";
    repository.git({"worktree", "add", "-q", "--detach", linked.string()});
    run({"git", "clone", "-q", "--shared", "--bare", repository.work().string(), borrower.string()},
        git_environment());
    for (const auto& source : {repository.work(), linked, borrower}) {
        auto fetched = fetch(fetch_order("file://" + source.string(),
                                         directory / (source.filename().string() + ".m")));
        ASSERT_TRUE(succeeded(fetched)) << source;
        EXPECT_EQ(fetched->commit, commit);
    }
    EXPECT_FALSE(fs::exists(directory / "borrower.m/objects/info/alternates"));
    EXPECT_EQ(run({"git", "fsck"}, git_environment(), directory / "borrower.m"), "");
}

TEST_F(Fetch, RefusesAShallowSourceAndASha256One) {
    repository.commit_file("a", "1");
    repository.commit_file("a", "2");
    auto shallow = directory / "shallow";
    run({"git", "clone", "-q", "--depth=1", "file://" + repository.work().string(),
         shallow.string()},
        git_environment());
    EXPECT_THAT(failure_of(fetch(fetch_order(shallow.string(), directory / "m1"))),
                HasSubstr("shallow"));
    GitRepository modern(directory.path(), "modern", {"--object-format=sha256"});
    modern.commit_file("a", "1");
    EXPECT_THAT(failure_of(fetch(fetch_order(modern.work().string(), directory / "m2"))),
                StartsWith("sha256_repository_unsupported: "));
    auto wanted = order();
    wanted.job.wanted.commit = modern.git({"rev-parse", "HEAD"});
    EXPECT_THAT(failure_of(fetch(wanted)), StartsWith("sha256_repository_unsupported: "));
}

TEST_F(Fetch, RemovesWhatAKilledFetchLeft) {
    repository.commit_file("a", "1");
    repository.push();
    ASSERT_TRUE(succeeded(fetch(order())));
    auto pack = mirror / "objects/pack/pack_git2_a1b2c3";
    std::ofstream(pack) << "half";
    std::ofstream(mirror / "refs/heads/main.lock") << "";
    repository.commit_file("a", "2");
    repository.push();
    auto fetched = fetch(order());
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_TRUE(fetched->is_tip);
    EXPECT_FALSE(fs::exists(pack));
}

TEST_F(Fetch, MakesADamagedMirrorAnew) {
    repository.commit_file("a", "1");
    repository.push();
    run({"git", "gc", "-q"}, git_environment(), repository.bare().string());
    for (const char* wound : {"objects", "config", "refs", "pack"}) {
        ASSERT_TRUE(succeeded(fetch(order())));
        if (std::string_view(wound) == "pack") {
            for (const auto& entry : fs::directory_iterator(mirror / "objects/pack")) {
                auto content = entry.path();
                fs::remove(content);
                std::ofstream(content) << "damaged";
            }
        } else if (fs::is_directory(mirror / wound)) {
            fs::remove_all(mirror / wound);
        } else {
            std::ofstream(mirror / wound) << "damaged [=";
        }
        auto run = run_worker("fetch", git::encode(order()));
        auto fetched = git::decode_fetched(run.result);
        ASSERT_TRUE(succeeded(fetched)) << wound;
        EXPECT_TRUE(fetched->is_tip);
        EXPECT_THAT(run.log, HasSubstr("made anew")) << wound;
        EXPECT_FALSE(fs::exists(mirror / "broken"));
    }
}

TEST_F(Fetch, LetsTwoJobsOnOneMirrorTakeTurns) {
    repository.commit_file("a", "1");
    repository.push();
    std::vector<RunningWorker> workers;
    for (int i = 0; i < 4; ++i)
        workers.push_back(start_worker("fetch", git::encode(order())));
    for (auto& worker : workers)
        EXPECT_TRUE(succeeded(git::decode_fetched(worker.finish().result)));
}

TEST_F(Fetch, RefusesAnAddressThatIsNotAllowed) {
    auto wanted = order();
    wanted.job.access.allow = {"https", "ssh"};
    EXPECT_THAT(failure_of(fetch(wanted)), StartsWith("config_invalid: "));
    wanted.job.access.url = "ext::sh -c touch% /tmp/pwned";
    EXPECT_THAT(failure_of(fetch(wanted)), StartsWith("config_invalid: "));
}

TEST_F(Fetch, NamesASourceThatIsMissing) {
    auto wanted = order();
    wanted.job.access.url = (directory / "nowhere").string();
    EXPECT_THAT(failure_of(fetch(wanted)), HasSubstr("no such directory"));
}

TEST_F(Fetch, SaysWhichPathsChanged) {
    repository.write("keep", "1");
    repository.write("gone", "1");
    auto from = repository.commit_file("web/old", "a file long enough to be seen as renamed\n");
    fs::remove(repository.work() / "gone");
    repository.git({"mv", "web/old", "web/new"});
    auto to = repository.commit_file("added", "1");
    repository.push();
    ASSERT_TRUE(succeeded(fetch(order())));
    ports::ChangesJob job;
    job.mirror = mirror;
    job.from = from;
    job.to = to;
    auto changed = changes(job);
    ASSERT_TRUE(succeeded(changed));
    EXPECT_THAT(changed->paths, ::testing::ElementsAre("added", "gone", "web/new", "web/old"));
    EXPECT_TRUE(changed->complete);
    job.from = std::string(40, 'a');
    EXPECT_FALSE(changes(job)->complete);
    job.from = from;
    job.paths_max = 2;
    EXPECT_FALSE(changes(job)->complete);
}

TEST_F(Fetch, RefusesAJobThatIsNoJob) {
    auto run = run_worker("fetch", "{}");
    EXPECT_THAT(failure_of(git::decode_fetched(run.result)), StartsWith("internal: not a job"));
}

}  // namespace
}  // namespace belay::test
