#include <belay/domain/push.hpp>

#include <gtest/gtest.h>

namespace belay::domain {
namespace {

TEST(Ref, IsReadByGitsOwnGrammar) {
    for (auto good : {"refs/heads/main", "refs/heads/feature/x-1", "refs/tags/v1.2.3",
                      "refs/heads/日本", "refs/heads/a@b", "refs/heads/-x", "refs/heads/HEAD"})
        EXPECT_TRUE(parse_ref(good)) << good;
    for (auto bad : {"",
                     "main",
                     "refs/heads/",
                     "refs/pull/1/head",
                     "refs/heads/a..b",
                     "refs/heads/a b",
                     "refs/heads/a~1",
                     "refs/heads/a^",
                     "refs/heads/a:b",
                     "refs/heads/.a",
                     "refs/heads/a/.b",
                     "refs/heads/a.lock",
                     "refs/heads/a.lock/b",
                     "refs/heads/a//b",
                     "refs/heads/a/",
                     "refs/heads/a.",
                     "refs/heads/@",
                     "refs/heads/a@{b",
                     "refs/heads/a\\b",
                     "refs/heads/a\nb",
                     "refs/heads/*"})
        EXPECT_FALSE(parse_ref(bad)) << bad;
    EXPECT_EQ(parse_ref("refs/tags/v1")->type, RefType::tag);
    EXPECT_EQ(parse_ref("refs/heads/feature/x")->name, "feature/x");
    EXPECT_FALSE(parse_ref("refs/heads/" + std::string(2000, 'a')));
}

}  // namespace
}  // namespace belay::domain
