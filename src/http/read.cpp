// Routes that only look.
#include "handlers.hpp"
#include "json_shapes.hpp"
#include "params.hpp"

#include <belay/base/id.hpp>

namespace belay::http {
namespace {

template <class T>
Json items_of(const std::vector<T>& values) {
    auto items = Json::array();
    for (const auto& value : values)
        items.push_back(shape(value));
    return items;
}

// A full page may have more behind it.
template <class T>
Response page_response(const Result<std::vector<T>>& values, const ports::Page& page) {
    if (!values) return problem(values.error());
    bool more = values->size() == static_cast<std::size_t>(page.limit);
    return json_response(
        list(items_of(*values), more ? Json(to_string(values->back().id)) : Json()));
}

template <class T>
Response shape_response(const Result<T>& value) {
    return value ? json_response(shape(*value)) : problem(value.error());
}

}  // namespace

Task<Response> healthz(Context&, const Request&) {
    Json alive{{"alive", true}};
    co_return json_response(alive);
}

// What is wrong is told to those who may read.
Task<Response> readyz(Context& context, const Request& request) {
    auto status = context.api.server_status();
    Json answer{{"ready", status.ready}};
    if (request.caller.role >= Role::read) answer["problems"] = status.problems;
    co_return json_response(answer, status.ready ? 200 : 503);
}

Task<Response> get_status(Context& context, const Request&) {
    co_return json_response(shape(context.api.server_status()));
}

Task<Response> get_apps(Context& context, const Request&) {
    auto apps = context.api.apps();
    co_return json_response(list(items_of(apps)));
}

Task<Response> get_app(Context& context, const Request& request) {
    co_return shape_response(context.api.app(request.args[0]));
}

Task<Response> get_deployments(Context& context, const Request& request) {
    auto page = page_of(request, Cursor::deployment);
    if (!page) co_return problem(page.error());
    if (auto app = context.api.app(request.args[0]); !app) co_return problem(app.error());
    auto deployments = co_await context.api.deployments(request.args[0], *page);
    co_return page_response(deployments, *page);
}

Task<Response> get_releases(Context& context, const Request& request) {
    if (auto app = context.api.app(request.args[0]); !app) co_return problem(app.error());
    auto releases = co_await context.api.releases(request.args[0]);
    if (!releases) co_return problem(releases.error());
    co_return json_response(list(items_of(*releases)));
}

Task<Response> get_deployment(Context& context, const Request& request) {
    auto id = parse_deployment_id(request.args[0]);
    if (!id) co_return problem(id.error());
    auto view = co_await context.api.deployment(*id);
    co_return shape_response(view);
}

Task<Response> get_deliveries(Context& context, const Request& request) {
    auto page = page_of(request, Cursor::delivery);
    if (!page) co_return problem(page.error());
    std::string app(request.target.param("app"));
    auto deliveries = co_await context.api.deliveries(std::move(app), *page);
    co_return page_response(deliveries, *page);
}

Task<Response> get_delivery(Context& context, const Request& request) {
    auto id = parse_delivery_id(request.args[0]);
    if (!id) co_return problem(id.error());
    auto delivery = co_await context.api.delivery(*id);
    co_return shape_response(delivery);
}

Task<Response> get_why(Context& context, const Request& request) {
    auto explanation = co_await context.api.why(request.args[0]);
    co_return shape_response(explanation);
}

}  // namespace belay::http
