#include "engine/seen_deliveries.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::engine {
namespace {

TEST(SeenDeliveries, KnowsEachByAppForgeAndIdAndForgetsTheOldest) {
    SeenDeliveries seen;
    seen.add({"shop", "github", "1"});
    EXPECT_TRUE(seen.contains({"shop", "github", "1"}));
    EXPECT_FALSE(seen.contains({"shop", "github", "2"}));
    EXPECT_FALSE(seen.contains({"shop", "gitea", "1"}));
    EXPECT_FALSE(seen.contains({"blog", "github", "1"}));
    seen.add({"shop", "github", "1"});
    for (int i = 2; i <= ports::kRecentDeliveries; ++i)
        seen.add({"shop", "github", std::to_string(i)});
    EXPECT_TRUE(seen.contains({"shop", "github", "1"}));
    seen.add({"shop", "github", "one more"});
    EXPECT_FALSE(seen.contains({"shop", "github", "1"}));
    EXPECT_TRUE(seen.contains({"shop", "github", "2"}));
}

}  // namespace
}  // namespace belay::engine
