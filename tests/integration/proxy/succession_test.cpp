// An upgrade of the proxy: at SIGHUP another one takes the listeners over.
#include "backend.hpp"
#include "proxy_process.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace belay::proxy {
namespace {

// systemd's end of sd_notify(3).
class Manager {
  public:
    Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        char name[] = "/tmp/belay-notify-XXXXXX";
        directory_ = ::mkdtemp(name);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const auto path = directory_ + "/notify";
        std::memcpy(address.sun_path, path.c_str(), path.size());
        ::bind(socket_.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address);
        ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    ~Manager() {
        ::unsetenv("NOTIFY_SOCKET");
        std::filesystem::remove_all(directory_);
    }
    // The value of the next message that sets this; empty: none within the time.
    std::string wait_for(const std::string& key, int milliseconds = 10'000) const {
        char text[4096];
        for (;;) {
            auto got = socket_.receive(text, sizeof text, milliseconds);
            if (got <= 0) return {};
            std::string message = "\n" + std::string(text, static_cast<std::size_t>(got)) + "\n";
            auto at = message.find("\n" + key + "=");
            if (at == std::string::npos) continue;
            at += key.size() + 2;
            return message.substr(at, message.find('\n', at) - at);
        }
    }

  private:
    Socket socket_;
    std::string directory_;
};

// The one that took over is a child of ours, as its predecessor was.
void end(pid_t pid) {
    int status = -1;
    EXPECT_TRUE(test::eventually([&] {
        ::kill(pid, SIGTERM);
        return ::waitpid(pid, &status, WNOHANG) == pid;
    }));
    EXPECT_EQ(status, 0);
}

TEST(Succession, AnotherProxyTakesTheListenersOverAndTheOldOneAnswersWhatItHasBegun) {
    Manager manager;
    Backend backend(1);
    ProxyProcess proxy;
    EXPECT_EQ(manager.wait_for("READY"), "1");
    proxy.route(1, 1, {backend.port()});
    auto begun = proxy.client(), kept = proxy.client();
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    receive_message(kept);
    begun.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(proxy.counts(1, "in_flight", 1));
    ::kill(proxy.pid(), SIGHUP);
    const auto successor = std::atoi(manager.wait_for("MAINPID").c_str());
    ASSERT_GT(successor, 0);
    EXPECT_NE(successor, proxy.pid());
    // What it serves by was on disk before it read it.
    EXPECT_TRUE(proxy.get("/").ends_with("release 1"));
    EXPECT_EQ(proxy.call({{"op", "hello"}})["ok"]["pid"], successor);
    auto slow = receive_message(begun);
    EXPECT_EQ(slow.body, "release 1");
    EXPECT_TRUE(slow.has("Connection: close"));
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    auto last = receive_message(kept);
    EXPECT_EQ(last.body, "release 1");
    EXPECT_TRUE(last.has("Connection: close"));
    EXPECT_EQ(proxy.wait(), 0);
    EXPECT_TRUE(proxy.get("/").ends_with("release 1"));
    end(successor);
}

TEST(Succession, AProxyWhoseSuccessorCantStartServesOn) {
    Manager manager;
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    ASSERT_EQ(proxy.call({{"op", "sync"}}).contains("ok"), true);
    std::ofstream(proxy.directory() + "/routes.json") << "{\"schema\": 99}";
    auto control = proxy.control();
    ::kill(proxy.pid(), SIGHUP);
    EXPECT_TRUE(control.closed_within(10'000));
    EXPECT_EQ(proxy.call({{"op", "hello"}})["ok"]["pid"], proxy.pid());
    EXPECT_TRUE(proxy.get("/").ends_with("release 1"));
    int status = 0;
    EXPECT_TRUE(test::eventually([&] { return ::waitpid(-1, &status, WNOHANG) > 0; }));
    EXPECT_EQ(WEXITSTATUS(status), 1) << "of the one that could not start";
}

TEST(Succession, WithoutAServiceManagerTheSignalIsNothing) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    auto control = proxy.control();
    ::kill(proxy.pid(), SIGHUP);
    EXPECT_EQ(proxy.call({{"op", "hello"}})["ok"]["pid"], proxy.pid());
    EXPECT_FALSE(control.closed_within(200));
}

// Its head promised a next request: the client may be sending one.
TEST(Succession, AnAnswerBegunBeforeTheEndDoesNotTakeItsConnectionAlong) {
    Backend backend(1);
    ProxyProcess proxy;
    proxy.route(1, 1, {backend.port()});
    auto client = proxy.client();
    client.send("GET /halves HTTP/1.1\r\nHost: a\r\n\r\n");
    auto head = client.receive_until("first");
    EXPECT_EQ(head.find("Connection: close"), std::string::npos);
    proxy.terminate();
    EXPECT_TRUE(
        test::eventually([&] { return proxy.call({{"op", "status"}})["ok"]["leaving"] == true; }));
    backend.second_half = true;
    EXPECT_EQ(client.receive_until("other"), "other");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    auto next = receive_message(client);
    EXPECT_EQ(next.body, "release 1");
    EXPECT_TRUE(next.has("Connection: close"));
    EXPECT_EQ(proxy.wait(), 0);
}

}  // namespace
}  // namespace belay::proxy
