#include "routes.hpp"

#include "handlers.hpp"

#include <array>

namespace belay::http {
namespace {

constexpr std::array kRoutes{
    Route{"POST", "/hooks/{app}", Role::none, nullptr, nullptr, true},
    // The one GET that changes something: signed deliveries of Gitea and Forgejo.
    Route{"GET", "/hooks/{app}", Role::none, nullptr, nullptr, true},
    Route{"GET", "/healthz", Role::none, &healthz},
    Route{"GET", "/readyz", Role::none, &readyz},

    Route{"GET", "/api/v1/status", Role::read, &get_status},
    Route{"GET", "/api/v1/apps", Role::read, &get_apps},
    Route{"GET", "/api/v1/apps/{app}", Role::read, &get_app},
    Route{"GET", "/api/v1/apps/{app}/deployments", Role::read, &get_deployments},
    Route{"GET", "/api/v1/apps/{app}/releases", Role::read, &get_releases},
    Route{"GET", "/api/v1/apps/{app}/logs", Role::read, nullptr, &get_app_logs},
    Route{"GET", "/api/v1/deployments/{id}", Role::read, &get_deployment},
    Route{"GET", "/api/v1/deployments/{id}/logs", Role::read, nullptr, &get_stage_logs},
    Route{"GET", "/api/v1/deployments/{id}/logs/{stage}", Role::read, nullptr, &get_stage_logs},
    Route{"GET", "/api/v1/deliveries", Role::read, &get_deliveries},
    Route{"GET", "/api/v1/deliveries/{id}", Role::read, &get_delivery},
    Route{"GET", "/api/v1/events", Role::read, nullptr, &get_events},
    Route{"GET", "/api/v1/why/{what}", Role::read, &get_why},

    Route{"POST", "/api/v1/apps/{app}/deploy", Role::deploy, &post_deploy},
    Route{"POST", "/api/v1/apps/{app}/rollback", Role::deploy, &post_rollback},
    Route{"POST", "/api/v1/apps/{app}/hold", Role::deploy, &post_hold},
    Route{"POST", "/api/v1/apps/{app}/resume", Role::deploy, &post_resume},
    Route{"POST", "/api/v1/apps/{app}/restart", Role::deploy, &post_restart},
    Route{"POST", "/api/v1/apps/{app}/stop", Role::deploy, &post_stop},
    Route{"POST", "/api/v1/apps/{app}/start", Role::deploy, &post_start},
    Route{"POST", "/api/v1/deployments/{id}/cancel", Role::deploy, &post_cancel},
    Route{"POST", "/api/v1/deployments/{id}/approve", Role::deploy, &post_approve},
    Route{"POST", "/api/v1/deployments/{id}/reject", Role::deploy, &post_reject},
    Route{"POST", "/api/v1/deliveries/{id}/redeliver", Role::deploy, &post_redeliver},

    // These end things for good, read files, or run commands with the app's secrets.
    Route{"POST", "/api/v1/apps/{app}/remove", Role::admin, &post_remove},
    Route{"POST", "/api/v1/apps/{app}/run", Role::admin, nullptr, &post_run},
    Route{"POST", "/api/v1/reload", Role::admin, &post_reload},
    Route{"POST", "/api/v1/shutdown", Role::admin, &post_shutdown},
};

// The arguments, or none where the path is another.
std::optional<std::vector<std::string>> fit(std::string_view pattern,
                                            const std::vector<std::string>& segments) {
    std::vector<std::string> args;
    std::size_t index = 0;
    pattern.remove_prefix(1);
    while (!pattern.empty()) {
        auto part = pattern.substr(0, pattern.find('/'));
        pattern.remove_prefix(std::min(part.size() + 1, pattern.size()));
        if (index == segments.size()) return std::nullopt;
        const auto& segment = segments[index++];
        if (part.front() == '{')
            args.push_back(segment);
        else if (part != segment)
            return std::nullopt;
    }
    if (index != segments.size()) return std::nullopt;
    return args;
}

Response refuse_role(const Peer& peer) {
    if (!peer.local)
        return problem(401, "unauthorized",
                       "the API is reached over the Unix socket; there are no tokens yet");
    return problem(
        403, "forbidden",
        "root, the daemon's user and members of the group in [server] group may do this, "
        "as far as their role goes");
}

bool is_api(const Target& target) {
    return !target.segments.empty() && target.segments[0] == "api";
}

}  // namespace

std::span<const Route> routes() {
    return kRoutes;
}

Match match(Request& request) {
    Match result;
    std::string_view method = request.raw.method;
    if (method == "HEAD") method = "GET";
    std::string allowed;
    // Nothing is told about the API, not even which routes there are, to those who may not use it.
    if (is_api(request.target) && request.peer.role == Role::none) {
        result.refusal = refuse_role(request.peer);
        return result;
    }
    for (const auto& route : kRoutes) {
        auto args = fit(route.pattern, request.target.segments);
        if (!args) continue;
        if (route.method != method) {
            allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
            continue;
        }
        if (request.peer.role < route.needs) {
            result.refusal = refuse_role(request.peer);
            return result;
        }
        request.args = std::move(*args);
        result.route = &route;
        return result;
    }
    if (allowed.empty()) {
        result.refusal = problem(404, "not_found", "there is nothing at this address");
    } else {
        result.refusal = problem(405, "invalid", "this address answers " + allowed);
        result.refusal.headers.emplace_back("Allow", allowed);
    }
    return result;
}

}  // namespace belay::http
