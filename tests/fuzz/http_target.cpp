// The HTTP layer as a client meets it: bytes over a socket. Whatever they are, the connection ends
// when the client has ended, and what comes back are answers.
#include "fakes/fake_api.hpp"

#include <belay/forge/forge.hpp>
#include <belay/http/server.hpp>

#include <boost/asio/io_context.hpp>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

void expect(bool holds) {
    if (!holds) std::abort();
}

class World {
  public:
    World() {
        expect(::mkdtemp(directory_.data()) != nullptr);
        address_.sun_family = AF_UNIX;
        std::snprintf(address_.sun_path, sizeof address_.sun_path, "%s/s", directory_.c_str());
        int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        expect(::bind(listening, reinterpret_cast<sockaddr*>(&address_), sizeof address_) == 0);
        expect(::listen(listening, 16) == 0);
        api_.hooks["shop"] = belay::engine::HookSettings{{belay::Secret("secret")}, "auto"};
        belay::engine::AppView shop;
        shop.name = "shop";
        api_.views["shop"] = shop;
        belay::http::Options options;
        options.spool = directory_;
        options.hook_body = 32 * 1024;
        server_ = std::make_unique<belay::http::Server>(loop_.get_executor(), api_,
                                                        belay::forge::table(), nullptr, options);
        server_->start({{listening, true}});
    }

    // All that comes back for these bytes and the end after them.
    std::string ask(std::string_view bytes) {
        int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        expect(::connect(fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_) == 0);
        std::string answers;
        bool ended = false;
        auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(8);
        while (true) {
            if (!ended) ended = send_some(fd, bytes);
            loop_.restart();
            loop_.poll();
            char piece[16384];
            auto got = ::recv(fd, piece, sizeof piece, 0);
            if (got == 0 || (got < 0 && errno != EAGAIN)) break;
            if (got > 0) answers.append(piece, static_cast<std::size_t>(got));
            expect(std::chrono::steady_clock::now() < deadline);
        }
        ::close(fd);
        loop_.poll();
        api_.asked.clear();
        api_.submitted.clear();
        api_.refused.clear();
        return answers;
    }

  private:
    // True when nothing is left and the server has been told so.
    static bool send_some(int fd, std::string_view& bytes) {
        while (!bytes.empty()) {
            auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN) return false;
            if (sent < 0) return true;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        ::shutdown(fd, SHUT_WR);
        return true;
    }

    // Left behind, as nothing is told of the end: run.py gives a place that goes.
    std::string directory_ = std::filesystem::temp_directory_path() / "belay-fuzz-XXXXXX";
    sockaddr_un address_{};
    belay::test::FakeApi api_;
    boost::asio::io_context loop_{1};
    std::unique_ptr<belay::http::Server> server_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto* world = new World();  // its coroutines wait for ever
    auto answers = world->ask({reinterpret_cast<const char*>(data), size});
    expect(answers.empty() || answers.starts_with("HTTP/1."));
    return 0;
}
