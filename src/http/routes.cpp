#include "routes.hpp"

#include "handlers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace belay::http {
namespace {

constexpr Route act(std::string_view pattern, Role needs, Handler handler, std::string_view name,
                    std::string_view told = {}) {
    return Route{.method = "POST",
                 .pattern = pattern,
                 .needs = needs,
                 .handler = handler,
                 .act = name,
                 .told = told};
}

constexpr std::array kRoutes{
    Route{"POST", "/hooks/{app}", Role::none, nullptr, nullptr, true},
    // The one GET that changes something: signed deliveries of Gitea and Forgejo.
    Route{"GET", "/hooks/{app}", Role::none, nullptr, nullptr, true},
    Route{"GET", "/healthz", Role::none, &healthz},
    Route{"GET", "/readyz", Role::none, &readyz},
    // Names what runs here, which pushed code that reaches this address is not to learn.
    Route{"GET", "/metrics", Role::read, &get_metrics},

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
    Route{"GET", "/api/v1/openapi.json", Role::read, &get_openapi},

    act("/api/v1/apps/{app}/deploy", Role::deploy, &post_deploy, "deploy", "ref commit force"),
    act("/api/v1/apps/{app}/rollback", Role::deploy, &post_rollback, "rollback", "to hold"),
    act("/api/v1/apps/{app}/hold", Role::deploy, &post_hold, "hold", "why"),
    act("/api/v1/apps/{app}/resume", Role::deploy, &post_resume, "resume"),
    act("/api/v1/apps/{app}/restart", Role::deploy, &post_restart, "restart"),
    act("/api/v1/apps/{app}/stop", Role::deploy, &post_stop, "stop"),
    act("/api/v1/apps/{app}/start", Role::deploy, &post_start, "start"),
    act("/api/v1/deployments/{id}/cancel", Role::deploy, &post_cancel, "cancel"),
    act("/api/v1/deployments/{id}/approve", Role::deploy, &post_approve, "approve"),
    act("/api/v1/deployments/{id}/reject", Role::deploy, &post_reject, "reject", "why"),
    act("/api/v1/deliveries/{id}/redeliver", Role::deploy, &post_redeliver, "redeliver"),

    // These end things for good, read files, run commands with the app's secrets, or say who may.
    act("/api/v1/apps/{app}/remove", Role::admin, &post_remove, "remove", "purge"),
    // Arguments may hold secrets, the program's name does not.
    Route{.method = "POST",
          .pattern = "/api/v1/apps/{app}/run",
          .needs = Role::admin,
          .stream = &post_run,
          .act = "run",
          .told = "argv[0]",
          .keeps_answer = false},
    act("/api/v1/reload", Role::admin, &post_reload, "reload"),
    act("/api/v1/backup", Role::admin, &post_backup, "backup", "file"),
    act("/api/v1/restore", Role::admin, &post_restore, "restore", "file"),
    act("/api/v1/gc", Role::admin, &post_gc, "gc", "dry_run"),
    act("/api/v1/notify/{channel}/test", Role::admin, &post_notify_test, "notify test"),
    act("/api/v1/shutdown", Role::admin, &post_shutdown, "shutdown"),
    Route{"GET", "/api/v1/tokens", Role::admin, &get_tokens},
    Route{.method = "POST",
          .pattern = "/api/v1/tokens",
          .needs = Role::admin,
          .handler = &post_tokens,
          .act = "token create",
          .told = "name role expires_in",
          .keeps_answer = false},
    act("/api/v1/tokens/{name}/revoke", Role::admin, &post_revoke, "token revoke"),
    Route{"GET", "/api/v1/audit", Role::admin, &get_audit},
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

Response refuse_role(const Request& request, Role needs) {
    if (request.caller.token != 0) {
        auto refusal =
            problem(403, "forbidden",
                    fmt::format("this needs the role {}, and the token has {}",
                                domain::to_string(needs), domain::to_string(request.caller.role)));
        refusal.headers.emplace_back("WWW-Authenticate",
                                     R"(Bearer realm="belay", error="insufficient_scope")");
        return refusal;
    }
    if (!request.peer.local) {
        auto refusal = problem(401, "unauthorized",
                               "a token is needed (Authorization: Bearer TOKEN): `belay token "
                               "create` makes one");
        refusal.headers.emplace_back("WWW-Authenticate", R"(Bearer realm="belay")");
        return refusal;
    }
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
    const Route* fitting = nullptr;
    for (const auto& route : kRoutes) {
        auto args = fit(route.pattern, request.target.segments);
        if (!args) continue;
        allowed += fmt::format("{}{}, ", route.method,
                               route.method == "GET" && !route.stream ? ", HEAD" : "");
        if (route.method != method) continue;
        request.args = std::move(*args);
        fitting = &route;
    }
    // Nothing is told about the API, not even which routes there are, to those who may not use it.
    const auto role = request.caller.role;
    if (fitting ? role < fitting->needs : is_api(request.target) && role == Role::none) {
        result.denied = fitting;
        result.refusal = refuse_role(request, fitting ? fitting->needs : Role::read);
    } else if (fitting) {
        result.route = fitting;
    } else if (allowed.empty()) {
        result.refusal = problem(404, "not_found", "there is nothing at this address");
    } else {
        allowed += "OPTIONS";
        if (method == "OPTIONS") {
            result.refusal.content_type.clear();
        } else {
            result.refusal = problem(405, "invalid", "this address answers " + allowed);
        }
        result.refusal.headers.emplace_back("Allow", allowed);
    }
    return result;
}

}  // namespace belay::http
