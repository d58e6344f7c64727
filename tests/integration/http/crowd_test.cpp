// Whoever takes places must not keep others out.
#include "http_fixture.hpp"

#include <sys/resource.h>

namespace belay::test {
namespace {

// A sanitizer makes the whole daemon several times slower; taking in the crowd itself counts too.
// The second is held to by the end-to-end test.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr Millis kPromised{15'000};
#else
constexpr Millis kPromised{1'000};
#endif

class Crowd : public HttpTest {
  protected:
    Crowd() {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }

    // Not connected where the server has no place and its backlog is full.
    Client from(const std::string& address) {
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto source = loopback(0);
        ::inet_pton(AF_INET, address.c_str(), &source.sin_addr);
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source), 0);
        auto server = loopback(port_);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server), 0);
        return Client(fd);
    }
    std::vector<Client> crowd(int count, const std::string& text, bool one_address) {
        std::vector<Client> clients;
        for (int i = 0; i < count; ++i) {
            clients.push_back(from(one_address ? "127.0.9.9"
                                               : "127.1." + std::to_string(i / 250) + "." +
                                                     std::to_string(i % 250 + 1)));
            clients.back().send(text);
        }
        return clients;
    }
    // Of a signed delivery, on a connection of its own.
    Millis answer_time() {
        auto began = std::chrono::steady_clock::now();
        EXPECT_EQ(ask(from("127.0.0.2"), hook(push_body(10'000))).status, 202);
        return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - began);
    }
    void expect_service_among(const std::string& text, bool one_address) {
        start();
        auto clients = crowd(2000, text, one_address);
        for (int i = 0; i < 20; ++i) {
            EXPECT_LT(answer_time().count(), kPromised.count());
            for (std::size_t at = static_cast<std::size_t>(i); at < clients.size(); at += 20)
                clients[at].send("x");
        }
        EXPECT_LE(on_loop([&] { return server_->counts().connections; }), 480u);
        // Slow ones hold what they sent, not what they might send.
        EXPECT_LE(on_loop([&] { return server_->counts().buffered; }), std::size_t{3} << 20);
        EXPECT_EQ(get("/healthz").status, 200) << "the socket has places of its own";
    }
};

TEST_F(Crowd, OfHeadsThatNeverEnd) {
    expect_service_among("POST /hooks/shop HTTP/1.1\r\nHost: x\r\nX-A: ", false);
}
TEST_F(Crowd, OfHeadsFromOneAddress) {
    expect_service_among("POST /hooks/shop HTTP/1.1\r\nHost: x\r\nX-A: ", true);
}
TEST_F(Crowd, OfBodiesThatNeverEnd) {
    expect_service_among(hook_head("Content-Length: 100000") + "{", false);
}
TEST_F(Crowd, OfBodiesFromOneAddress) {
    expect_service_among(hook_head("Content-Length: 100000") + "{", true);
}
TEST_F(Crowd, OfConnectionsThatSayNothing) {
    expect_service_among("", false);
}
TEST_F(Crowd, OfConnectionsThatStayAfterTheirAnswer) {
    expect_service_among(request("GET", "/healthz"), false);
}

// A delivery that comes over a slow line is older than those who push in, but makes progress.
TEST_F(Crowd, DisplacesItselfBeforeABodyThatComes) {
    start();
    auto sender = from("127.0.0.2");
    const auto text = hook(push_body(400'000));
    std::size_t sent = 0;
    auto send = [&](std::size_t count) {
        count = std::min(count, text.size() - sent);
        ASSERT_TRUE(sender.send(std::string_view(text).substr(sent, count)));
        sent += count;
    };
    send(100'000);
    auto heads = crowd(1000, "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nX-A: ", false);
    send(100'000);
    auto bodies = crowd(1000, hook_head("Content-Length: 100000") + "{", true);
    send(text.size());
    EXPECT_EQ(read_answer(sender).status, 202);
}

TEST_F(Crowd, OfOneAddressCostsNobodyElseHisPlace) {
    options_.connections = 20;
    options_.reserved_for_socket = 4;
    start();
    auto first = from("127.0.0.2");
    first.send("POST /hooks/shop HT");
    eventually([&] { return server_->counts().connections == 1; });
    auto others = crowd(100, "GET / HT", true);
    const auto whole = hook(push_body());
    first.send(whole.substr(std::string("POST /hooks/shop HT").size()));
    EXPECT_EQ(read_answer(first).status, 202);
}

}  // namespace
}  // namespace belay::test
