// git.sr.ht and other instances of Sourcehut: GraphQL-native web hooks, whose body has the shape of
// the subscriber's query (docs/api.md has the one to use), and the legacy ones. Source: git.sr.ht's
// GraphQL schema and legacy post-update hook, core-go's delivery queue; the bodies under
// tests/data/webhooks/sourcehut were made from it, as no capture has been published. The instance
// signs by Ed25519 for all its users alike: the app's "secret" is the instance's public key.
#include "change.hpp"
#include "forges.hpp"
#include "proof.hpp"
#include "record.hpp"

namespace belay::forge {
namespace {

using domain::Push;
using domain::Repository;

const std::vector<Field> kFields{
    {"data.webhook.repository.name"},
    {"data.webhook.repository.owner.canonicalName"},
    {"data.webhook.pusher.canonicalName", FieldType::hint},
    {"data.webhook.updates[].ref.name"},
    {"data.webhook.updates[].old.id"},
    {"data.webhook.updates[].new.id"},
    {"data.webhook.updates[].new.message", FieldType::hint},
    // legacy
    {"pusher.name", FieldType::hint},
    {"pusher.canonical_name", FieldType::hint},
    {"refs[].name"},
    {"refs[].old.id"},
    {"refs[].new.id"},
    {"refs[].new.message", FieldType::hint},
};

// A query that leaves out the owner leaves the pusher, who is mostly the same. Legacy bodies name
// no repository at all.
std::optional<Repository> read_repository(const Values& values) {
    auto name = values.text_or_empty("data.webhook.repository.name");
    auto owner = values.first_text(
        {"data.webhook.repository.owner.canonicalName", "data.webhook.pusher.canonicalName"});
    if (name.empty() || owner.empty()) return std::nullopt;
    Repository repository;
    repository.full_name = owner + "/" + name;
    repository.derived_http = "https://git.sr.ht/" + repository.full_name;
    repository.derived_ssh = "git@git.sr.ht:" + repository.full_name;
    return repository;
}

// `old` and `new` are null where the ref did or does not exist.
Result<void> read_updates(const Record& record, std::string_view list, std::string_view name,
                          Push& push) {
    if (auto fits = record.check_length(list); !fits) return fits;
    for (const auto& update : record.list(list)) {
        if (!update.has(name))
            return Error{Errc::invalid, std::string(list) + ": the field \"" + std::string(name) +
                                            "\" is missing"};
        RawChange raw;
        raw.ref = update.text_or_empty(name);
        raw.before = update.text("old.id");
        raw.after = update.text("new.id");
        if (auto added = add_change(raw, push); !added) return prefixed(list, added.error());
        if (raw.after && push.head_message.empty())
            push.head_message = first_line(update.text_or_empty("new.message"));
    }
    return {};
}

class Sourcehut : public ports::Forge {
  public:
    explicit Sourcehut(bool bare_keys) : bare_keys_(bare_keys) {}

    std::string_view name() const override { return "sourcehut"; }

    bool recognises(const ports::HookRequest& request) const override {
        return !request.header("X-Webhook-Event").empty();
    }

    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        KeyProof proof;
        proof.keys = public_keys_of(secrets, bare_keys_);
        proof.suffix = head.header("X-Payload-Nonce");
        auto signature = parse_base64_signature(head.header("X-Payload-Signature"));
        if (signature) proof.signatures.push_back(*signature);
        return check_key(std::move(proof));
    }

    Result<Push> parse(const ports::HookRequest& request) const override {
        auto headed = push_of_headers(request, "X-Webhook-Event", "X-Webhook-Delivery");
        if (!headed) return headed.error();
        auto push = std::move(*headed);
        auto record = read_record_of(request, kFields);
        if (!record) return record.error();
        const auto& values = record->values;
        push.pusher = values.first_text(
            {"data.webhook.pusher.canonicalName", "pusher.canonical_name", "pusher.name"});
        bool is_legacy = push.event == "repo:post-update";
        if (!is_legacy && push.event != "GIT_POST_RECEIVE") return push;
        if (record->wrong) return Error{Errc::invalid, *record->wrong};
        push.repository = read_repository(values);
        if (!is_legacy && !record->lists.contains("data.webhook.updates"))
            push.note =
                "the web hook's query asks for no updates: make it anew with the query of "
                "docs/api.md";
        auto read = is_legacy ? read_updates(*record, "refs", "name", push)
                              : read_updates(*record, "data.webhook.updates", "ref.name", push);
        if (!read) return read.error();
        return push;
    }

  private:
    bool bare_keys_;
};

}  // namespace

const ports::Forge& sourcehut() {
    static const Sourcehut forge(true);
    return forge;
}

const ports::Forge& guessed_sourcehut() {
    static const Sourcehut forge(false);
    return forge;
}

}  // namespace belay::forge
