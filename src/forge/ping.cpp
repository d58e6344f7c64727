#include "encode.hpp"
#include "signature.hpp"

#include <belay/forge/ping.hpp>

#include <fmt/format.h>

#include <chrono>
#include <initializer_list>

namespace belay::forge {
namespace {

std::string hmac(std::string_view key, std::initializer_list<std::string_view> pieces) {
    Hmac hash(key);
    for (auto piece : pieces)
        hash.feed(piece);
    auto digest = hash.finish();
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void add(Ping& ping, std::string name, std::string value) {
    ping.headers.emplace_back(std::move(name), std::move(value));
}

// The key is what `whsec_` and base64 stand for, else the text as it is.
void standard_webhooks(Ping& ping, const Secret& secret, std::string_view id, TimePoint now) {
    std::string key(secret.reveal());
    if (key.starts_with("whsec_"))
        if (auto bytes = parse_base64(std::string_view(key).substr(6))) key = *bytes;
    auto seconds = std::to_string(std::chrono::floor<Seconds>(now.time_since_epoch()).count());
    add(ping, "webhook-id", std::string(id));
    add(ping, "webhook-timestamp", seconds);
    add(ping, "webhook-signature",
        "v1," + to_base64(hmac(key, {id, ".", seconds, ".", ping.body})));
}

void gitea_like(Ping& ping, const std::string& family, const Secret& secret, std::string_view id) {
    add(ping, "X-" + family + "-Event", "ping");
    add(ping, "X-" + family + "-Delivery", std::string(id));
    add(ping, "X-" + family + "-Signature", to_hex(hmac(secret.reveal(), {ping.body})));
}

}  // namespace

Ping make_ping(std::string_view forge, const Secret& secret, std::string_view id, TimePoint now) {
    Ping ping;
    ping.body = R"({"type": "ping", "data": {}})";
    const auto hub = [&] { return "sha256=" + to_hex(hmac(secret.reveal(), {ping.body})); };
    if (forge == "github") {
        ping.body = R"({"zen": "Belay asks whether deliveries arrive.", "hook_id": 1})";
        add(ping, "X-GitHub-Event", "ping");
        add(ping, "X-GitHub-Delivery", std::string(id));
        add(ping, "X-Hub-Signature-256", hub());
    } else if (forge == "gitea" || forge == "forgejo") {
        gitea_like(ping, "Gitea", secret, id);
        if (forge == "forgejo") gitea_like(ping, "Forgejo", secret, id);
    } else if (forge == "gogs") {
        gitea_like(ping, "Gogs", secret, id);
    } else if (forge == "gitlab") {
        ping.body = R"({"object_kind": "ping", "event_name": "ping"})";
        add(ping, "X-Gitlab-Event", "Ping Hook");
        add(ping, "Idempotency-Key", std::string(id));
        if (secret.reveal().starts_with("whsec_"))
            standard_webhooks(ping, secret, id, now);
        else
            add(ping, "X-Gitlab-Token", secret.reveal());
    } else if (forge == "bitbucket-cloud" || forge == "bitbucket-server") {
        ping.body = R"({"test": true})";
        add(ping, "X-Event-Key", "diagnostics:ping");
        add(ping, forge == "bitbucket-cloud" ? "X-Request-UUID" : "X-Request-Id", std::string(id));
        add(ping, "X-Hub-Signature", hub());
    } else if (forge == "azure-devops") {
        ping.body = fmt::format(
            R"({{"publisherId": "tfs", "eventType": "belay.ping", "id": "{}", "resource": {{}}}})",
            id);
        add(ping, "Authorization", "Basic " + to_base64("belay:" + secret.reveal()));
    } else if (forge == "gitee") {
        ping.body = R"({"hook_name": "ping"})";
        auto millis = std::to_string(std::chrono::floor<Millis>(now.time_since_epoch()).count());
        add(ping, "X-Gitee-Event", "Ping Hook");
        add(ping, "X-Gitee-Timestamp", millis);
        add(ping, "X-Gitee-Token",
            to_base64(hmac(secret.reveal(), {millis, "\n", secret.reveal()})));
    } else if (forge == "sourcehut") {
        ping.is_signed = false;
        add(ping, "X-Webhook-Event", "PING");
        add(ping, "X-Webhook-Delivery", std::string(id));
    } else {
        standard_webhooks(ping, secret, id, now);
    }
    add(ping, "Content-Type", "application/json");
    return ping;
}

}  // namespace belay::forge
