// Prometheus text.
#include "handlers.hpp"

#include <belay/async/offload.hpp>

namespace belay::http {

Task<Response> get_metrics(Context& context, const Request&) {
    if (!context.options.metrics || !context.options.look_at_metrics)
        co_return problem(404, "not_found", "there are no metrics: [metrics] enabled is false");
    auto write = co_await context.options.look_at_metrics();
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = co_await async::offload(context.pool, std::move(write));
    co_return response;
}

}  // namespace belay::http
