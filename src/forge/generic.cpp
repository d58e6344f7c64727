// Whoever sends the body of spec/decisions.md 28, signed by Standard Webhooks, as `belay hook
// deliver` does; or with the secret itself as bearer token or in the URL. No other signature is
// taken: a scheme of our own would leave out the timestamp, and with it the guard against replay.
#include "change.hpp"
#include "forges.hpp"
#include "record.hpp"
#include "standard_webhooks.hpp"

namespace belay::forge {
namespace {

using domain::Push;
using domain::PushKind;
using domain::Repository;

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

std::optional<Repository> read_repository(const Values& values) {
    if (auto text = values.text("data.repository")) return repository_of(std::move(*text));
    Repository repository;
    repository.full_name = values.text_or_empty("data.repository.full_name");
    repository.web_url = values.text_or_empty("data.repository.web_url");
    repository.clone_http = values.text_or_empty("data.repository.clone_http");
    repository.clone_ssh = values.text_or_empty("data.repository.clone_ssh");
    if (repository == Repository()) return std::nullopt;
    return repository;
}

Result<void> read_changes(const Record& record, Push& push) {
    if (auto fits = record.check_length("data.changes"); !fits) return fits;
    for (const auto& values : record.list("data.changes")) {
        RawChange raw;
        raw.ref = values.text_or_empty("ref");
        raw.before = values.text("before");
        raw.after = values.text("after");
        raw.commit = values.text("commit");
        raw.forced = values.boolean("forced");
        if (auto added = add_change(raw, push); !added)
            return prefixed("data.changes", added.error());
    }
    return {};
}

class Generic : public ports::Forge {
  public:
    std::string_view name() const override { return "generic"; }

    // Without any forge's header a bearer token, or nothing but a query, can only be meant for
    // this.
    bool recognises(const ports::HookRequest& request) const override {
        if (request.method != "POST") return false;
        return !request.header("webhook-id").empty() || has_bearer(request) ||
               (has_query(request) && request.header("Authorization").empty());
    }

    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        Proof proof;
        proof.secrets = texts_of(secrets);
        offer_bearer(head, proof);
        offer_query(head, proof);
        offer_standard_hmacs(head, secrets, proof);
        return either(check_secret(std::move(proof)),
                      check_key(standard_signatures(head, secrets)));
    }

    // Bodies of another type are read as `other`, whatever their data looks like.
    Result<Push> parse(const ports::HookRequest& request) const override {
        Push push;
        auto id = short_header(request, "webhook-id");
        if (!id) return id.error();
        push.delivery_id = std::move(*id);
        auto record = read_record_of(request, kFields);
        if (!record) return record.error();
        const auto& values = record->values;
        push.event = first_line(values.text_or_empty("type"));
        if (push.event == "ping") push.kind = PushKind::ping;
        if (push.event != "push") return push;

        if (record->wrong) return Error{Errc::invalid, *record->wrong};
        push.repository = read_repository(values);
        push.pusher = values.text_or_empty("data.pusher");
        push.head_message = first_line(values.text_or_empty("data.message"));
        if (auto read = read_changes(*record, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& generic() {
    static const Generic forge;
    return forge;
}

}  // namespace belay::forge
