#include "guard.hpp"

#include "client_address.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::http {
namespace {

bool equal_ignoring_case(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

// The token of `Authorization: Bearer TOKEN` (RFC 6750 §2.1); none where another scheme is used.
std::optional<std::string_view> bearer_of(const Request& request) {
    auto sent = request.header("Authorization");
    auto scheme = sent.substr(0, sent.find(' '));
    if (!equal_ignoring_case(scheme, "bearer")) return std::nullopt;
    sent.remove_prefix(std::min(sent.find_first_not_of(' ', scheme.size()), sent.size()));
    return sent;
}

std::string_view last_of_list(std::string_view list) {
    auto comma = list.rfind(',');
    auto last = comma == list.npos ? list : list.substr(comma + 1);
    last.remove_prefix(std::min(last.find_first_not_of(" \t"), last.size()));
    return last;
}

Response wrong_token() {
    auto refusal = problem(401, "unauthorized", "the token is wrong, expired or revoked");
    refusal.headers.emplace_back("WWW-Authenticate",
                                 R"(Bearer realm="belay", error="invalid_token")");
    refusal.close = true;
    return refusal;
}

bool is_hook(const Target& target) {
    return !target.segments.empty() && target.segments[0] == "hooks";
}

}  // namespace

bool came_in_the_clear(const Request& request, const Address& peer,
                       const std::vector<Cidr>& trusted) {
    auto scheme = last_of_list(request.header("X-Forwarded-Proto"));
    if (!is_loopback(peer))
        return !is_one_of(trusted, peer) || !equal_ignoring_case(scheme, "https");
    return equal_ignoring_case(scheme, "http") && !is_loopback(request.client);
}

Guard::Guard(Context context, async::TaskGroup& tasks)
    : context_(context),
      answered_(context.store, context.timers),
      refused_(context.store, context.timers, tasks) {}

// Over the Unix socket the kernel says who it is; a token, where one is presented, decides instead.
Task<std::optional<Response>> Guard::identify(Request& request) {
    request.caller.role = request.peer.role;
    auto sent = bearer_of(request);
    if (!sent) co_return std::nullopt;
    request.caller.role = Role::none;
    if (request.in_the_clear) {
        auto refusal =
            problem(403, "forbidden",
                    "a token is taken over HTTPS or from this machine only; this one was sent "
                    "where others can read it: revoke it");
        refusal.close = true;
        co_return refusal;
    }
    std::string token(*sent);
    auto holder = co_await context_.access.holder_of(std::move(token), request.origin());
    if (!holder && holder.error().code == Errc::unauthorized) co_return wrong_token();
    if (!holder) co_return problem(holder.error());
    request.authenticated = true;
    request.caller.role = holder->role;
    request.caller.token = holder->id;
    request.caller.name = "token " + holder->name;
    co_return std::nullopt;
}

Task<void> Guard::name(Request& request) {
    if (request.caller.name.empty() && request.peer.local)
        request.caller.name = co_await user_name(context_.pool, request.peer.uid);
}

Task<Match> Guard::admit(Request& request) {
    if (is_hook(request.target)) co_return match(request);
    auto refusal = co_await identify(request);
    auto found = match(request);
    // What is open to all stays so. Else whoever presents a wrong token learns nothing more, not
    // even which routes there are.
    if (refusal && found.route) refusal.reset();
    if (refusal) {
        found.refusal = std::move(*refusal);
    }
    const auto status = found.refusal.status;
    const bool denied = !found.route && (status == 401 || status == 403);
    if (denied && (refusal || (found.denied && !found.denied->act.empty())))
        co_await record_refusal(request, found.denied, found.refusal);
    co_return found;
}

Task<void> Guard::record_refusal(Request& request, const Route* route, const Response& refusal) {
    // What a presented token was meant to say is not known: it names nobody.
    const bool presented = bearer_of(request) && request.caller.token == 0;
    if (!presented) co_await name(request);
    static constexpr Route kNone{};
    auto entry = entry_of(request, route ? *route : kNone, context_.timers.now());
    if (entry.act.empty()) entry.act = "read";
    entry.status_code = refusal.status;
    entry.outcome = outcome_of(refusal);
    refused_.record(std::move(entry));
}

// The body may have taken its time: a token that ended meanwhile acts no more.
std::optional<Response> Guard::check(const Request& request) const {
    if (request.caller.token && !context_.access.is_valid(request.caller.token))
        return wrong_token();
    return std::nullopt;
}

Task<Result<std::int64_t>> Guard::begin(domain::AuditEntry entry,
                                        const std::optional<Keyed>& keyed) {
    if (!context_.store) co_return std::int64_t{0};
    std::vector<ports::Write> batch;
    batch.emplace_back(ports::AddAudit{std::move(entry)});
    if (keyed) batch.push_back(keyed->begun(context_.timers.now()));
    auto stored = co_await context_.store->commit(std::move(batch));
    if (stored) co_return stored->access_ids.at(0);
    if (keyed)
        co_return prefixed("the Idempotency-Key can't be kept; without it the request is tried",
                           stored.error());
    // A full disk must not keep anybody from stopping or rolling back.
    log::error("an act is not in the audit", {{"error", stored.error().message}});
    co_return std::int64_t{0};
}

Task<void> Guard::end(domain::AuditEntry entry, std::vector<ports::Write> batch) {
    log::info("act", {{"who", entry.who},
                      {"from", entry.origin},
                      {"act", entry.act},
                      {"target", entry.target},
                      {"status", fmt::to_string(entry.status_code)},
                      {"outcome", entry.outcome}});
    if (entry.id != 0)
        batch.emplace_back(ports::EndAudit{entry.id, entry.status_code, entry.outcome});
    if (batch.empty()) co_return;
    auto stored = co_await context_.store->commit(std::move(batch));
    if (!stored)
        log::error("how an act ended is not in the audit", {{"error", stored.error().message}});
}

Task<Response> Guard::act(const Route& route, Request& request) {
    if (auto refusal = check(request)) co_return std::move(*refusal);
    auto keyed = Keyed::of(request);
    if (!keyed) co_return problem(keyed.error());
    if (*keyed && !route.keeps_answer)
        co_return problem(400, "invalid",
                          "this route takes no Idempotency-Key, as its answer is kept nowhere");
    async::Subscription held;
    if (*keyed) {
        auto known = co_await answered_.find(**keyed, held);
        if (!known) co_return problem(known.error());
        if (*known) co_return std::move(**known);
    }
    co_await name(request);
    auto entry = entry_of(request, route, context_.timers.now());
    auto begun = co_await begin(entry, *keyed);
    if (!begun) co_return problem(begun.error());
    entry.id = *begun;
    auto response = co_await route.handler(context_, request);
    entry.status_code = response.status;
    entry.outcome = outcome_of(response);
    std::vector<ports::Write> batch;
    if (*keyed) batch.push_back((*keyed)->answered(response, context_.timers.now()));
    co_await end(std::move(entry), std::move(batch));
    co_return response;
}

Task<std::optional<Response>> Guard::act(const Route& route, Request& request, Stream& stream) {
    if (auto refusal = check(request)) co_return std::move(*refusal);
    if (!request.header("Idempotency-Key").empty())
        co_return problem(400, "invalid",
                          "this route takes no Idempotency-Key, as its answer is kept nowhere");
    co_await name(request);
    auto entry = entry_of(request, route, context_.timers.now());
    const std::optional<Keyed> no_key;
    auto begun = co_await begin(entry, no_key);
    entry.id = begun ? *begun : 0;
    auto response = co_await route.stream(context_, request, stream);
    entry.status_code = response ? response->status : 200;
    entry.outcome = response ? outcome_of(*response) : stream.outcome;
    co_await end(std::move(entry), std::vector<ports::Write>());
    co_return response;
}

}  // namespace belay::http
