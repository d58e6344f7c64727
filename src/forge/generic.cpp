// Whoever signs by Standard Webhooks 1.0 (standard-webhooks/standard-webhooks,
// spec/standard-webhooks.md) and sends the body of spec/decisions.md 28; `belay hook deliver` does.
// No other signature is taken: a scheme of our own would leave out the timestamp, and with it the
// guard against replay.
#include "change.hpp"
#include "forges.hpp"
#include "hook_body.hpp"
#include "json_fields.hpp"
#include "signed_body.hpp"

#include <charconv>
#include <chrono>

namespace belay::forge {
namespace {

using domain::Push;
using domain::PushKind;
using domain::Repository;

constexpr Seconds kTolerance{300};  // as the reference libraries have it
constexpr std::size_t kMostSignatures = 16;
constexpr std::size_t kMostChanges = 1000;

const std::vector<Field> kFields{
    {"type"},
    {"data.repository"},
    {"data.repository.full_name"},
    {"data.repository.web_url"},
    {"data.repository.clone_http"},
    {"data.repository.clone_ssh"},
    {"data.pusher"},
    {"data.message"},
    {"data.changes[].ref"},
    {"data.changes[].before"},
    {"data.changes[].after"},
    {"data.changes[].commit"},
    {"data.changes[].forced", FieldType::boolean},
};

// `whsec_` and base64, or any text as it is.
std::string key_of(const Secret& secret) {
    std::string_view text = secret.reveal();
    constexpr std::string_view kPrefix = "whsec_";
    if (text.starts_with(kPrefix))
        if (auto key = parse_base64(text.substr(kPrefix.size()))) return *key;
    return std::string(text);
}

bool is_recent(std::string_view timestamp, TimePoint received_at) {
    std::int64_t seconds = 0;
    auto [end, failure] =
        std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), seconds);
    constexpr std::int64_t kFarFuture = 1'000'000'000'000;  // keeps the difference within range
    if (timestamp.empty() || failure != std::errc{} || end != timestamp.data() + timestamp.size() ||
        seconds < 0 || seconds > kFarFuture)
        return false;
    auto difference =
        std::chrono::floor<Seconds>(received_at.time_since_epoch()) - Seconds(seconds);
    return std::chrono::abs(difference) <= kTolerance;
}

bool is_message_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && id.find('.') == id.npos;
}

// "v1,BASE64 v1a,BASE64 ...": other versions are passed over.
std::vector<Digest> read_signatures(std::string_view header) {
    std::vector<Digest> signatures;
    while (!header.empty() && signatures.size() < kMostSignatures) {
        auto end = std::min(header.find(' '), header.size());
        auto entry = header.substr(0, end);
        if (entry.starts_with("v1,"))
            if (auto digest = parse_base64_digest(entry.substr(3))) signatures.push_back(*digest);
        header.remove_prefix(std::min(end + 1, header.size()));
    }
    return signatures;
}

struct Body {
    std::string type;
    std::optional<Repository> repository;
    std::string pusher;
    std::string message;
    bool has_changes = false;
    std::vector<RawChange> changes;

    Repository& named() { return repository ? *repository : repository.emplace(); }
    void set(std::string_view path, FieldValue value);
    void set_change(std::string_view name, FieldValue value);
};

// An address, or just a name.
Repository repository_of(std::string text) {
    Repository repository;
    if (text.find("://") != text.npos || text.starts_with('/'))
        repository.clone_http = text;
    else if (text.find('@') != text.npos && text.find(':') != text.npos)
        repository.clone_ssh = text;
    repository.full_name = std::move(text);
    return repository;
}

void Body::set_change(std::string_view name, FieldValue value) {
    auto& change = changes.back();
    if (auto* forced = std::get_if<bool>(&value)) {
        change.forced = *forced;
        return;
    }
    auto& text = std::get<std::string>(value);
    if (name == "ref") change.ref = std::move(text);
    if (name == "before") change.before = std::move(text);
    if (name == "after") change.after = std::move(text);
    if (name == "commit") change.commit = std::move(text);
}

void Body::set(std::string_view path, FieldValue value) {
    constexpr std::string_view kChange = "data.changes[]";
    if (path == kChange) {
        has_changes = true;
        if (changes.size() <= kMostChanges)
            changes.emplace_back();  // one too many tells that there are too many
        return;
    }
    if (path.starts_with(kChange))
        return set_change(path.substr(kChange.size() + 1), std::move(value));
    auto& text = std::get<std::string>(value);
    if (path == "type") type = first_line(text);
    if (path == "data.pusher") pusher = std::move(text);
    if (path == "data.message") message = first_line(text);
    if (path == "data.repository") repository = repository_of(std::move(text));
    if (path == "data.repository.full_name") named().full_name = std::move(text);
    if (path == "data.repository.web_url") named().web_url = std::move(text);
    if (path == "data.repository.clone_http") named().clone_http = std::move(text);
    if (path == "data.repository.clone_ssh") named().clone_ssh = std::move(text);
}

Result<void> read_changes(const Body& body, Push& push) {
    if (body.changes.size() > kMostChanges)
        return Error{Errc::invalid, "more than 1000 changes in one delivery"};
    for (const auto& raw : body.changes) {
        auto change = make_change(raw);
        if (!change) return prefixed("data.changes", change.error());
        if (*change) push.changes.push_back(std::move(**change));
    }
    push.kind = kind_of(push.changes);
    return {};
}

class Generic : public ports::Forge {
  public:
    std::string_view name() const override { return "generic"; }

    bool recognises(const ports::HookRequest& request) const override {
        return !request.header("webhook-id").empty();
    }

    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        std::vector<std::string> keys;
        for (const auto& secret : secrets)
            keys.push_back(key_of(secret));
        auto id = head.header("webhook-id");
        auto timestamp = head.header("webhook-timestamp");
        std::vector<Digest> signatures;
        if (is_message_id(id) && is_recent(timestamp, head.received_at))
            signatures = read_signatures(head.header("webhook-signature"));
        auto prefix = std::string(id) + "." + std::string(timestamp) + ".";
        return std::make_unique<SignedBody>(keys, std::move(signatures), prefix);
    }

    // Bodies of another type are read as `other`, whatever their data looks like.
    Result<Push> parse(const ports::HookRequest& request) const override {
        Push push;
        auto id = short_header(request, "webhook-id");
        if (!id) return id.error();
        push.delivery_id = std::move(*id);
        HookBody text;
        if (auto read = read_body(request, text); !read) return read.error();

        Body body;
        FieldSink sink = [&body](std::string_view path, FieldValue value) {
            body.set(path, std::move(value));
        };
        auto wrong = read_fields(text.json, kFields, sink);
        if (!wrong) return wrong.error();
        push.event = body.type;
        if (body.type == "ping") push.kind = PushKind::ping;
        if (body.type != "push") return push;

        if (*wrong) return Error{Errc::invalid, **wrong};
        push.repository = std::move(body.repository);
        push.pusher = std::move(body.pusher);
        push.head_message = std::move(body.message);
        if (auto read = read_changes(body, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& generic() {
    static const Generic forge;
    return forge;
}

}  // namespace belay::forge
