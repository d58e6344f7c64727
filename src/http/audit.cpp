#include "audit.hpp"

#include "json_shapes.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace belay::http {
namespace {

constexpr double kBurst = 20;
constexpr double kPerSecond = 1;
constexpr std::size_t kLongestText = 200;

std::string shortened(std::string text) {
    if (text.size() <= kLongestText) return text;
    text.resize(kLongestText);
    return text + "...";  // a code point that was cut is mended when it is shown
}

// One field as the route names it: "ref", or "argv[0]" for the first of a list.
std::pair<std::string, Json> told_field(const Json& body, std::string_view told) {
    constexpr std::string_view kFirst = "[0]";
    bool first = told.ends_with(kFirst);
    if (first) told.remove_suffix(kFirst.size());
    auto place = body.find(std::string(told));
    if (place == body.end()) return {};
    Json value = *place;
    if (first) value = value.is_array() && !value.empty() ? value[0] : Json();
    if (value.is_string()) return {std::string(told), shortened(value.get<std::string>())};
    if (value.is_boolean() || value.is_number()) return {std::string(told), value};
    return {};
}

std::string asked_of(const Request& request, std::string_view told) {
    auto body = Json::parse(request.raw.body, nullptr, false);
    if (!body.is_object()) return {};
    Json asked = Json::object();
    while (!told.empty()) {
        auto name = told.substr(0, told.find(' '));
        told.remove_prefix(std::min(name.size() + 1, told.size()));
        if (auto [field, value] = told_field(body, name); !field.empty()) asked[field] = value;
    }
    return asked.empty() ? std::string() : to_text(asked);
}

}  // namespace

domain::AuditEntry entry_of(const Request& request, const Route& route, TimePoint now) {
    domain::AuditEntry entry;
    entry.at = now;
    entry.who = request.caller.name;
    entry.role = request.caller.role;
    entry.origin = request.origin();
    entry.act = route.act;
    if (!request.args.empty()) entry.target = shortened(request.args[0]);
    entry.asked = asked_of(request, route.told);
    return entry;
}

std::string outcome_of(const Response& response) {
    auto body = Json::parse(response.body, nullptr, false);
    if (!body.is_object()) return {};
    auto place = body.find(response.status < 400 ? "deployment" : "detail");
    if (place == body.end() || !place->is_string()) return {};
    return shortened(place->get<std::string>());
}

Refused::Refused(ports::Store* store, async::Timers& timers, async::TaskGroup& tasks)
    : store_(store),
      timers_(timers),
      tasks_(tasks),
      strangers_{kBurst, timers.steady_now()},
      callers_{kBurst, timers.steady_now()} {}

void Refused::record(domain::AuditEntry entry) {
    auto& allowance = entry.who.empty() ? strangers_ : callers_;
    auto now = timers_.steady_now();
    std::chrono::duration<double> passed = now - allowance.at;
    allowance.at = now;
    allowance.entries = std::min(kBurst, allowance.entries + passed.count() * kPerSecond);
    if (allowance.entries < 1) {
        ++allowance.unrecorded;
        return;
    }
    allowance.entries -= 1;
    if (int more = std::exchange(allowance.unrecorded, 0); more > 0)
        entry.outcome += fmt::format(" (and {} more refusals before it)", more);
    log::warning("refused", {{"who", entry.who.empty() ? "a stranger" : entry.who},
                             {"from", entry.origin},
                             {"act", entry.act},
                             {"target", entry.target},
                             {"why", entry.outcome}});
    if (store_) tasks_.spawn("audit", store(std::move(entry)));
}

Task<void> Refused::store(domain::AuditEntry entry) {
    std::vector<ports::Write> batch;
    batch.emplace_back(ports::AddAudit{std::move(entry)});
    auto stored = co_await store_->commit(std::move(batch));
    if (!stored) log::warning("a refusal is not in the audit", {{"error", stored.error().message}});
}

}  // namespace belay::http
