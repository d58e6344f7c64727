#include "proxy/http_head.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::proxy {
namespace {

int status_of(const std::string& bytes) {
    RequestHead head;
    auto bad = parse_request(bytes, head);
    return bad ? bad->status : 200;
}

TEST(RequestHead, IsReadWithItsFraming) {
    const std::string bytes =
        "POST /a?b=c HTTP/1.1\r\nHOST: Example.com:80\r\ncontent-length:  12 "
        "\r\nX-Empty:\r\nConnection: keep-alive, Foo\r\n\r\n";
    RequestHead head;
    ASSERT_FALSE(parse_request(bytes, head));
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.target, "/a?b=c");
    EXPECT_EQ(head.host, "Example.com:80");
    EXPECT_EQ(head.framing, Framing::length);
    EXPECT_EQ(head.length, 12u);
    EXPECT_TRUE(head.keep_alive);
    EXPECT_TRUE(head.nominated("foo"));
    EXPECT_FALSE(head.nominated("bar"));
}

TEST(RequestHead, KeepsAliveByVersionAndConnection) {
    auto keeps = [](const std::string& version, const std::string& connection) {
        RequestHead head;
        auto bytes = "GET / " + version + "\r\nHost: a\r\n" + connection + "\r\n";
        EXPECT_FALSE(parse_request(bytes, head));
        return head.keep_alive;
    };
    EXPECT_TRUE(keeps("HTTP/1.1", ""));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: Close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.0", ""));
    EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
}

TEST(RequestHead, UpgradesButNeverToHttp2) {
    auto upgrades = [](const std::string& fields) {
        RequestHead head;
        auto bytes = "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
        EXPECT_FALSE(parse_request(bytes, head));
        return head.upgrade;
    };
    EXPECT_TRUE(upgrades("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    EXPECT_FALSE(upgrades("Upgrade: websocket\r\n"));
    EXPECT_FALSE(upgrades("Connection: Upgrade\r\n"));
    EXPECT_FALSE(upgrades("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"));
}

TEST(RequestHead, TakesTheAbsoluteFormsHost) {
    RequestHead head;
    const std::string bytes = "GET HTTP://b.example:81?x HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(parse_request(bytes, head)->status, 400) << "a query needs a path here";
    const std::string good = "GET http://b.example:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n";
    ASSERT_FALSE(parse_request(good, head));
    EXPECT_EQ(head.host, "b.example:81");
    EXPECT_EQ(head.target, "/x?y");
}

TEST(RequestHead, RefusesEachKindOfDoubt) {
    const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
    EXPECT_EQ(status_of(get + "\r\n"), 200);
    EXPECT_EQ(status_of(get + "Transfer-Encoding: Chunked\r\n\r\n"), 200);
    EXPECT_EQ(status_of(get + "Content-Length: 0\r\n\r\n"), 200);
    EXPECT_EQ(status_of(get + "Content-Length: 99999999999999999999\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + "Content-Length: 9223372036854775807\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + "Content-Length:\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + "Content-Length: 0x10\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
    EXPECT_EQ(status_of(get + "Bad Name: x\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + ": x\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + "X: \x7f\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + "X: a\rb\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get + "X: caf\xc3\xa9\r\n\r\n"), 200);
    EXPECT_EQ(status_of("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("G@T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505);
    EXPECT_EQ(status_of("GET /\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    EXPECT_EQ(status_of("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    std::string many = get;
    for (int i = 0; i < 300; ++i)
        many += "X: y\r\n";
    EXPECT_EQ(status_of(many + "\r\n"), 431);
}

TEST(RequestHead, TellsLookalikesOfItsOwnFields) {
    RequestHead head;
    const std::string bytes =
        "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\nX_Forwarded-For: x\r\nX_Other: "
        "y\r\n\r\n";
    ASSERT_FALSE(parse_request(bytes, head));
    EXPECT_EQ(head.fields[1].known, FieldName::lookalike);
    EXPECT_EQ(head.fields[2].known, FieldName::lookalike);
    EXPECT_EQ(head.fields[3].known, FieldName::other);
    EXPECT_EQ(head.framing, Framing::none);
}

TEST(ResponseHead, KnowsWhereTheBodyEnds) {
    auto framing = [](const std::string& status, const std::string& fields, bool to_head = false) {
        ResponseHead head;
        auto bytes = "HTTP/1.1 " + status + "\r\n" + fields + "\r\n";
        EXPECT_FALSE(parse_response(bytes, to_head, head)) << bytes;
        return head.framing;
    };
    EXPECT_EQ(framing("200 OK", "Content-Length: 5\r\n"), Framing::length);
    EXPECT_EQ(framing("200", "Content-Length: 0\r\n"), Framing::none);
    EXPECT_EQ(framing("200 OK", "Transfer-Encoding: chunked\r\n"), Framing::chunked);
    EXPECT_EQ(framing("200 OK", ""), Framing::until_close);
    EXPECT_EQ(framing("204 No Content", ""), Framing::none);
    EXPECT_EQ(framing("304 Not Modified", "Content-Length: 5\r\n"), Framing::none);
    EXPECT_EQ(framing("200 OK", "Content-Length: 5\r\n", true), Framing::none);
    EXPECT_EQ(framing("100 Continue", ""), Framing::none);
}

TEST(ResponseHead, RefusesWhatIsNone) {
    for (const std::string bad :
         {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 099 X\r\n\r\n", "HTTP/1.1 600 X\r\n\r\n",
          "HTTP/1.1 2000\r\n\r\n", "HTTP/3 200 OK\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "200 OK\r\n\r\n"}) {
        ResponseHead head;
        EXPECT_TRUE(parse_response(bad, false, head)) << bad;
    }
}

TEST(HeadEnd, IsFoundAcrossReads) {
    const std::string bytes = "GET / HTTP/1.1\r\n\r\nrest";
    for (std::size_t seen = 0; seen < 17; ++seen)
        EXPECT_EQ(find_head_end(bytes, seen), 18u) << seen;
    EXPECT_EQ(find_head_end(bytes.substr(0, 17), 0), 0u);
}

}  // namespace
}  // namespace belay::proxy
