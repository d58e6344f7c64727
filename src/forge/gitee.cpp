// Gitee. Source of headers and shapes: help.gitee.com, "WebHook" (introduction, push data format,
// signature); collected payloads under tests/data/webhooks/gitee.
#include "change.hpp"
#include "forges.hpp"
#include "proof.hpp"
#include "record.hpp"

#include <charconv>
#include <chrono>

namespace belay::forge {
namespace {

using domain::Push;
using domain::Repository;

constexpr std::chrono::hours kTolerance{1};

const std::vector<Field> kFields{
    {"ref"},
    {"before"},
    {"after"},
    {"head_commit.message", FieldType::hint},
    {"pusher.username", FieldType::hint},
    {"pusher.name", FieldType::hint},
    {"user_name", FieldType::hint},
    {"sender.username", FieldType::hint},
    {"repository.full_name"},
    {"repository.path_with_namespace"},
    {"repository.html_url", FieldType::hint},
    {"repository.homepage", FieldType::hint},
    {"repository.url", FieldType::hint},
    {"repository.git_http_url"},
    {"repository.clone_url"},
    {"repository.git_ssh_url"},
    {"repository.ssh_url"},
};

std::optional<Repository> read_repository(const Values& values) {
    Repository repository;
    repository.full_name =
        values.first_text({"repository.path_with_namespace", "repository.full_name"});
    repository.web_url =
        values.first_text({"repository.html_url", "repository.homepage", "repository.url"});
    repository.clone_http = values.first_text({"repository.git_http_url", "repository.clone_url"});
    repository.clone_ssh = values.first_text({"repository.git_ssh_url", "repository.ssh_url"});
    if (repository == Repository()) return std::nullopt;
    return repository;
}

Result<void> read_push(const Values& values, Push& push) {
    for (auto field : {"ref", "after"})
        if (!values.has(field))
            return Error{Errc::invalid, "the field \"" + std::string(field) + "\" is missing"};
    RawChange raw;
    raw.ref = values.text_or_empty("ref");
    raw.before = values.text("before");
    raw.after = values.text("after");
    push.head_message = first_line(values.text_or_empty("head_commit.message"));
    return add_change(raw, push);
}

// In milliseconds.
bool is_recent(std::string_view timestamp, TimePoint received_at) {
    std::int64_t milliseconds = 0;
    auto [end, failure] =
        std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), milliseconds);
    constexpr std::int64_t kFarFuture = 1'000'000'000'000'000;  // keeps the difference in range
    if (timestamp.empty() || failure != std::errc{} || end != timestamp.data() + timestamp.size() ||
        milliseconds < 0 || milliseconds > kFarFuture)
        return false;
    auto difference =
        std::chrono::floor<Millis>(received_at.time_since_epoch()) - Millis(milliseconds);
    return std::chrono::abs(difference) <= kTolerance;
}

std::string bytes_of(const Digest& digest) {
    return {digest.begin(), digest.end()};
}

class Gitee : public ports::Forge {
  public:
    std::string_view name() const override { return "gitee"; }

    bool recognises(const ports::HookRequest& request) const override {
        return !request.header("X-Gitee-Event").empty();
    }

    // X-Gitee-Token is the password in clear, or base64 of HMAC-SHA256 over timestamp and secret,
    // which may be URL-encoded.
    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        Proof proof;
        proof.secrets = texts_of(secrets);
        auto token = std::string(head.header("X-Gitee-Token"));
        proof.texts.push_back(token);
        auto timestamp = head.header("X-Gitee-Timestamp");
        for (const auto& secret : texts_of(secrets)) {
            if (secret.empty()) continue;
            Hmac hash(secret);
            hash.feed(timestamp);
            hash.feed("\n");
            hash.feed(secret);
            proof.secrets.push_back(bytes_of(hash.finish()));
        }
        if (token.find('%') != token.npos)
            if (auto decoded = decode_form(token)) token = std::move(*decoded);
        auto sign = parse_base64_digest(token);
        if (sign && is_recent(timestamp, head.received_at)) proof.texts.push_back(bytes_of(*sign));
        return check_secret(std::move(proof));
    }

    Result<Push> parse(const ports::HookRequest& request) const override {
        Push push;
        push.body_authentic = false;
        auto event = event_header(request, "X-Gitee-Event");
        if (!event) return event.error();
        push.event = std::move(*event);
        auto record = read_record_of(request, kFields);
        if (!record) return record.error();
        const auto& values = record->values;
        push.repository = read_repository(values);
        push.pusher =
            values.first_text({"pusher.username", "pusher.name", "user_name", "sender.username"});
        if (push.event != "Push Hook" && push.event != "Tag Push Hook") return push;
        if (record->wrong) return Error{Errc::invalid, *record->wrong};
        if (auto read = read_push(values, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& gitee() {
    static const Gitee forge;
    return forge;
}

}  // namespace belay::forge
