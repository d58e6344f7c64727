#include "fd.hpp"
#include "json_body.hpp"
#include "wire.hpp"

#include <belay/async/event.hpp>
#include <belay/async/task_group.hpp>
#include <belay/base/log.hpp>
#include <belay/proxy/control_client.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <map>
#include <sys/socket.h>
#include <utility>

namespace belay::proxy {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using Socket = asio::local::stream_protocol::socket;

constexpr std::size_t kLineMax = 16 * 1024 * 1024;
constexpr Millis kRetryMax{1'000};

Errc errc_of(const std::string& text) {
    for (auto code :
         {Errc::invalid, Errc::unauthorized, Errc::forbidden, Errc::not_found, Errc::conflict,
          Errc::limit, Errc::timeout, Errc::canceled, Errc::unavailable, Errc::disk_full})
        if (to_string(code) == text) return code;
    return Errc::internal;
}

Result<JsonBody> result_of(const json& answer) {
    if (auto ok = answer.find("ok"); ok != answer.end()) return JsonBody(*ok);
    auto error = answer.value("error", json::object());
    if (!error.is_object())
        return Error{Errc::internal, "the proxy's answer is of an unknown form"};
    auto code = error.value("code", std::string());
    return Error{errc_of(code), error.value("message", std::string("no reason given"))};
}

Result<void> nothing_of(const Result<JsonBody>& answer) {
    if (!answer) return answer.error();
    return {};
}

// A call's descriptor goes with its first byte.
ssize_t send_with(int socket, std::string_view bytes, int fd) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        auto* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace

struct ControlClient::Connection {
    // A request on its way. Sent again over the next connection if the present one breaks: all may
    // be repeated.
    struct Call {
        std::int64_t id = 0;
        std::string line;
        Fd passed;
        std::size_t sent = 0;
        async::Event answered;
        Result<JsonBody> answer = Error{Errc::unavailable, ""};
    };
    using CallPointer = std::shared_ptr<Call>;

    Connection(asio::any_io_executor given, async::Timers& clock, ControlClientOptions chosen)
        : executor(given), timers(clock), options(std::move(chosen)), group(given) {}

    Task<void> keep_connected();
    Task<bool> connect();
    Task<void> greet_and_read();
    Task<bool> read_line(std::string& line);
    Task<void> write_all();
    Task<bool> write_call(CallPointer call);
    Task<Result<JsonBody>> call(json request, Millis timeout, Fd passed);
    void take_answer(const std::string& line);
    Task<Result<void>> say(std::string app, std::int64_t epoch, json request);
    void repeat_to(const ports::TrafficHello& hello);
    void enqueue(const CallPointer& call);
    void disconnect();

    asio::any_io_executor executor;
    async::Timers& timers;
    ControlClientOptions options;
    std::function<void(const ports::TrafficHello&)> on_connected;
    async::TaskGroup group;
    async::Cancel ending;
    std::unique_ptr<Socket> socket;
    bool ready = false;  // greeted
    int proxy_pid = 0;
    bool writing = false;
    std::string in;
    std::int64_t last_id = 0;
    std::map<std::int64_t, CallPointer> calls;  // not answered
    // What was confirmed last of each app: its route, or that it is removed.
    struct Said {
        std::int64_t epoch = 0;
        json request;
    };
    std::map<std::string, Said> said;
    std::deque<CallPointer> outgoing;
};

Task<bool> ControlClient::Connection::connect() {
    auto fresh = std::make_unique<Socket>(executor);
    boost::system::error_code failure;
    fresh->open(asio::local::stream_protocol(), failure);
    if (failure) co_return false;
    ::fcntl(fresh->native_handle(), F_SETFD, FD_CLOEXEC);
    // To a Unix socket this succeeds or fails at once.
    try {
        asio::local::stream_protocol::endpoint endpoint(options.socket);
        fresh->connect(endpoint, failure);
    } catch (const boost::system::system_error&) {
        log::error("the control socket's path is too long", {{"path", options.socket}});
        co_return false;
    }
    if (failure) co_return false;
    fresh->non_blocking(true, failure);
    socket = std::move(fresh);
    in.clear();
    co_return true;
}

Task<void> ControlClient::Connection::keep_connected() {
    auto pause = options.retry_interval;
    while (!ending.requested()) {
        auto there = co_await connect();
        if (there) {
            pause = options.retry_interval;
            co_await greet_and_read();
            disconnect();
        }
        auto whole = co_await timers.sleep(pause, ending);
        if (!whole) break;
        pause = std::min(pause * 2, kRetryMax);
    }
}

void ControlClient::Connection::disconnect() {
    ready = false;
    proxy_pid = 0;
    outgoing.clear();
    if (socket) {
        boost::system::error_code ignored;
        socket->close(ignored);
    }
}

// Whoever reserves epochs hears of the proxy's before any call goes out.
Task<void> ControlClient::Connection::greet_and_read() {
    auto interrupted = ending.on_request([this] {
        boost::system::error_code ignored;
        socket->close(ignored);
    });
    constexpr std::string_view greeting = "{\"id\":0,\"op\":\"hello\"}\n";
    if (send_with(socket->native_handle(), greeting, -1) != static_cast<ssize_t>(greeting.size()))
        co_return;
    std::string line;
    auto got = co_await read_line(line);
    if (!got) co_return;
    auto answer = json::parse(line, nullptr, false);
    auto hello = answer.is_object() ? read_hello(answer.value("ok", json()))
                                    : Error{Errc::invalid, "no hello"};
    if (!hello) {
        log::error("the proxy's greeting can't be read", {{"error", hello.error().message}});
        co_return;
    }
    if (on_connected) on_connected(*hello);
    ready = true;
    repeat_to(*hello);
    proxy_pid = static_cast<int>(hello->pid);
    for (auto& [id, waiting] : calls) {
        waiting->sent = 0;
        enqueue(waiting);
    }
    for (;;) {
        got = co_await read_line(line);
        if (!got) co_return;
        take_answer(line);
    }
}

// One that died before it had written its table, or found it torn, comes back with an older one,
// whose upstreams may be gone by now.
void ControlClient::Connection::repeat_to(const ports::TrafficHello& hello) {
    for (const auto& [app, last] : said) {
        auto served = hello.apps.find(app);
        if (served != hello.apps.end() && served->second.epoch >= last.epoch) continue;
        log::warning("the proxy came back with an older route; it is told again",
                     {{"app", app}, {"epoch", fmt::to_string(last.epoch)}});
        auto again = std::make_shared<Call>();
        auto request = last.request;
        again->id = request["id"] = ++last_id;
        again->line = request.dump() + "\n";
        enqueue(again);
    }
}

Task<Result<void>> ControlClient::Connection::say(std::string app, std::int64_t epoch,
                                                  json request) {
    auto copy = request;
    auto answer = co_await call(std::move(request), options.call_timeout, Fd());
    if (answer && epoch >= said[app].epoch) said[app] = Said{epoch, std::move(copy)};
    co_return nothing_of(answer);
}

Task<bool> ControlClient::Connection::read_line(std::string& line) {
    for (;;) {
        auto end = in.find('\n');
        if (end != std::string::npos) {
            line = in.substr(0, end);
            in.erase(0, end + 1);
            co_return true;
        }
        if (in.size() > kLineMax) co_return false;
        char block[16384];
        auto space = asio::buffer(block);
        auto [failure, bytes] =
            co_await socket->async_read_some(space, asio::as_tuple(asio::use_awaitable));
        if (failure) co_return false;
        in.append(block, bytes);
    }
}

void ControlClient::Connection::take_answer(const std::string& line) {
    auto answer = json::parse(line, nullptr, false);
    if (!answer.is_object()) return;
    auto id = answer.find("id");
    if (id == answer.end() || !id->is_number_integer()) return;
    auto at = calls.find(id->get<std::int64_t>());
    if (at == calls.end()) return;  // its caller has given up
    auto call = at->second;
    calls.erase(at);
    call->answer = result_of(answer);
    call->answered.set();
}

void ControlClient::Connection::enqueue(const CallPointer& call) {
    outgoing.push_back(call);
    if (!std::exchange(writing, true)) group.spawn("proxy control", write_all());
}

Task<void> ControlClient::Connection::write_all() {
    while (!outgoing.empty()) {
        auto call = outgoing.front();
        outgoing.pop_front();
        auto sent = co_await write_call(call);
        if (!sent) break;
    }
    writing = false;
}

Task<bool> ControlClient::Connection::write_call(CallPointer call) {
    while (call->sent < call->line.size()) {
        if (!socket->is_open()) co_return false;
        auto rest = std::string_view(call->line).substr(call->sent);
        auto bytes =
            send_with(socket->native_handle(), rest, call->sent == 0 ? call->passed.get() : -1);
        if (bytes > 0) {
            call->sent += static_cast<std::size_t>(bytes);
        } else if (errno == EAGAIN) {
            auto [failure] = co_await socket->async_wait(Socket::wait_write,
                                                         asio::as_tuple(asio::use_awaitable));
            if (failure) co_return false;
        } else if (errno != EINTR) {
            co_return false;
        }
    }
    co_return true;
}

Task<Result<JsonBody>> ControlClient::Connection::call(json request, Millis timeout, Fd passed) {
    if (ending.requested()) co_return Error{Errc::canceled, "the line to the proxy is closed"};
    auto pending = std::make_shared<Call>();
    pending->id = ++last_id;
    request["id"] = pending->id;
    pending->line = request.dump() + "\n";
    pending->passed = std::move(passed);
    calls[pending->id] = pending;
    if (ready) enqueue(pending);
    auto answered = co_await timers.wait(pending->answered, timeout, ending);
    calls.erase(pending->id);
    if (answered) co_return pending->answer;
    if (ending.requested()) co_return Error{Errc::canceled, "the line to the proxy is closed"};
    if (ready)
        co_return Error{Errc::unavailable,
                        "the proxy did not answer within " + format_duration(timeout)};
    co_return Error{Errc::unavailable,
                    "the proxy is not there: nothing listens at " + options.socket};
}

ControlClient::ControlClient(asio::any_io_executor executor, async::Timers& timers,
                             ControlClientOptions options)
    : connection_(std::make_unique<Connection>(executor, timers, std::move(options))) {}

ControlClient::~ControlClient() = default;

void ControlClient::start() {
    connection_->group.spawn("proxy control", connection_->keep_connected());
}

Task<void> ControlClient::stop() {
    connection_->ending.request();
    co_await connection_->group.join();
}

int ControlClient::proxy_pid() const {
    return connection_->proxy_pid;
}

bool ControlClient::connected() const {
    return connection_->ready;
}

void ControlClient::on_connected(std::function<void(const ports::TrafficHello&)> callback) {
    connection_->on_connected = std::move(callback);
}

Task<Result<ports::TrafficHello>> ControlClient::hello() {
    json request = {{"op", "hello"}};
    auto answer =
        co_await connection_->call(std::move(request), connection_->options.call_timeout, Fd());
    if (!answer) co_return answer.error();
    co_return read_hello(answer->json);
}

Task<Result<void>> ControlClient::apply(ports::Route route) {
    json request = {{"op", "route"}, {"route", to_json(route)}};
    co_return co_await connection_->say(route.app, route.epoch, std::move(request));
}

Task<Result<void>> ControlClient::remove(std::string app, std::int64_t epoch) {
    json request = {{"op", "remove"}, {"app", app}, {"epoch", epoch}};
    co_return co_await connection_->say(std::move(app), epoch, std::move(request));
}

Task<Result<void>> ControlClient::sync() {
    json request = {{"op", "sync"}};
    auto answer =
        co_await connection_->call(std::move(request), connection_->options.call_timeout, Fd());
    co_return nothing_of(answer);
}

Task<Result<void>> ControlClient::set_settings(ports::TrafficSettings settings) {
    json request = {{"op", "settings"}, {"settings", to_json(settings)}};
    auto answer =
        co_await connection_->call(std::move(request), connection_->options.call_timeout, Fd());
    co_return nothing_of(answer);
}

Task<Result<void>> ControlClient::add_listener(int fd, std::string name) {
    Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy) co_return errno_error(errno, "duplicating a listener");
    json names = json::array();
    names.push_back(name);
    json request = {{"op", "listen"}, {"names", std::move(names)}};
    auto answer = co_await connection_->call(std::move(request), connection_->options.call_timeout,
                                             std::move(copy));
    co_return nothing_of(answer);
}

Task<Result<void>> ControlClient::remove_listener(std::string address) {
    json request = {{"op", "unlisten"}, {"address", address}};
    auto answer =
        co_await connection_->call(std::move(request), connection_->options.call_timeout, Fd());
    co_return nothing_of(answer);
}

Task<Result<ports::Drained>> ControlClient::drain(std::string app, ReleaseNumber release,
                                                  Millis timeout) {
    json request = {
        {"op", "drain"}, {"app", app}, {"release", release}, {"timeout_ms", timeout.count()}};
    auto patience = timeout + connection_->options.call_timeout;
    auto answer = co_await connection_->call(std::move(request), patience, Fd());
    if (!answer) co_return answer.error();
    ports::Drained drained;
    drained.in_flight_left = answer->json.value("in_flight_left", std::uint64_t{0});
    drained.streams_closed = answer->json.value("streams_closed", std::uint64_t{0});
    co_return drained;
}

Task<Result<std::vector<ports::ReleaseCounters>>> ControlClient::counters(std::string app) {
    json request = {{"op", "counters"}, {"app", app}};
    auto answer =
        co_await connection_->call(std::move(request), connection_->options.call_timeout, Fd());
    if (!answer) co_return answer.error();
    std::vector<ports::ReleaseCounters> all;
    auto releases = answer->json.value("releases", json::array());
    for (const auto& item : releases) {
        auto counters = read_counters(item);
        if (!counters) co_return counters.error();
        all.push_back(*counters);
    }
    co_return all;
}

// By pages: neither loop is held up by a thousand apps at once.
Task<Result<ports::TrafficFigures>> ControlClient::figures(Millis patience) {
    ports::TrafficFigures all;
    std::string after;
    for (bool more = true; more;) {
        json request = {{"op", "figures"}, {"after", after}};
        auto answer = co_await connection_->call(std::move(request), patience, Fd());
        if (!answer) co_return answer.error();
        auto page = read_figures(answer->json);
        if (!page) co_return page.error();
        more = answer->json.value("more", false) && !page->apps.empty();
        if (more) after = page->apps.rbegin()->first;
        all.apps.merge(page->apps);
        page->apps = std::move(all.apps);
        all = std::move(*page);
    }
    co_return all;
}

Task<Result<ports::Serving>> ControlClient::serving(std::string app) {
    json request = {{"op", "serving"}, {"app", app}};
    auto answer =
        co_await connection_->call(std::move(request), connection_->options.call_timeout, Fd());
    if (!answer) co_return answer.error();
    co_return read_serving(answer->json);
}

Task<Result<void>> ControlClient::shutdown(Millis timeout) {
    json request = {{"op", "stop"}, {"timeout_ms", timeout.count()}};
    auto answer =
        co_await connection_->call(std::move(request), connection_->options.call_timeout, Fd());
    co_return nothing_of(answer);
}

}  // namespace belay::proxy
