#include <gtest/gtest.h>

#include <health/address.hpp>

namespace belay::health {
namespace {

TEST(Address, ReadsUrls) {
    auto address = parse_url("http://127.0.0.1:9000/up?x=1#part");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->authority(), "127.0.0.1:9000");
    EXPECT_EQ(address->path, "/up?x=1");
    address = parse_url("http://[::1]");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->authority(), "[::1]:80");
    EXPECT_EQ(address->path, "/");
    address = parse_url("tcp://db.example:5432");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->authority(), "db.example:5432");
    address = parse_url("http://localhost?x");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->path, "/?x");
}

TEST(Address, SaysWhatIsWrongWithAUrl) {
    for (const char* url :
         {"", "ftp://x/", "http://", "http://:80/", "http://a:0/", "http://a:70000/", "http://a:x/",
          "http://u:p@h/", "http://h/a b", "http://h/\r\nX: y", "http://[::1", "https://h/"}) {
        auto address = parse_url(url);
        ASSERT_FALSE(address) << url;
        EXPECT_EQ(address.error().code, Errc::invalid);
        EXPECT_NE(address.error().message.find("health.url"), std::string::npos);
    }
}

}  // namespace
}  // namespace belay::health
