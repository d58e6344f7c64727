#include "gitea_family.hpp"

#include "change.hpp"
#include "proof.hpp"
#include "record.hpp"

namespace belay::forge {
namespace {

using domain::Push;
using domain::PushKind;
using domain::Repository;

const std::vector<Field> kFields{
    {"ref"},
    {"ref_type"},
    {"sha"},
    {"before"},
    {"after"},
    {"head_commit.id"},
    {"head_commit.message", FieldType::hint},
    {"commits[].id", FieldType::hint},
    {"commits[].message", FieldType::hint},
    {"pusher.login", FieldType::hint},
    {"pusher.username", FieldType::hint},
    {"pusher.name", FieldType::hint},
    {"sender.login", FieldType::hint},
    {"sender.username", FieldType::hint},
    {"repository.full_name"},
    {"repository.name", FieldType::hint},
    {"repository.owner.login", FieldType::hint},
    {"repository.owner.username", FieldType::hint},
    {"repository.html_url"},
    {"repository.clone_url"},
    {"repository.ssh_url"},
};

std::optional<Repository> read_repository(const Values& values) {
    Repository repository;
    repository.full_name = values.text_or_empty("repository.full_name");
    auto owner = values.first_text({"repository.owner.login", "repository.owner.username"});
    auto name = values.text_or_empty("repository.name");
    if (repository.full_name.empty() && !owner.empty() && !name.empty())
        repository.full_name = owner + "/" + name;
    repository.web_url = values.text_or_empty("repository.html_url");
    repository.clone_http = values.text_or_empty("repository.clone_url");
    repository.clone_ssh = values.text_or_empty("repository.ssh_url");
    if (repository == Repository()) return std::nullopt;
    return repository;
}

std::string head_message(const Record& record, const std::string& commit) {
    auto message = record.values.text_or_empty("head_commit.message");
    for (const auto& listed : record.list("commits"))
        if (message.empty() && listed.text("id") == commit)
            message = listed.text_or_empty("message");
    return first_line(message);
}

// The test button sends the branch's last commit as if it were before and after, or, where there is
// none and of the newest versions always, zeros.
Result<void> read_push(const Record& record, Push& push) {
    const auto& values = record.values;
    for (auto field : {"ref", "after"})
        if (!values.has(field))
            return Error{Errc::invalid, "the field \"" + std::string(field) + "\" is missing"};
    RawChange raw;
    raw.ref = values.text_or_empty("ref");
    raw.before = values.text("before");
    raw.after = values.text("after");
    raw.commit = values.text("head_commit.id");
    push.head_message = head_message(record, *raw.after);
    bool nothing = is_zero_id(*raw.after) && (!raw.before || is_zero_id(*raw.before));
    if (!nothing) {
        auto added = add_change(raw, push);
        if (added && raw.before == raw.after) push.kind = PushKind::ping;
        return added;
    }
    auto mentioned = make_mention(raw.ref);
    if (!mentioned) return mentioned.error();
    if (*mentioned) push.changes.push_back(std::move(**mentioned));
    push.kind = PushKind::ping;
    return {};
}

// Neither the old nor, of a deletion, any hash is told.
Result<void> read_create(const Values& values, Push& push) {
    if (values.text("ref_type") != "tag") return {};
    auto ref = values.text("ref");
    auto commit = values.text("sha");
    if (!ref) return Error{Errc::invalid, "the field \"ref\" is missing"};
    if (!commit) return Error{Errc::invalid, "the field \"sha\" is missing"};
    RawChange raw;
    raw.ref = *full_ref("tag", *ref);
    raw.after = commit;
    return add_change(raw, push);
}

Result<void> read_delete(const Values& values, Push& push) {
    auto ref = values.text("ref");
    if (!ref) return Error{Errc::invalid, "the field \"ref\" is missing"};
    auto change = make_deletion(values.text_or_empty("ref_type"), *ref);
    if (!change) return change.error();
    if (*change) push.changes.push_back(std::move(**change));
    push.kind = kind_of(push.changes);
    return {};
}

}  // namespace

bool GiteaFamily::recognises(const ports::HookRequest& request) const {
    return !request.header(traits_.event_header).empty();
}

std::unique_ptr<ports::BodyCheck> GiteaFamily::check(const ports::HookRequest& head,
                                                     const std::vector<Secret>& secrets) const {
    Proof proof;
    proof.keys = texts_of(secrets);
    for (auto header : traits_.signature_headers)
        offer_hex(head, header, "", proof);
    if (traits_.extended) {
        offer_hex(head, "X-Hub-Signature-256", "sha256=", proof);
        proof.secrets = texts_of(secrets);
        offer_authorization(head, proof);
    }
    if (head.method == "GET") {
        HookBody payload;
        if (read_body(head, payload, traits_.extended)) proof.prefix = payload.json;
    }
    auto check = check_secret(std::move(proof));
    return is_form(head) && head.method != "GET" ? check_form(std::move(check)) : std::move(check);
}

Result<Push> GiteaFamily::parse(const ports::HookRequest& request) const {
    auto headed = push_of_headers(request, traits_.event_header, traits_.id_header);
    if (!headed) return headed.error();
    auto push = std::move(*headed);
    auto record = read_record_of(request, kFields, traits_.extended);
    if (!record) return record.error();
    const auto& values = record->values;
    push.repository = read_repository(values);
    push.pusher = values.first_text(
        {"pusher.login", "pusher.username", "pusher.name", "sender.login", "sender.username"});
    bool is_create = push.event == "create" && traits_.tags_by_create;
    if (push.event != "push" && push.event != "delete" && !is_create) return push;
    if (record->wrong) return Error{Errc::invalid, *record->wrong};
    Result<void> read;
    if (push.event == "push") read = read_push(*record, push);
    if (push.event == "delete") read = read_delete(values, push);
    if (is_create) read = read_create(values, push);
    if (!read) return read.error();
    return push;
}

}  // namespace belay::forge
