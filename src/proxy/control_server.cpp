#include "control_server.hpp"

#include "control_connection.hpp"
#include "json_body.hpp"
#include "wire.hpp"

#include <belay/base/log.hpp>
#include <belay/sys/service_manager.hpp>

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace belay::proxy {
namespace {

using nlohmann::json;

constexpr std::size_t kConnectionsMax = 64;
constexpr std::size_t kAppsTold = 100;  // in one answer: a millisecond of the loop

std::string text_of(const json& request, const char* key) {
    auto at = request.find(key);
    return at != request.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t number_of(const json& request, const char* key) {
    auto at = request.find(key);
    return at != request.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

Fd bind_socket(const sockaddr_un& address) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return socket;
    // The mode at birth: there must be no moment in which others can connect.
    auto mask = ::umask(0177);
    auto bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::umask(mask);
    if (bound != 0 || ::listen(socket.get(), 16) != 0) return Fd();
    return socket;
}

}  // namespace

ControlServer::ControlServer(Parts parts) : parts_(std::move(parts)) {}

ControlServer::~ControlServer() {
    close();
    if (socket_) parts_.plane.loop.forget(socket_.get(), *this);
}

Result<void> ControlServer::listen(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{Errc::invalid,
                     "the control socket's path " + path + " is longer than 107 bytes"};
    std::memcpy(address.sun_path, path.c_str(), path.size());
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return errno_error(errno, "replacing " + path);
    socket_ = bind_socket(address);
    if (!socket_) return errno_error(errno, "making the control socket " + path);
    parts_.plane.loop.watch(socket_.get(), *this, EPOLLIN);
    return {};
}

void ControlServer::unlisten() {
    if (socket_) parts_.plane.loop.forget(socket_.get(), *this);
    // First: whoever is let go connects again at once.
    socket_.close();
    close();
}

void ControlServer::close() {
    auto all = std::exchange(connections_, {});
    for (const auto& connection : all)
        connection->cancel();
}

void ControlServer::on_events(std::uint32_t) {
    Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client || connections_.size() >= kConnectionsMax) return;
    auto connection =
        std::make_shared<ControlConnection>(*this, parts_.plane.loop, std::move(client));
    connections_.insert(connection);
    connection->serve(connection).start();
}

void ControlServer::perform(const json& request, std::vector<Fd>& passed, Reply reply) {
    auto op = text_of(request, "op");
    if (op == "hello") return reply(JsonBody(hello()));
    if (op == "route") return reply(change_route(request));
    if (op == "remove") return reply(remove_route(request));
    if (op == "settings") return reply(change_settings(request));
    if (op == "listen") return reply(add_listeners(request, passed));
    if (op == "unlisten") return reply(remove_listener(request));
    if (op == "counters") return reply(counters(request));
    if (op == "figures") return reply(JsonBody(figures(text_of(request, "after"))));
    if (op == "serving") return reply(serving(request));
    if (op == "status") return reply(JsonBody(status()));
    if (op == "drain")
        return drain(text_of(request, "app"), number_of(request, "release"),
                     Millis{number_of(request, "timeout_ms")}, std::move(reply))
            .start();
    if (op == "sync")
        return parts_.writer.when_stored([reply](Result<void> stored) {
            if (stored)
                reply(JsonBody(json::object()));
            else
                reply(stored.error());
        });
    if (op == "stop") {
        reply(JsonBody(json::object()));
        return parts_.end(Millis{number_of(request, "timeout_ms")});
    }
    reply(Error{Errc::invalid, "there is no op \"" + op + "\""});
}

void ControlServer::store() {
    parts_.writer.changed([this] { return parts_.plane.routing.state(); });
}

Result<JsonBody> ControlServer::change_route(const json& request) {
    auto route = read_route(request.value("route", json::object()));
    if (!route) return route.error();
    auto epoch = route->epoch;
    if (auto applied = parts_.plane.routing.apply(std::move(*route)); !applied)
        return applied.error();
    store();
    return JsonBody(json{{"epoch", epoch}});
}

Result<JsonBody> ControlServer::remove_route(const json& request) {
    auto app = text_of(request, "app");
    auto epoch = number_of(request, "epoch");
    if (auto name = check_app_name(app); !name) return name.error();
    if (auto removed = parts_.plane.routing.remove(app, epoch); !removed) return removed.error();
    store();
    return JsonBody(json{{"epoch", epoch}});
}

Result<JsonBody> ControlServer::change_settings(const json& request) {
    auto settings = read_settings(request.value("settings", json::object()));
    if (!settings) return settings.error();
    if (*settings == parts_.plane.routing.settings()) return JsonBody(json::object());
    if (auto set = parts_.plane.routing.set_settings(std::move(*settings)); !set)
        return set.error();
    store();
    return JsonBody(json::object());
}

Result<JsonBody> ControlServer::add_listeners(const json& request, std::vector<Fd>& passed) {
    auto names = request.value("names", json::array());
    if (!names.is_array() || names.empty() || names.size() > passed.size())
        return Error{Errc::invalid, "listen needs one socket for each name"};
    json addresses = json::array();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const int socket = passed[i].get();
        auto added = parts_.listeners.add(std::move(passed[i]));
        if (!added) return added.error();
        sys::keep_listener(socket);
        addresses.push_back(*added);
    }
    return JsonBody(json{{"addresses", std::move(addresses)}});
}

