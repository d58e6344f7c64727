// The daemon's line to the proxy: a Unix socket, one JSON object a line each way.
//   {"id": 7, "op": "route", "route": {...}}   ->   {"id": 7, "ok": {...}}   or   {"id": 7,
//   "error": {"code", "message"}}
// Ops: hello route remove settings listen unlisten drain counters serving sync status stop.
// `listen` takes its sockets from SCM_RIGHTS of the same message. Answers may come out of order
// (drain, sync).
#pragma once

#include "fd.hpp"
#include "json_body.hpp"
#include "listeners.hpp"
#include "loop.hpp"
#include "plane.hpp"
#include "routes_file.hpp"

#include <belay/base/error.hpp>

#include <functional>
#include <memory>
#include <set>
#include <string>

namespace belay::proxy {

class ControlConnection;

class ControlServer final : Watcher {
  public:
    struct Parts {
        Plane& plane;
        Listeners& listeners;
        RoutesWriter& writer;
        ports::TrafficHello self;         // version, pid, instance, start, warning
        std::function<void(Millis)> end;  // op `stop`
    };

    explicit ControlServer(Parts parts);
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;
    ~ControlServer() override;

    // Replaces what lies at the path. Errc of the errno, e.g. too long a path.
    Result<void> listen(const std::string& path);
    // Ends all connections.
    void close();
    // Also takes no more, until listen().
    void unlisten();

  private:
    friend class ControlConnection;
    using Reply = std::function<void(Result<JsonBody>)>;

    void on_events(std::uint32_t events) override;
    void perform(const nlohmann::json& request, std::vector<Fd>& passed, Reply reply);
    Result<JsonBody> change_route(const nlohmann::json& request);
    Result<JsonBody> remove_route(const nlohmann::json& request);
    Result<JsonBody> change_settings(const nlohmann::json& request);
    Result<JsonBody> add_listeners(const nlohmann::json& request, std::vector<Fd>& passed);
    Result<JsonBody> remove_listener(const nlohmann::json& request);
    Result<JsonBody> counters(const nlohmann::json& request) const;
    nlohmann::json figures(const std::string& after) const;
    Result<JsonBody> serving(const nlohmann::json& request) const;
    nlohmann::json hello() const;
    nlohmann::json status() const;
    Flow<> drain(std::string app, ReleaseNumber number, Millis timeout, Reply reply);
    void store();

    Parts parts_;
    Fd socket_;
    std::set<std::shared_ptr<ControlConnection>> connections_;
};

}  // namespace belay::proxy
