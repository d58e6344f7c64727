// A real server on real sockets over an engine that is a fake; clients block on the test's own
// thread.
#pragma once

#include "client.hpp"
#include "fakes/fake_api.hpp"
#include "fakes/fake_store.hpp"
#include "support/signing.hpp"

#include <belay/forge/forge.hpp>
#include <belay/http/server.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <netinet/in.h>
#include <string>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>

namespace belay::test {

inline const std::string kSecret = "s3cret of the shop";

class HttpTest : public ::testing::Test {
  protected:
    HttpTest() {
        char name[] = "/tmp/belay-http-XXXXXX";
        directory_ = ::mkdtemp(name);
        options_.spool = directory_;
        api_.hooks["shop"] = engine::HookSettings{{Secret(kSecret)}, "auto"};
        engine::AppView shop;
        shop.name = "shop";
        api_.views["shop"] = shop;
    }
    ~HttpTest() override {
        if (server_) stop();
        std::filesystem::remove_all(directory_);
    }

    void start() {
        int tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        ASSERT_EQ(::bind(tcp, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        ::getsockname(tcp, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        ASSERT_EQ(::listen(tcp, 1024), 0);
        int unix_socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        auto path = socket_address();
        ASSERT_EQ(::bind(unix_socket, reinterpret_cast<sockaddr*>(&path), sizeof path), 0);
        // Who may do what is the server's to judge here, not the file's.
        ASSERT_EQ(::chmod(path.sun_path, 0666), 0);
        ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
        ASSERT_EQ(::listen(unix_socket, 1024), 0);
        server_ = std::make_unique<http::Server>(context_.get_executor(), api_, forge::table(),
                                                 store_.get(), options_);
        server_->start({{tcp, false}, {unix_socket, true}});
        thread_ = std::thread([this] { context_.run(); });
    }

    void stop(Millis deadline = Millis{1000}) {
        boost::asio::post(context_, [this, deadline] {
            boost::asio::co_spawn(context_, server_->stop(deadline),
                                  [this](std::exception_ptr) { work_.reset(); });
        });
        thread_.join();
        server_.reset();
    }

    // Runs on the loop and returns its result.
    template <class Function>
    auto on_loop(Function function) {
        std::packaged_task<decltype(function())()> task(std::move(function));
        auto result = task.get_future();
        boost::asio::post(context_, [&task] { task(); });
        return result.get();
    }
    // Until it holds on the loop; fails the test after ten seconds.
    template <class Condition>
    void eventually(Condition condition) {
        auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!on_loop(condition)) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline);
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }

    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        return address;
    }
    sockaddr_un socket_address() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        auto path = directory_ + "/s";
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        return address;
    }
    Client tcp() {
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto address = loopback(port_);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        return Client(fd);
    }
    Client local() {
        int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto address = socket_address();
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        return Client(fd);
    }

    static std::string request(const std::string& method, const std::string& target,
                               const std::string& headers = {}, const std::string& body = {}) {
        auto text = method + " " + target + " HTTP/1.1\r\nHost: belay\r\n" + headers;
        if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        return text + "\r\n" + body;
    }
    // As GitHub sends it.
    static std::string hook(const std::string& body, const std::string& headers = {},
                            const std::string& app = "shop") {
        return request("POST", "/hooks/" + app,
                       "Content-Type: application/json\r\nX-GitHub-Event: push\r\n"
                       "X-GitHub-Delivery: 1-2-3\r\nX-Hub-Signature-256: " +
                           github_signature(kSecret, body) + "\r\n" + headers,
                       body);
    }
    // The beginning of a hook of which `length` bytes are promised.
    static std::string hook_head(const std::string& length) {
        return "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\n"
               "Content-Type: application/json\r\n" +
               length + "\r\n\r\n";
    }
    static Answer ask(Client client, const std::string& text) {
        client.send(text);
        return read_answer(client, text.starts_with("HEAD"));
    }
    Answer get(const std::string& target, const std::string& headers = {}) {
        return ask(local(), request("GET", target, headers));
    }
    Answer post(const std::string& target, const std::string& json = {}) {
        return ask(local(), request("POST", target, "Content-Type: application/json\r\n", json));
    }

    static std::string push_body(std::size_t padding = 0) {
        return R"({"ref":"refs/heads/main","before":")" + std::string(40, '1') + R"(","after":")" +
               std::string(40, '2') + R"(","padding":")" + std::string(padding, 'x') + R"("})";
    }
    void write(const std::string& name, std::string_view text) {
        std::ofstream file(directory_ + "/" + name, std::ios::app);
        file << text;
    }

    std::string directory_;
    FakeApi api_;
    std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>();
    std::unique_ptr<FakeStore> store_ = std::make_unique<FakeStore>(disk_);
    http::Options options_;
    boost::asio::io_context context_{1};
    std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_{
        context_.get_executor()};
    std::unique_ptr<http::Server> server_;
    std::thread thread_;
    std::uint16_t port_ = 0;
};

}  // namespace belay::test
