#include <belay/base/address.hpp>

#include <gtest/gtest.h>

namespace belay {
namespace {

bool contains(const char* range, const char* address) {
    return Cidr::parse(range).value().contains(parse_address(address).value());
}

TEST(Cidr, ContainsByPrefix) {
    EXPECT_TRUE(contains("127.0.0.1/32", "127.0.0.1"));
    EXPECT_FALSE(contains("127.0.0.1/32", "127.0.0.2"));
    EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
    EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.1"));
    EXPECT_TRUE(contains("172.16.0.0/12", "172.31.255.255"));
    EXPECT_FALSE(contains("172.16.0.0/12", "172.32.0.0"));
    EXPECT_TRUE(contains("0.0.0.0/0", "8.8.8.8"));
    EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
    EXPECT_TRUE(contains("fd00::/8", "fdff::1"));
    EXPECT_TRUE(contains("::1", "::1"));
    EXPECT_TRUE(contains("::/0", "1.2.3.4"));
    EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"))
        << "a mapped v4 address is that v4 address";
}

TEST(Cidr, RefusesWhatIsNone) {
    for (auto bad : {"", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/", "10.0.0.0/8x",
                     "10.0.0.0/-1", "localhost"})
        EXPECT_FALSE(Cidr::parse(bad)) << bad;
}

}  // namespace
}  // namespace belay
