// One function for each route.
#pragma once

#include "routes.hpp"

namespace belay::http {

// read.cpp
Task<Response> healthz(Context& context, const Request& request);
Task<Response> readyz(Context& context, const Request& request);
Task<Response> get_status(Context& context, const Request& request);
Task<Response> get_apps(Context& context, const Request& request);
Task<Response> get_app(Context& context, const Request& request);
Task<Response> get_deployments(Context& context, const Request& request);
Task<Response> get_releases(Context& context, const Request& request);
Task<Response> get_deployment(Context& context, const Request& request);
Task<Response> get_deliveries(Context& context, const Request& request);
Task<Response> get_delivery(Context& context, const Request& request);
Task<Response> get_why(Context& context, const Request& request);

// metrics.cpp
Task<Response> get_metrics(Context& context, const Request& request);

// openapi.cpp
Task<Response> get_openapi(Context& context, const Request& request);

// tokens.cpp
Task<Response> get_tokens(Context& context, const Request& request);
Task<Response> post_tokens(Context& context, const Request& request);
Task<Response> post_revoke(Context& context, const Request& request);
Task<Response> get_audit(Context& context, const Request& request);

// act.cpp
Task<Response> post_deploy(Context& context, const Request& request);
Task<Response> post_rollback(Context& context, const Request& request);
Task<Response> post_hold(Context& context, const Request& request);
Task<Response> post_resume(Context& context, const Request& request);
Task<Response> post_restart(Context& context, const Request& request);
Task<Response> post_stop(Context& context, const Request& request);
Task<Response> post_start(Context& context, const Request& request);
Task<Response> post_cancel(Context& context, const Request& request);
Task<Response> post_approve(Context& context, const Request& request);
Task<Response> post_reject(Context& context, const Request& request);
Task<Response> post_redeliver(Context& context, const Request& request);
Task<Response> post_remove(Context& context, const Request& request);
Task<Response> post_reload(Context& context, const Request& request);
Task<Response> post_backup(Context& context, const Request& request);
Task<Response> post_restore(Context& context, const Request& request);
Task<Response> post_gc(Context& context, const Request& request);
Task<Response> post_notify_test(Context& context, const Request& request);
Task<Response> post_shutdown(Context& context, const Request& request);
Task<std::optional<Response>> post_run(Context& context, const Request& request, Stream& stream);

// events.cpp
Task<std::optional<Response>> get_events(Context& context, const Request& request, Stream& stream);

// logs.cpp
Task<std::optional<Response>> get_app_logs(Context& context, const Request& request,
                                           Stream& stream);
Task<std::optional<Response>> get_stage_logs(Context& context, const Request& request,
                                             Stream& stream);

}  // namespace belay::http
