#include "session.hpp"

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/log.hpp>
#include <belay/http/server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <list>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace belay::http {

namespace asio = boost::asio;
using asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<stream_protocol>;

class Server::Core {
  public:
    Core(asio::any_io_executor executor, engine::Api& api, const ports::Forges& forges,
         ports::Store* store, Options options)
        : executor_(executor),
          options_(std::move(options)),
          timers_(async::make_timers(executor)),
          tasks_(executor),
          refusals_(api, *timers_, tasks_),
          hooks_(api, forges, refusals_, pool_, options_),
          access_(store, *timers_, tasks_),
          guard_(Context{api, *timers_, pool_, options_, access_, store}, tasks_),
          shared_{Context{api, *timers_, pool_, options_, access_, store}, hooks_, guard_, tasks_} {
    }
    ~Core() { pool_.join(); }

    void start(const std::vector<Listener>& listeners);
    Task<void> stop(Millis deadline);
    Options& options() { return options_; }
    Counts counts() const { return Counts{connections_.size(), shed_, hooks_.bodies_in_memory()}; }

  private:
    Task<void> accept(Acceptor& acceptor, bool local);
    Task<void> session(std::shared_ptr<Connection> connection);
    bool make_room(bool local);
    void close_if(bool (*wanted)(Phase));

    asio::any_io_executor executor_;
    Options options_;
    std::unique_ptr<async::Timers> timers_;
    asio::thread_pool pool_{1};
    async::TaskGroup tasks_;
    Refusals refusals_;
    HookEndpoint hooks_;
    Access access_;
    Guard guard_;
    Shared shared_;
    async::Cancel stopping_;
    std::list<Acceptor> acceptors_;
    std::list<std::shared_ptr<Connection>> connections_;
    async::Event empty_;
    std::size_t shed_ = 0;
};

void Server::Core::start(const std::vector<Listener>& listeners) {
    empty_.set();
    tasks_.spawn("tokens", access_.load());
    for (const auto& listener : listeners) {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        ::getsockname(listener.fd, reinterpret_cast<sockaddr*>(&address), &size);
        auto& acceptor = acceptors_.emplace_back(executor_);
        acceptor.assign(stream_protocol(address.ss_family, 0), listener.fd);
        tasks_.spawn("accept", accept(acceptor, listener.local));
    }
}

Task<void> Server::Core::accept(Acceptor& acceptor, bool local) {
    constexpr Millis kPause{100};
    auto token = asio::as_tuple(asio::use_awaitable);
    while (!stopping_.requested()) {
        Socket socket(executor_);
        auto [failure] = co_await acceptor.async_accept(socket, token);
        if (stopping_.requested()) break;
        if (failure) {
            // Mostly out of descriptors, which passes.
            log::warning("a connection can't be accepted", {{"error", failure.message()}});
            co_await timers_->sleep(kPause, stopping_);
            continue;
        }
        if (!make_room(local)) continue;  // closes it
        int on = 1;
        if (!local) ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto peer = local ? local_peer(socket.native_handle(), options_.deploy_group)
                          : tcp_peer(socket.native_handle());
        auto connection = std::make_shared<Connection>(std::move(socket), peer);
        tasks_.spawn("session", session(std::move(connection)));
    }
}

// When all places are taken, the one that has been silent longest goes: whoever opens many and
// sends nothing must not keep others out.
bool Server::Core::make_room(bool local) {
    auto most = options_.connections -
                (local ? 0 : std::min(options_.reserved_for_socket, options_.connections));
    if (connections_.size() < most) return true;
    ++shed_;
    std::shared_ptr<Connection> silent;
    for (const auto& connection : connections_)
        if ((connection->phase == Phase::idle || connection->phase == Phase::head) &&
            !connection->peer().local && (!silent || connection->phase_since < silent->phase_since))
            silent = connection;
    if (!silent) return false;
    silent->close();
    connections_.remove(silent);
    return true;
}

Task<void> Server::Core::session(std::shared_ptr<Connection> connection) {
    connections_.push_back(connection);
    empty_.reset();
    co_await serve(shared_, connection);
    connections_.remove(connection);
    if (connections_.empty()) empty_.set();
}

void Server::Core::close_if(bool (*wanted)(Phase)) {
    auto all = connections_;  // closing may change the list
    for (const auto& connection : all)
        if (wanted(connection->phase)) connection->close();
}

Task<void> Server::Core::stop(Millis deadline) {
    stopping_.request();
    shared_.stopping = true;
    for (auto& acceptor : acceptors_) {
        boost::system::error_code ignored;
        acceptor.close(ignored);
    }
    close_if([](Phase phase) {
        return phase == Phase::idle || phase == Phase::head || phase == Phase::streaming;
    });
    co_await timers_->wait(empty_, deadline);
    close_if([](Phase) { return true; });
    co_await access_.save_uses();
    co_await tasks_.join();
}

Server::Server(asio::any_io_executor executor, engine::Api& api, const ports::Forges& forges,
               ports::Store* store, Options options)
    : core_(std::make_unique<Core>(std::move(executor), api, forges, store, std::move(options))) {}
Server::~Server() = default;

void Server::start(const std::vector<Listener>& listeners) {
    core_->start(listeners);
}
Task<void> Server::stop(Millis deadline) {
    return core_->stop(deadline);
}
void Server::set_hook_body(std::uint64_t bytes) {
    core_->options().hook_body = bytes;
}
Server::Counts Server::counts() const {
    return core_->counts();
}

}  // namespace belay::http
