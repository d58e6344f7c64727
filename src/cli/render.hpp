// The API's JSON as text for people. Pure: the same input gives the same text.
#pragma once

#include "table.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace belay::cli {

// One line per app; `server` (GET /status) adds what is wrong with the daemon itself.
std::string render_apps(const nlohmann::json& apps, const nlohmann::json& server,
                        const Canvas& canvas);
// One app in full; `recent` is the newest page of its deployments.
std::string render_app(const nlohmann::json& app, const nlohmann::json& recent,
                       const Canvas& canvas);

std::string render_deployments(const nlohmann::json& list, const Canvas& canvas);
std::string render_deployment(const nlohmann::json& deployment, const Canvas& canvas);
// "failed in verify: unhealthy (user)", the detail and the log's last lines.
std::string render_failure(const nlohmann::json& deployment, const Canvas& canvas);

std::string render_releases(const nlohmann::json& list, const Canvas& canvas);
std::string render_deliveries(const nlohmann::json& list, const Canvas& canvas);
std::string render_delivery(const nlohmann::json& delivery, const Canvas& canvas);
// Answer, timeline, what to do next: one screen.
std::string render_why(const nlohmann::json& explanation, const Canvas& canvas);
std::string render_audit(const nlohmann::json& list, const Canvas& canvas);
std::string render_tokens(const nlohmann::json& list, const Canvas& canvas);
std::string render_gc(const nlohmann::json& report, const Canvas& canvas);
std::string render_reload(const nlohmann::json& report, const Canvas& canvas);

}  // namespace belay::cli
