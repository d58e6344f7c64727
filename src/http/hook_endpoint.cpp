#include "hook_endpoint.hpp"

#include "digest.hpp"
#include "json_shapes.hpp"

#include <belay/async/offload.hpp>
#include <belay/base/id.hpp>
#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::http {
namespace {

bool is_type(std::string_view content_type, std::string_view wanted) {
    auto type = content_type.substr(0, content_type.find_first_of("; \t"));
    return std::equal(type.begin(), type.end(), wanted.begin(), wanted.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

bool is_understood(const Request& request) {
    if (request.raw.method == "GET" || request.raw.method == "HEAD") return true;
    auto type = request.header("Content-Type");
    return is_type(type, "application/json") || is_type(type, "application/x-www-form-urlencoded");
}

// One answer for a missing and a wrong signature, for apps that don't exist and for apps without a
// secret.
const Response& not_signed() {
    static const auto response =
        problem(401, "unauthorized",
                "there is no such hook, or the delivery is not signed with its secret");
    return response;
}

std::string with_origin(const Request& request, std::string_view reason) {
    if (request.peer.local) return std::string(reason);
    return fmt::format("{} (from {})", reason, to_string(request.client));
}

}  // namespace

// What a good signature lets a body be looked at for.
struct HookEndpoint::Understood {
    domain::Push push;
    std::string digest;  // of the body
};

struct HookEndpoint::Parse {
    const ports::Forge* forge;
    const ports::HookRequest* request;
    std::string known;  // digest of the body, where the check of its signature came by one

    Result<Understood> operator()() const {
        auto push = forge->parse(*request);
        if (!push) return push.error();
        if (!known.empty()) return Understood{std::move(*push), known};
        Sha256 digest;
        if (request->method == "GET") digest.feed(request->target);  // where its payload is
        digest.feed(request->body);
        return Understood{std::move(*push), digest.finish()};
    }
};

struct HookEndpoint::Delivery {
    Request& request;
    std::string app;
    bool app_exists = false;
    const ports::Forge* forge = nullptr;  // null: nothing can be accepted
    std::unique_ptr<ports::BodyCheck> check;
    BodyStore body;
    std::optional<std::string_view> whole;  // instead, where it came with the head
    std::uint64_t limit;

    Result<std::string_view> bytes() {
        if (whole) return *whole;
        return body.view();
    }
};

HookEndpoint::HookEndpoint(engine::Api& api, const ports::Forges& forges, Refusals& refusals,
                           Limits& limits, boost::asio::thread_pool& pool, const Options& options)
    : api_(api),
      forges_(forges),
      refusals_(refusals),
      limits_(limits),
      pool_(pool),
      options_(options),
      budget_(options.bodies_in_memory),
      nobodys_(random_bytes(32)) {}

std::vector<Secret> HookEndpoint::padded(std::vector<Secret> secrets) {
    most_secrets_ = std::max(most_secrets_, secrets.size());
    secrets.resize(most_secrets_, nobodys_);
    return secrets;
}

Task<Response> HookEndpoint::deliver(Request& request, BodyReader& reader) {
    std::optional<engine::HookSettings> settings;
    if (check_app_name(request.args.at(0))) settings = api_.hook_settings(request.args.at(0));
    bool known = settings && !settings->secrets.empty();
    const auto& raw = request.raw;
    const auto* forge = forges_.find(known ? settings->forge : "auto", raw);
    const auto* judge = forge ? forge : forges_.find("github", raw);
    std::vector<Secret> secrets;
    if (known) secrets = settings->secrets;
    auto check = judge->check(raw, padded(std::move(secrets)));
    Delivery delivery{request,
                      request.args.at(0),
                      settings.has_value(),
                      known ? forge : nullptr,
                      std::move(check),
                      {budget_, pool_, options_.spool, reader.length()},
                      std::nullopt,
                      options_.hook_body};

    if (!is_understood(request))
        co_return refuse(delivery, 415,
                         Error{Errc::invalid,
                               "a hook's content type is application/json or "
                               "application/x-www-form-urlencoded"});
    if (auto length = reader.length(); length && *length > delivery.limit)
        co_return refuse(delivery, 413,
                         Error{Errc::limit, "the body is larger than [limits] hook_body"});
    auto received = co_await receive(delivery, reader);
    if (!received) {
        const auto& error = received.error();
        if (error.code == Errc::limit)
            co_return refuse(delivery, 413,
                             Error{Errc::limit, "the body is larger than [limits] hook_body"});
        if (error.code == Errc::timeout) co_return refuse(delivery, 408, error);
        if (error.code == Errc::invalid) co_return refuse(delivery, 400, error);
        if (error.code != Errc::unavailable)
            log::error("a hook's body can't be kept", {{"error", error.message}});
        auto response =
            problem(503, "unavailable", "the delivery can't be kept at present; deliver it again");
        response.close = true;
        co_return response;
    }
    auto bytes = delivery.bytes();
    if (!bytes) co_return problem(bytes.error());
    auto verdict = delivery.check->finish(*bytes);
    if (!verdict || !delivery.forge) {
        if (delivery.app_exists)
            refusals_.record(delivery.app, std::string(forge ? forge->name() : ""), 401,
                             with_origin(request, known ? "the signature is missing or wrong"
                                                        : "the app has no webhook secret"));
        co_return not_signed();
    }
    request.authenticated = true;
    auto wait = limits_.signed_delivery(request.client, delivery.app);
    if (wait) co_return wait_first(*wait);
    co_return co_await accept(delivery);
}

Response HookEndpoint::refuse(const Delivery& delivery, int status, Error error) {
    if (delivery.app_exists)
        refusals_.record(delivery.app, delivery.forge ? std::string(delivery.forge->name()) : "",
                         status, with_origin(delivery.request, error.message));
    auto response = problem(status, to_string(error.code), error.message);
    response.close = true;  // what is left of the body is not read
    return response;
}

Task<Result<void>> HookEndpoint::receive(Delivery& delivery, BodyReader& reader) {
    delivery.whole = reader.whole();
    if (delivery.whole) {
        delivery.check->feed(*delivery.whole);
        co_return Result<void>();
    }
    while (true) {
        auto piece =
            co_await reader.next(delivery.limit, delivery.body.convenient(), delivery.body.room());
        if (!piece) co_return piece.error();
        bool end = piece->empty();
        delivery.check->feed(*piece);
        auto kept = co_await delivery.body.append(*piece);
        if (kept && end) kept = co_await delivery.body.finish();
        // What failed here is the machine's, whatever it is called.
        if (!kept) co_return Error{Errc::internal, kept.error().message};
        if (end) co_return Result<void>();
    }
}

Task<Result<HookEndpoint::Understood>> HookEndpoint::read(Delivery& delivery) {
    auto& raw = delivery.request.raw;
    auto bytes = delivery.bytes();
    if (!bytes) co_return bytes.error();
    raw.body = *bytes;
    std::string known;
    if (raw.method != "GET") known = delivery.check->digest();  // else the target has the payload
    Parse parse{delivery.forge, &raw, std::move(known)};
    if (!delivery.body.spooled() && raw.body.size() <= options_.parse_on_loop) co_return parse();
    co_return co_await async::offload(pool_, std::move(parse));
}

Task<Response> HookEndpoint::accept(Delivery& delivery) {
    auto read_in = co_await read(delivery);
    if (!read_in && read_in.error().code == Errc::invalid) {
        refusals_.record(delivery.app, std::string(delivery.forge->name()), 400,
                         read_in.error().message);
        co_return problem(400, "invalid", read_in.error().message);
    }
    if (!read_in) co_return problem(read_in.error());
    auto answer = co_await api_.submit(delivery.app, std::string(delivery.forge->name()),
                                       std::move(read_in->push), std::move(read_in->digest));
    if (answer) co_return json_response(shape(*answer), answer->status_code);
    // Whatever keeps the record from being written, the forge shall come again.
    const auto code = answer.error().code;
    if (code == Errc::disk_full || code == Errc::unavailable || code == Errc::internal ||
        code == Errc::forbidden) {
        auto response = problem(503, to_string(answer.error().code), answer.error().message);
        response.headers.emplace_back("Retry-After", "30");
        co_return response;
    }
    if (answer.error().code == Errc::not_found) co_return not_signed();
    co_return problem(answer.error());
}

}  // namespace belay::http