Result<JsonBody> ControlServer::remove_listener(const json& request) {
    auto address = text_of(request, "address");
    if (!parts_.listeners.close(address, parts_.plane.routing.longest_drain()))
        return Error{Errc::not_found, "no listener at \"" + address + "\""};
    return JsonBody(json::object());
}

Result<JsonBody> ControlServer::counters(const json& request) const {
    json releases = json::array();
    for (const auto& counters : parts_.plane.routing.counters(text_of(request, "app")))
        releases.push_back(to_json(counters));
    return JsonBody(json{{"instance", parts_.self.instance}, {"releases", std::move(releases)}});
}

json ControlServer::figures(const std::string& after) const {
    const auto& plane = parts_.plane;
    ports::TrafficFigures told;
    told.started_at = parts_.self.started_at;
    told.connections = plane.sessions.size();
    told.idle_connections = plane.idle.size();
    told.connections_max = plane.connections_max();
    told.unrouted = plane.unrouted;
    const bool more = plane.routing.figures(after, kAppsTold, told.apps);
    auto answer = to_json(told);
    answer["more"] = more;
    return answer;
}

Result<JsonBody> ControlServer::serving(const json& request) const {
    auto app = text_of(request, "app");
    auto all = parts_.plane.routing.serving();
    auto at = all.find(app);
    if (at == all.end())
        return Error{Errc::not_found, "the proxy has never heard of an app \"" + app + "\""};
    return JsonBody(to_json(at->second));
}

json ControlServer::hello() const {
    auto hello = parts_.self;
    hello.apps = parts_.plane.routing.serving();
    hello.listeners = parts_.listeners.addresses();
    return to_json(hello);
}

json ControlServer::status() const {
    auto status = hello();
    status["connections"] = parts_.plane.sessions.size();
    status["idle_connections"] = parts_.plane.idle.size();
    status["connections_max"] = parts_.plane.connections_max();
    status["leaving"] = parts_.plane.leaving;
    status["unstored"] = parts_.writer.busy();
    return status;
}

// Looked at every tick, while somebody waits: simpler than telling, and nobody waits often.
Flow<> ControlServer::drain(std::string app, ReleaseNumber number, Millis timeout, Reply reply) {
    auto& plane = parts_.plane;
    auto release = plane.routing.release(app, number);
    if (plane.routing.is_live(app, number)) {
        reply(Error{Errc::conflict, "release " + std::to_string(number) + " of " + app +
                                        " is the one that is routed"});
        co_return;
    }
    std::size_t closed = 0;
    if (release) {
        auto deadline = plane.loop.now_us() + std::chrono::microseconds(timeout).count();
        while (!release->idle() && plane.loop.now_us() < deadline && !plane.loop.stopping())
            co_await Sleep(plane.loop, Millis{20});
        if (!plane.routing.is_live(app, number)) closed = plane.routing.send_streams_away(release);
    }
    json drained = {{"in_flight_left", release ? release->counters.in_flight : 0},
                    {"streams_closed", closed}};
    reply(JsonBody(std::move(drained)));
}

}  // namespace belay::proxy
