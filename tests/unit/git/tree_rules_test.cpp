#include "git/tree_rules.hpp"

#include <gtest/gtest.h>

#include <map>

namespace belay::git {
namespace {

TEST(TreeRules, OrdinaryNamesMayBeUsed) {
    for (const char* name :
         {"a", "...", ".gitignore", ".gitmodules", ".github", "git", "a.git", ".gi", "git~2",
          "\u200c", "a b", "\\", "a:b", "na\u00efve", ".gitx", "x.git"}) {
        EXPECT_FALSE(broken_name_rule(name).has_value()) << name;
    }
}

TEST(TreeRules, NamesThatMeanSomethingElseAreRefused) {
    for (const char* name : {"", ".", "..", "a/b", "/", ".git", ".GIT", "git~1", "GiT~1", ".git.",
                             ".git ", ".git::$DATA", ".git:x", ".\u200dgit", ".git\u206f"}) {
        EXPECT_TRUE(broken_name_rule(name).has_value()) << name;
    }
    EXPECT_TRUE(broken_name_rule(std::string_view("a\0b", 3)).has_value());
    EXPECT_TRUE(broken_name_rule(std::string(256, 'a')).has_value());
}

bool outside(const std::string& link, const std::string& target,
             std::map<std::string, std::string> links = {}) {
    links.emplace(link, target);
    return leads_outside(link, target, [&](const std::string& path) -> std::optional<std::string> {
        auto at = links.find(path);
        return at == links.end() ? std::nullopt : std::optional(at->second);
    });
}

TEST(TreeRules, LinksWithinTheTreeAreKept) {
    EXPECT_FALSE(outside("link", "file"));
    EXPECT_FALSE(outside("link", "./a/../b"));
    EXPECT_FALSE(outside("a/b/link", "../../c"));
    EXPECT_FALSE(outside("a/link", ".."));
    EXPECT_FALSE(outside("link", "link"));
    EXPECT_FALSE(outside("a", "b", {{"b", "a"}}));
}

TEST(TreeRules, LinksThatLeadOutsideAreRefused) {
    EXPECT_TRUE(outside("link", "/etc"));
    EXPECT_TRUE(outside("link", ".."));
    EXPECT_TRUE(outside("a/link", "../.."));
    EXPECT_TRUE(outside("a/link", "b/../../.."));
    EXPECT_TRUE(outside("a/link", "../b/../../x"));
}

TEST(TreeRules, LinksAreFollowedAsTheKernelWould) {
    EXPECT_TRUE(outside("out", "a/up/../x", {{"a/up", "b/.."}, {"a/b", "../.."}}));
    EXPECT_TRUE(outside("out", "a/up/..", {{"a/up", ".."}}));
    EXPECT_FALSE(outside("in", "a/up/x", {{"a/up", ".."}}));
    EXPECT_TRUE(outside("out", "abs/x", {{"abs", "/etc"}}));
}

}  // namespace
}  // namespace belay::git
