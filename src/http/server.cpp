#include "client_address.hpp"
#include "session.hpp"

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/log.hpp>
#include <belay/http/server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace belay::http {

namespace asio = boost::asio;
using asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<stream_protocol>;

namespace {

// Who comes from an address of this machine itself is as near as the loopback.
Address peer_address(int fd) {
    sockaddr_storage theirs{}, ours{};
    socklen_t size = sizeof theirs, own_size = sizeof ours;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&theirs), &size) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&ours), &own_size) != 0)
        return {};
    auto address = endpoint_of(theirs).address;
    if (is_loopback(address) || address != endpoint_of(ours).address) return address;
    return loopback();
}

bool keeps_waiting(Phase phase) {
    return phase == Phase::opening || phase == Phase::idle || phase == Phase::head ||
           phase == Phase::body;
}

// Forges send their deliveries in one go.
bool is_slow(const Connection& connection, std::chrono::steady_clock::time_point now) {
    constexpr double kPace = 16 * 1024;  // bytes a second
    constexpr std::chrono::milliseconds kFirst{500};
    if (connection.phase != Phase::body) return true;
    std::chrono::duration<double> waited = now - connection.waiting_since;
    return waited > kFirst && static_cast<double>(connection.body_bytes) < waited.count() * kPace;
}

}  // namespace

class Server::Core {
  public:
    Core(asio::any_io_executor executor, engine::Api& api, const ports::Forges& forges,
         ports::Store* store, Options options)
        : executor_(executor),
          options_(std::move(options)),
          timers_(async::make_timers(executor)),
          tasks_(executor),
          limits_(*timers_),
          refusals_(api, *timers_, tasks_),
          hooks_(api, forges, refusals_, limits_, pool_, options_),
          access_(store, *timers_, tasks_),
          guard_(Context{api, *timers_, pool_, options_, access_, store}, tasks_),
          shared_{Context{api, *timers_, pool_, options_, access_, store},
                  hooks_,
                  guard_,
                  tasks_,
                  limits_,
                  tls_,
                  options_.trusted_proxies,
                  handshakes_} {}
    ~Core() {
        pool_.join();
        handshakes_.join();
    }

    void start(const std::vector<Listener>& listeners);
    Task<void> stop(Millis deadline);
    Result<void> configure(Settings settings) {
        static_cast<Settings&>(options_) = std::move(settings);
        return tls_.use(options_.tls_cert, options_.tls_key);
    }
    Counts counts() const {
        return Counts{connections_.size(), shed_, hooks_.bodies_in_memory(), scratch_.buffered,
                      shared_.refused_hooks};
    }
    std::optional<TimePoint> certificate_ends() const { return tls_.ends(); }

  private:
    Task<void> accept(Acceptor& acceptor, bool local);
    Task<void> session(std::shared_ptr<Connection> connection);
    bool make_room(bool local);
    std::shared_ptr<Connection> most_dispensable() const;
    void close_if(bool (*wanted)(Phase));

    asio::any_io_executor executor_;
    Options options_;
    std::unique_ptr<async::Timers> timers_;
    Scratch scratch_;  // outlives the connections, which tasks hold
    asio::thread_pool pool_{1};
    asio::thread_pool handshakes_{1};
    async::TaskGroup tasks_;
    Limits limits_;
    TlsFiles tls_;
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
    auto tls = tls_.use(options_.tls_cert, options_.tls_key);
    if (!tls) log::error("server.tls", {{"error", tls.error().message}});
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
        auto peer = local ? local_peer(socket.native_handle(), options_.deploy_group) : Peer();
        auto address = local ? Address() : peer_address(socket.native_handle());
        auto connection = std::make_shared<Connection>(std::move(socket), peer, address, scratch_);
        connection->client_known = !is_one_of(options_.trusted_proxies, address);
        tasks_.spawn("session", session(std::move(connection)));
    }
}

// When all places are taken, somebody goes: whoever opens many and sends little must not keep
// others out.
bool Server::Core::make_room(bool local) {
    auto most = options_.connections -
                (local ? 0 : std::min(options_.reserved_for_socket, options_.connections));
    if (connections_.size() < most) return true;
    ++shed_;
    auto victim = most_dispensable();
    if (!victim) return false;
    victim->close();
    connections_.remove(victim);
    return true;
}

// Of those that keep us waiting the one that has done so longest, among them first of the address
// that has the most: an attacker with few addresses only displaces himself. Who is sending a body
// at a good pace goes only where there is nobody else.
std::shared_ptr<Connection> Server::Core::most_dispensable() const {
    auto now = std::chrono::steady_clock::now();
    struct Rank {
        bool slow;
        std::size_t share;
        std::chrono::steady_clock::time_point since;
        bool before(const Rank& other) const {
            if (slow != other.slow) return slow;
            if (share != other.share) return share > other.share;
            return since < other.since;
        }
    };
    std::map<std::array<std::uint8_t, 16>, std::size_t> shares;
    for (const auto& connection : connections_)
        if (connection->client_known) ++shares[connection->client.bytes];
    std::shared_ptr<Connection> found;
    Rank best{};
    for (const auto& connection : connections_) {
        if (connection->peer().local || !keeps_waiting(connection->phase)) continue;
        const auto share = connection->client_known ? shares[connection->client.bytes] : 1;
        const Rank rank{is_slow(*connection, now), share, connection->waiting_since};
        if (found && !rank.before(best)) continue;
        found = connection;
        best = rank;
    }
    return found;
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
        return phase == Phase::opening || phase == Phase::idle || phase == Phase::head ||
               phase == Phase::streaming;
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
Result<void> Server::configure(Settings settings) {
    return core_->configure(std::move(settings));
}
Server::Counts Server::counts() const {
    return core_->counts();
}
std::optional<TimePoint> Server::certificate_ends() const {
    return core_->certificate_ends();
}

}  // namespace belay::http
