#include <gtest/gtest.h>

#include <release/environment_file.hpp>

namespace belay::release {
namespace {

TEST(EnvironmentFile, KeepsEveryByteButNul) {
    Variables variables{{"A", ""}, {"B", "x=y\nz "}, {"C", "\xff\xfe\x01"}};
    auto content = encode_environment(variables);
    ASSERT_TRUE(content);
    auto back = decode_environment(*content);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, variables);
}

TEST(EnvironmentFile, RefusesWhatNoEnvironmentCanCarryWithoutTellingTheValue) {
    auto refused = encode_environment({{"KEY", std::string("secret\0x", 8)}});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("KEY"), std::string::npos);
    EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
    EXPECT_FALSE(encode_environment({{"A=B", "x"}}));
    EXPECT_FALSE(encode_environment({{"", "x"}}));
}

TEST(EnvironmentFile, RefusesATornFile) {
    EXPECT_FALSE(decode_environment("A=1"));
    EXPECT_FALSE(decode_environment(std::string_view("A\0B=1\0", 6)));
}

}  // namespace
}  // namespace belay::release
