#include <belay/base/glob.hpp>

#include <gtest/gtest.h>

#include <random>

namespace belay {
namespace {

TEST(Glob, StarsAndQuestionMarksStopAtASlash) {
    EXPECT_TRUE(matches("*.js", "index.js"));
    EXPECT_FALSE(matches("*.js", "lib/index.js"));
    EXPECT_TRUE(matches("a?c", "abc"));
    EXPECT_FALSE(matches("a?c", "a/c"));
    EXPECT_TRUE(matches("dist/*/x", "dist/a/x"));
    EXPECT_FALSE(matches("dist/*/x", "dist/a/b/x"));
    EXPECT_TRUE(matches("*a*b*", "xxaxxbxx"));
    EXPECT_FALSE(matches("", "a"));
}

TEST(Glob, TwoStarsAreAnyNumberOfSegments) {
    EXPECT_TRUE(matches("**", "a"));
    EXPECT_TRUE(matches("**", "a/b/c"));
    EXPECT_TRUE(matches("**/x", "x"));
    EXPECT_TRUE(matches("**/x", "a/b/x"));
    EXPECT_FALSE(matches("**/x", "a/b/xy"));
    EXPECT_TRUE(matches("a/**/x", "a/x"));
    EXPECT_TRUE(matches("a/**/x", "a/b/c/x"));
    EXPECT_TRUE(matches("a/**", "a/b"));
    EXPECT_TRUE(matches("**/b/**/d", "a/b/c/b/c/d"));
    EXPECT_FALSE(matches("**/b/**/d", "a/b/c/b/c/e"));
    EXPECT_TRUE(matches("a**c", "abbc"));  // no whole segment: two ordinary stars
    EXPECT_FALSE(matches("a**c", "ab/bc"));
}

TEST(Glob, KnowsBracketsAndEscapes) {
    EXPECT_TRUE(matches("[a-c]x", "bx"));
    EXPECT_FALSE(matches("[!a-c]x", "bx"));
    EXPECT_TRUE(matches("[]]", "]"));
    EXPECT_TRUE(matches("[a", "[a"));
    EXPECT_TRUE(matches("\\*", "*"));
    EXPECT_FALSE(matches("\\*", "x"));
}

TEST(Glob, TakesNoExponentialTime) {
    std::string pattern, path;
    for (int i = 0; i < 200; ++i) {
        pattern += "**/a*";
        pattern += "*a*/";
        path += "aaaaaaaaab/";
    }
    EXPECT_FALSE(matches(pattern + "x", path + "y"));
}

TEST(Glob, AgreesWithASimplerMatcherOnRandomInput) {
    struct Simple {
        // The definition itself, without care for time.
        static bool match(std::string_view p, std::string_view t, bool start) {
            if (p.empty()) return t.empty();
            if (start && (p == "**" || p.starts_with("**/"))) {
                if (p == "**") return !t.empty();
                for (auto rest = t;;) {
                    if (match(p.substr(3), rest, true)) return true;
                    auto slash = rest.find('/');
                    if (slash == rest.npos) return false;
                    rest = rest.substr(slash + 1);
                }
            }
            if (p[0] == '*')
                return match(p.substr(1), t, false) ||
                       (!t.empty() && t[0] != '/' && match(p, t.substr(1), false));
            if (t.empty() || p[0] != t[0]) return false;
            return match(p.substr(1), t.substr(1), p[0] == '/');
        }
    };
    std::mt19937 random(7);
    auto pick = [&](const char* from, unsigned length) {
        std::string text;
        auto count = 1 + random() % 3;
        for (unsigned i = 0; i < count; ++i) {
            if (i) text += '/';
            auto characters = 1 + random() % length;
            for (unsigned j = 0; j < characters; ++j)
                text += from[random() % 3];
        }
        return text;
    };
    int hits = 0;
    for (int i = 0; i < 20'000; ++i) {
        auto pattern = pick("ab*", 3);
        auto path = pick("aba", 3);
        auto expected = Simple::match(pattern, path, true);
        hits += expected;
        ASSERT_EQ(matches(pattern, path), expected) << pattern << " on " << path;
    }
    EXPECT_GT(hits, 500);
}

TEST(PathPatterns, ADirectoryTakesAllBelowIt) {
    PathPatterns shipping({"dist/", "package.json"});
    EXPECT_TRUE(shipping.takes("dist"));
    EXPECT_TRUE(shipping.takes("dist/a/b.js"));
    EXPECT_TRUE(shipping.takes("package.json"));
    EXPECT_FALSE(shipping.takes("src/a.ts"));
    EXPECT_FALSE(shipping.takes("distant"));
}

TEST(PathPatterns, TheLastMatchDecides) {
    PathPatterns shipping({"**", "!node_modules/.cache", "node_modules/.cache/keep"});
    EXPECT_TRUE(shipping.takes("node_modules/x"));
    EXPECT_FALSE(shipping.takes("node_modules/.cache/x"));
    EXPECT_TRUE(shipping.takes("node_modules/.cache/keep"));
}

TEST(PathPatterns, NeverShipsGit) {
    PathPatterns shipping({"**"});
    EXPECT_FALSE(shipping.takes(".git"));
    EXPECT_FALSE(shipping.takes(".git/config"));
    EXPECT_FALSE(shipping.takes("vendor/lib/.git/HEAD"));
    EXPECT_TRUE(shipping.takes(".gitignore"));
}

}  // namespace
}  // namespace belay
