#include "export_fixture.hpp"

#include <gmock/gmock.h>

namespace belay::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct HostileTree : ExportFixture {
    std::string blob(std::string_view content = "evil") const {
        return repository.object("blob", content);
    }
    std::string tree(std::string_view entries) const { return repository.object("tree", entries); }

    // What laying out a tree of these raw entries ends in; nothing may be left outside of the
    // directory.
    std::string outcome(std::string_view entries) const {
        repository.commit_tree(tree(entries));
        return failure_of(export_tree(job()));
    }
};

struct HostileName : HostileTree, ::testing::WithParamInterface<std::string> {};

TEST_P(HostileName, IsRefusedAsAFile) {
    EXPECT_THAT(outcome(tree_entry("100644", GetParam(), blob())), StartsWith("tree_refused: "));
    EXPECT_TRUE(fs::is_empty(into));
}

TEST_P(HostileName, IsRefusedAsADirectory) {
    auto inner = tree(tree_entry("100644", "config", blob()));
    EXPECT_THAT(outcome(tree_entry("40000", GetParam(), inner)), StartsWith("tree_refused: "));
    EXPECT_TRUE(fs::is_empty(into));
}

INSTANTIATE_TEST_SUITE_P(All, HostileName,
                         ::testing::Values(".", "..", ".git", ".GIT", ".gIt", "git~1", "GIT~1",
                                           ".git.", ".git ", ".git . .", ".git::$INDEX_ALLOCATION",
                                           ".g\u200cit", ".git\ufeff", "a/b", "../a", "/abs"));

TEST_F(HostileTree, SetuidBitIsNotKept) {
    EXPECT_EQ(outcome(tree_entry("104755", "suid", blob()) + tree_entry("106777", "suid2", blob())),
              "succeeded");
    EXPECT_EQ(mode("suid"), 0755u);
    EXPECT_EQ(mode("suid2"), 0755u);
}

TEST_F(HostileTree, OddModesBecomeTheTwoThatThereAre) {
    EXPECT_EQ(
        outcome(tree_entry("100664", "group", blob()) + tree_entry("100666", "world", blob())),
        "succeeded");
    EXPECT_EQ(mode("group"), 0644u);
    EXPECT_EQ(mode("world"), 0644u);
}

TEST_F(HostileTree, DeviceIsRefused) {
    EXPECT_THAT(outcome(tree_entry("20666", "tty", blob())), StartsWith("tree_refused: "));
}

TEST_F(HostileTree, AbsoluteLinkIsRefused) {
    EXPECT_THAT(
        outcome(tree_entry("120000", "link", blob("/etc/passwd"))),
        AllOf(StartsWith("tree_refused: "), HasSubstr("\"link\""), HasSubstr("/etc/passwd")));
}

TEST_F(HostileTree, EscapingLinkIsRefused) {
    auto inner = tree(tree_entry("120000", "link", blob("../../secrets")));
    EXPECT_THAT(outcome(tree_entry("40000", "a", inner)),
                AllOf(StartsWith("tree_refused: "), HasSubstr("a/link")));
}

TEST_F(HostileTree, LinkThatEscapesByAnotherLinkIsRefused) {
    // Word by word "a/up/../.." stays inside; by way of the link it does not.
    auto inner = tree(tree_entry("120000", "up", blob("..")));
    EXPECT_THAT(outcome(tree_entry("40000", "a", inner) +
                        tree_entry("120000", "out", blob("a/up/../../etc"))),
                StartsWith("tree_refused: "));
}

TEST_F(HostileTree, LinkWithinTheTreeIsKept) {
    auto inner = tree(tree_entry("120000", "link", blob("../b")));
    EXPECT_EQ(outcome(tree_entry("40000", "a", inner) + tree_entry("100644", "b", blob())),
              "succeeded");
    EXPECT_EQ(read("a/link"), "evil");
}

TEST_F(HostileTree, LinkOutOfTheExportedDirectoryIsRefused) {
    auto inner = tree(tree_entry("120000", "link", blob("../b")));
    repository.commit_tree(
        tree(tree_entry("40000", "a", inner) + tree_entry("100644", "b", blob())));
    auto wanted = job();
    wanted.directory = "a";
    EXPECT_THAT(failure_of(export_tree(wanted)), StartsWith("tree_refused: "));
}

TEST_F(HostileTree, LinkAndDirectoryOfOneNameAreRefused) {
    auto outside = directory / "outside";
    fs::create_directory(outside);
    auto inner = tree(tree_entry("100644", "pwned", blob()));
    EXPECT_THAT(outcome(tree_entry("120000", "x", blob(".")) + tree_entry("40000", "x", inner)),
                AllOf(StartsWith("tree_refused: "), HasSubstr("twice")));
    EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(HostileTree, FileThatIsThereTwiceIsRefused) {
    EXPECT_THAT(
        outcome(tree_entry("100644", "x", blob("1")) + tree_entry("100644", "x", blob("2"))),
        StartsWith("tree_refused: "));
}

TEST_F(HostileTree, TreeDeeperThanTheBoundIsRefused) {
    auto id = tree(tree_entry("100644", "f", blob()));
    for (int i = 0; i < 130; ++i)
        id = tree(tree_entry("40000", "d", id));
    repository.commit_tree(id);
    EXPECT_THAT(failure_of(export_tree(job())),
                AllOf(StartsWith("tree_refused: "), HasSubstr("deeper")));
}

TEST_F(HostileTree, TreeThatMultipliesItselfIsRefusedQuickly) {
    auto id = tree(tree_entry("100644", "f", blob()));
    for (int i = 0; i < 9; ++i) {
        std::string entries;
        for (char name = '0'; name <= '9'; ++name)
            entries += tree_entry("40000", std::string(1, name), id);
        id = tree(entries);
    }
    repository.commit_tree(id);
    auto wanted = job();
    wanted.limits.entries = 20'000;
    EXPECT_THAT(failure_of(export_tree(wanted)),
                AllOf(StartsWith("tree_refused: "), HasSubstr("more than 20000")));
    EXPECT_TRUE(fs::is_empty(into));
}

TEST_F(HostileTree, PathLongerThanTheBoundIsRefused) {
    auto id = tree(tree_entry("100644", "f", blob()));
    for (int i = 0; i < 12; ++i)
        id = tree(tree_entry("40000", std::string(200, 'd'), id));
    repository.commit_tree(id);
    EXPECT_THAT(failure_of(export_tree(job())),
                AllOf(StartsWith("tree_refused: "), HasSubstr("longer than 2048")));
}

TEST_F(HostileTree, ControlCharactersInNamesDoNotReachTheLog) {
    repository.commit_tree(tree(tree_entry("100644", "a\n\x1b[31m", blob()) +
                                tree_entry("120000", "b\x1b", blob("/x"))));
    auto message = failure_of(export_tree(job()));
    EXPECT_THAT(message, StartsWith("tree_refused: "));
    EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace belay::test
