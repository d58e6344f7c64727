// The data plane's words as JSON: in routes.json and on the control socket alike. Durations in
// milliseconds (`_ms`).
#pragma once

#include <belay/ports/traffic.hpp>

#include <nlohmann/json_fwd.hpp>

namespace belay::proxy {

nlohmann::json to_json(const ports::Route& route);
nlohmann::json to_json(const ports::TrafficSettings& settings);
nlohmann::json to_json(const ports::Serving& serving);
nlohmann::json to_json(const ports::ReleaseCounters& counters);
nlohmann::json to_json(const ports::TrafficFigures& figures);
nlohmann::json to_json(const ports::TrafficHello& hello);

// Missing keys keep their defaults, unknown ones are passed over (an older proxy and a newer daemon
// understand each other); Errc::invalid names a key of the wrong type.
Result<ports::Route> read_route(const nlohmann::json& json);
Result<ports::TrafficSettings> read_settings(const nlohmann::json& json);
Result<ports::Serving> read_serving(const nlohmann::json& json);
Result<ports::ReleaseCounters> read_counters(const nlohmann::json& json);
Result<ports::TrafficFigures> read_figures(const nlohmann::json& json);
Result<ports::TrafficHello> read_hello(const nlohmann::json& json);

}  // namespace belay::proxy
