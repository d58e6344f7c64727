// GitHub and GitHub Enterprise Server. Source of headers and shapes: docs.github.com, "Webhook
// events and payloads" and "Validating webhook deliveries"; collected payloads under
// tests/data/webhooks/github.
#include "change.hpp"
#include "forges.hpp"
#include "hook_body.hpp"
#include "json_fields.hpp"
#include "signed_body.hpp"

#include <algorithm>
#include <map>

namespace belay::forge {
namespace {

using domain::Push;
using domain::PushKind;
using domain::Repository;

const std::vector<Field> kRepositoryFields{
    {"repository.full_name"},   {"repository.name"},     {"repository.owner.name"},
    {"repository.owner.login"}, {"repository.html_url"}, {"repository.url"},
    {"repository.clone_url"},   {"repository.ssh_url"},  {"sender.login"},
};

std::vector<Field> push_fields() {
    auto fields = kRepositoryFields;
    fields.insert(fields.end(), {{"ref"},
                                 {"before"},
                                 {"after"},
                                 {"forced", FieldType::boolean},
                                 {"head_commit.id"},
                                 {"head_commit.message"},
                                 {"pusher.name"}});
    return fields;
}
const std::vector<Field> kPushFields = push_fields();

class Values {
  public:
    void set(std::string_view path, FieldValue value) {
        values_.insert_or_assign(std::string(path), std::move(value));
    }
    std::optional<std::string> text(std::string_view path) const {
        auto place = values_.find(path);
        if (place == values_.end()) return std::nullopt;
        return std::get<std::string>(place->second);
    }
    std::optional<bool> boolean(std::string_view path) const {
        auto place = values_.find(path);
        if (place == values_.end()) return std::nullopt;
        return std::get<bool>(place->second);
    }
    std::string text_or_empty(std::string_view path) const {
        return text(path).value_or(std::string());
    }

  private:
    std::map<std::string, FieldValue, std::less<>> values_;
};

Result<Values> read_values(std::string_view json, bool push) {
    Values values;
    FieldSink sink = [&values](std::string_view path, FieldValue value) {
        values.set(path, std::move(value));
    };
    auto wrong = read_fields(json, push ? kPushFields : kRepositoryFields, sink);
    if (!wrong) return wrong.error();
    if (*wrong && push) return Error{Errc::invalid, **wrong};
    return values;
}

// Shapes of ten years ago lack full_name and html_url; `url` is the web address in push events
// alone.
std::optional<Repository> read_repository(const Values& values, bool push) {
    Repository repository;
    repository.full_name = values.text_or_empty("repository.full_name");
    auto owner = values.text("repository.owner.name");
    if (!owner) owner = values.text("repository.owner.login");
    auto name = values.text("repository.name");
    if (repository.full_name.empty() && owner && name) repository.full_name = *owner + "/" + *name;
    if (repository.full_name.empty()) return std::nullopt;
    repository.web_url = values.text_or_empty("repository.html_url");
    if (repository.web_url.empty() && push)
        repository.web_url = values.text_or_empty("repository.url");
    repository.clone_http = values.text_or_empty("repository.clone_url");
    repository.clone_ssh = values.text_or_empty("repository.ssh_url");
    return repository;
}

Result<void> read_push(const Values& values, Push& push) {
    for (auto field : {"ref", "after"})
        if (!values.text(field))
            return Error{Errc::invalid, "the field \"" + std::string(field) + "\" is missing"};
    RawChange raw;
    raw.ref = values.text_or_empty("ref");
    raw.before = values.text("before");
    raw.after = values.text("after");
    raw.commit = values.text("head_commit.id");
    raw.forced = values.boolean("forced");
    auto change = make_change(raw);
    if (!change) return change.error();
    if (*change) push.changes.push_back(**change);
    push.kind = kind_of(push.changes);
    push.head_message = first_line(values.text_or_empty("head_commit.message"));
    return {};
}

bool is_event_name(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || c == '_';
    });
}

class Github : public ports::Forge {
  public:
    std::string_view name() const override { return "github"; }

    bool recognises(const ports::HookRequest& request) const override {
        return !request.header("X-GitHub-Event").empty();
    }

    // sha256 is demanded: the request must not choose the algorithm by bringing the sha1 header.
    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        std::vector<std::string> keys;
        for (const auto& secret : secrets)
            keys.push_back(secret.reveal());
        std::vector<Digest> signatures;
        constexpr std::string_view kPrefix = "sha256=";
        auto header = head.header("X-Hub-Signature-256");
        if (header.starts_with(kPrefix))
            if (auto digest = parse_hex(header.substr(kPrefix.size())))
                signatures.push_back(*digest);
        return std::make_unique<SignedBody>(keys, std::move(signatures));
    }

    // `create` and `delete` come besides a push event with the full ref, so they are `other`.
    Result<Push> parse(const ports::HookRequest& request) const override {
        Push push;
        push.event = request.header("X-GitHub-Event");
        if (!is_event_name(push.event))
            return Error{Errc::invalid, "the header X-GitHub-Event is missing or names no event"};
        auto id = short_header(request, "X-GitHub-Delivery");
        if (!id) return id.error();
        push.delivery_id = std::move(*id);

        HookBody body;
        if (auto read = read_body(request, body); !read) return read.error();
        bool is_push = push.event == "push";
        auto values = read_values(body.json, is_push);
        if (!values) return values.error();
        push.repository = read_repository(*values, is_push);
        auto pusher = values->text("pusher.name");
        push.pusher = pusher ? *pusher : values->text_or_empty("sender.login");
        if (push.event == "ping") push.kind = PushKind::ping;
        if (is_push)
            if (auto read = read_push(*values, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& github() {
    static const Github forge;
    return forge;
}

}  // namespace belay::forge
