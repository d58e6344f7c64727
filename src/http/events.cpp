// GET /api/v1/events: every state change as Server-Sent Events (HTML standard, "Server-sent
// events").
#include "handlers.hpp"
#include "json_shapes.hpp"
#include "params.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <charconv>
#include <deque>

namespace belay::http {
namespace {

constexpr int kCatchUpPage = 200;

struct Filter {
    std::string app;
    DeploymentId deployment;

    bool takes(const domain::EventRecord& event) const {
        return (app.empty() || event.app == app) && (!deployment || event.deployment == deployment);
    }
};

std::string to_sse(const domain::EventRecord& event) {
    return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.type,
                       to_text(shape(event)));
}

// Where to go on; none: from now.
Result<std::optional<std::int64_t>> resume_after(const Request& request) {
    std::string name = "the header Last-Event-ID";
    auto text = request.header("Last-Event-ID");
    if (text.empty()) {
        name = "the parameter \"after\"";
        text = request.target.param("after");
    }
    if (text.empty()) return std::optional<std::int64_t>();
    std::int64_t id = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (failure != std::errc{} || end != text.data() + text.size() || id < 0)
        return Error{Errc::invalid, name + " must be the number of an event"};
    return std::optional<std::int64_t>(id);
}

// Collects what happens while the client is being written to.
class Inbox {
  public:
    Inbox(engine::Api& api, Filter filter, std::size_t most, async::Event& gone)
        : filter_(std::move(filter)), most_(most) {
        subscription_ = api.subscribe([this](const domain::EventRecord& event) { take(event); });
        gone_ = gone.on_set([this] { wake.set(); });
    }

    async::Event wake;  // something came, or the client has gone
    bool overflowed() const { return overflowed_; }

    // Text of all that came after `last`, which moves on.
    std::string drain(std::int64_t& last) {
        std::string text;
        for (; !waiting_.empty(); waiting_.pop_front()) {
            if (waiting_.front().id <= last) continue;
            last = waiting_.front().id;
            text += to_sse(waiting_.front());
        }
        wake.reset();
        return text;
    }

  private:
    void take(const domain::EventRecord& event) {
        if (!filter_.takes(event)) return;
        if (waiting_.size() == most_)
            overflowed_ = true;
        else
            waiting_.push_back(event);
        wake.set();
    }

    Filter filter_;
    std::size_t most_;
    std::deque<domain::EventRecord> waiting_;
    bool overflowed_ = false;
    async::Subscription subscription_;
    async::Subscription gone_;
};

// Everything stored after `last`, which moves on. False: the client has gone or the store failed.
Task<bool> catch_up(Context& context, Filter filter, Stream& stream, std::int64_t& last) {
    while (true) {
        auto stored =
            co_await context.api.events(last, kCatchUpPage, filter.app, filter.deployment);
        if (!stored) {
            stream.cut();
            co_return false;
        }
        std::string text;
        for (const auto& event : *stored) {
            text += to_sse(event);
            last = event.id;
        }
        const bool taken = co_await stream.write(std::move(text));
        if (!taken) co_return false;
        if (stored->size() < static_cast<std::size_t>(kCatchUpPage)) co_return true;
    }
}

}  // namespace

Task<std::optional<Response>> get_events(Context& context, const Request& request, Stream& stream) {
    auto after = resume_after(request);
    if (!after) co_return problem(after.error());
    Filter filter;
    filter.app = request.target.param("app");
    if (auto text = request.target.param("deployment"); !text.empty()) {
        auto id = parse_deployment_id(text);
        if (!id) co_return problem(prefixed("the parameter \"deployment\"", id.error()));
        filter.deployment = *id;
    }
    // Before the catch-up, so that nothing falls between the two.
    Inbox inbox(context.api, filter, context.options.event_queue, stream.gone());
    std::string type = "text/event-stream";
    bool taken = co_await stream.begin(std::move(type), Headers());
    if (!taken) co_return std::nullopt;
    std::string retry = "retry: 1000\n\n";
    taken = co_await stream.write(std::move(retry));
    if (!taken) co_return std::nullopt;
    std::int64_t last = after->value_or(0);
    if (*after) taken = co_await catch_up(context, filter, stream, last);
    if (!taken) co_return std::nullopt;

    while (!stream.gone().is_set()) {
        if (inbox.overflowed()) {
            stream.cut();
            break;
        }
        auto text = inbox.drain(last);
        bool woken = true;
        if (text.empty())
            woken = co_await context.timers.wait(inbox.wake, context.options.heartbeat);
        if (!woken) text = ": heartbeat\n\n";
        taken = co_await stream.write(std::move(text));
        if (!taken) break;
    }
    co_return std::nullopt;
}

}  // namespace belay::http
