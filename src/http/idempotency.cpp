#include "idempotency.hpp"

#include "digest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::http {
namespace {

constexpr std::size_t kLongestKey = 255;

Response other_request() {
    return problem(422, "invalid", "another request was made under this Idempotency-Key");
}

}  // namespace

Result<std::optional<Keyed>> Keyed::of(const Request& request) {
    auto key = request.header("Idempotency-Key");
    if (key.empty()) return std::optional<Keyed>();
    bool visible = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (key.size() > kLongestKey || !visible)
        return Error{Errc::invalid,
                     fmt::format("an Idempotency-Key has 1 to {} visible ASCII characters, no "
                                 "spaces",
                                 kLongestKey)};
    Keyed keyed;
    keyed.key = key;
    keyed.scope = request.caller.token ? fmt::format("token {}", request.caller.token)
                                       : fmt::format("uid {}", request.peer.uid);
    Sha256 digest;
    digest.feed(fmt::format("{} {}\n", request.raw.method, request.raw.target));
    digest.feed(request.raw.body);
    keyed.digest = digest.finish();
    return std::optional<Keyed>(std::move(keyed));
}

ports::Write Keyed::begun(TimePoint now) const {
    return ports::PutAnswer{scope, key, digest, 0, {}, {}, now};
}

ports::Write Keyed::answered(const Response& response, TimePoint now) const {
    if (response.status >= 500 || response.status == 429) return ports::RemoveAnswer{scope, key};
    return ports::PutAnswer{scope,         key, digest, response.status, response.content_type,
                            response.body, now};
}

Task<Result<std::optional<Response>>> Idempotency::find(Keyed keyed, async::Subscription& held) {
    if (!store_)
        co_return Error{Errc::unavailable,
                        "an Idempotency-Key can't be honoured, as the database can't be used; "
                        "without the key the request is tried"};
    std::pair name(keyed.scope, keyed.key);
    if (auto place = in_flight_.find(name); place != in_flight_.end())
        co_return std::optional<Response>(
            place->second != keyed.digest
                ? other_request()
                : problem(409, "conflict",
                          "the first request under this Idempotency-Key is being done"));
    in_flight_.emplace(name, keyed.digest);
    held = async::Subscription([this, name] { in_flight_.erase(name); });
    auto stored = co_await store_->answer(keyed.scope, keyed.key, timers_.now());
    if (!stored) co_return stored.error();
    if (!*stored) co_return std::optional<Response>();
    auto& answer = **stored;
    if (answer.request != keyed.digest) co_return std::optional<Response>(other_request());
    if (answer.status_code == 0)
        co_return std::optional<Response>(
            problem(409, "conflict",
                    "the daemon ended while the first request under this Idempotency-Key was being "
                    "done: see whether it was, and use another key to ask again"));
    Response response;
    response.status = answer.status_code;
    response.content_type = std::move(answer.content_type);
    response.body = std::move(answer.body);
    response.headers.emplace_back("Idempotency-Replayed", "true");
    co_return std::optional<Response>(std::move(response));
}

}  // namespace belay::http
