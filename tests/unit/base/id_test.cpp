#include <belay/base/id.hpp>

#include <gtest/gtest.h>

namespace belay {
namespace {

TEST(AppName, IsJudgedByTheRules) {
    for (auto good : {"a", "shop", "shop-2", "d", "w", "d1a", "dd1"})
        EXPECT_TRUE(check_app_name(good)) << good;
    for (auto bad : {"", "Shop", "1shop", "-a", "d1042", "w88", "a_b", "a.b", "../x", "a b"})
        EXPECT_FALSE(check_app_name(bad)) << bad;
    EXPECT_TRUE(check_app_name(std::string(32, 'a')));
    EXPECT_FALSE(check_app_name(std::string(33, 'a')));
}

TEST(Ids, RoundTripAndRefuseRubbish) {
    EXPECT_EQ(to_string(DeploymentId{1042}), "d1042");
    EXPECT_EQ(parse_deployment_id("d1042")->value, 1042);
    EXPECT_EQ(parse_deployment_id("1042")->value, 1042);
    EXPECT_EQ(parse_delivery_id("w88")->value, 88);
    for (auto bad : {"", "d", "w8", "d-1", "d0", "d1x", "99999999999999999999"})
        EXPECT_FALSE(parse_deployment_id(bad)) << bad;
}

TEST(CommitId, IsFortyOrSixtyFourLowerCaseHexDigits) {
    EXPECT_TRUE(is_commit_id(std::string(40, 'a')));
    EXPECT_TRUE(is_commit_id(std::string(64, '0')));
    EXPECT_FALSE(is_commit_id(std::string(40, 'A')));
    EXPECT_FALSE(is_commit_id(std::string(39, 'a')));
    EXPECT_FALSE(is_commit_id(std::string(40, 'g')));
    EXPECT_TRUE(is_zero_id(std::string(64, '0')));
    EXPECT_FALSE(is_zero_id(""));
}

}  // namespace
}  // namespace belay
