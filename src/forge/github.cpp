// GitHub and GitHub Enterprise Server. Source of headers and shapes: docs.github.com, "Webhook
// events and payloads" and "Validating webhook deliveries"; collected payloads under
// tests/data/webhooks/github.
#include "change.hpp"
#include "forges.hpp"
#include "proof.hpp"
#include "record.hpp"

#include <algorithm>

namespace belay::forge {
namespace {

using domain::Push;
using domain::PushKind;
using domain::Repository;

const std::vector<Field> kRepositoryFields{
    {"repository.full_name"},   {"repository.name"},     {"repository.owner.name"},
    {"repository.owner.login"}, {"repository.html_url"}, {"repository.url"},
    {"repository.clone_url"},   {"repository.ssh_url"},  {"sender.login", FieldType::hint},
};

std::vector<Field> push_fields() {
    auto fields = kRepositoryFields;
    fields.insert(fields.end(), {{"ref"},
                                 {"before"},
                                 {"after"},
                                 {"forced", FieldType::boolean},
                                 {"head_commit.id"},
                                 {"head_commit.message", FieldType::hint},
                                 {"pusher.name", FieldType::hint}});
    return fields;
}
const std::vector<Field> kPushFields = push_fields();

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
    if (repository.clone_http.empty() && !repository.web_url.empty())
        repository.derived_http = repository.web_url + ".git";
    return repository;
}

// Shapes of ten years ago have no `head_commit`: its message stands in the list, which is read for
// that alone.
std::string listed_message(std::string_view json, const std::optional<std::string>& commit) {
    static const std::vector<Field> fields{{"commits[].id", FieldType::hint},
                                           {"commits[].message", FieldType::hint}};
    if (auto record = read_record(json, fields))
        for (const auto& listed : record->list("commits"))
            if (listed.text("id") == commit) return listed.text_or_empty("message");
    return {};
}

Result<void> read_push(std::string_view json, const Values& values, Push& push) {
    for (auto field : {"ref", "after"})
        if (!values.has(field))
            return Error{Errc::invalid, "the field \"" + std::string(field) + "\" is missing"};
    RawChange raw;
    raw.ref = values.text_or_empty("ref");
    raw.before = values.text("before");
    raw.after = values.text("after");
    raw.commit = values.text("head_commit.id");
    raw.forced = values.boolean("forced");
    auto message = values.text("head_commit.message");
    if (!message && !is_zero_id(*raw.after)) message = listed_message(json, raw.after);
    push.head_message = first_line(message.value_or(std::string()));
    return add_change(raw, push);
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
        Proof proof;
        proof.keys = texts_of(secrets);
        offer_hex(head, "X-Hub-Signature-256", "sha256=", proof);
        return check_secret(std::move(proof));
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
        auto record = read_record(body.json, is_push ? kPushFields : kRepositoryFields);
        if (!record) return record.error();
        if (record->wrong && is_push) return Error{Errc::invalid, *record->wrong};
        const auto& values = record->values;
        push.repository = read_repository(values, is_push);
        push.pusher = values.first_text({"pusher.name", "sender.login"});
        if (push.event == "ping") push.kind = PushKind::ping;
        if (is_push)
            if (auto read = read_push(body.json, values, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& github() {
    static const Github forge;
    return forge;
}

}  // namespace belay::forge
