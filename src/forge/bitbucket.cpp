#include "bitbucket.hpp"

#include "change.hpp"
#include "proof.hpp"

namespace belay::forge {
namespace {

// The tags of git are "tag"; "annotated_tag" and "named_branch" are names of the API.
std::string_view ref_type_of(std::string_view type) {
    if (type == "tag" || type == "annotated_tag") return "tag";
    if (type == "branch" || type == "named_branch") return "branch";
    return type;
}

}  // namespace

const std::vector<Field>& bitbucket_push_fields() {
    static const std::vector<Field> fields{
        {"test", FieldType::boolean},
        {"actor.nickname", FieldType::hint},
        {"actor.username", FieldType::hint},
        {"actor.name", FieldType::hint},
        {"actor.display_name", FieldType::hint},
        {"actor.displayName", FieldType::hint},
        {"push.changes[].forced", FieldType::boolean},
        {"push.changes[].old.type"},
        {"push.changes[].old.name"},
        {"push.changes[].old.target.hash"},
        {"push.changes[].new.type"},
        {"push.changes[].new.name"},
        {"push.changes[].new.target.hash"},
        {"push.changes[].new.target.message", FieldType::hint},
        {"push.changes[].new.target.commitMessage", FieldType::hint},  // the plugin's
    };
    return fields;
}

Result<void> read_bitbucket_push(const Record& record, domain::Push& push) {
    if (auto fits = record.check_length("push.changes"); !fits) return fits;
    for (const auto& values : record.list("push.changes")) {
        auto type = values.first_text({"new.type", "old.type"});
        auto name = values.first_text({"new.name", "old.name"});
        if (name.empty())
            return Error{Errc::invalid, "push.changes: neither \"old\" nor \"new\" has a \"name\""};
        auto ref = full_ref(ref_type_of(type), name);
        if (!ref) continue;
        RawChange raw;
        raw.ref = std::move(*ref);
        if (values.has("old.name")) raw.before = values.text("old.target.hash");
        if (values.has("new.name")) raw.after = values.text("new.target.hash");
        if (values.has("new.name") && !raw.after)
            return Error{Errc::invalid, "push.changes: the field \"new.target.hash\" is missing"};
        raw.forced = values.boolean("forced");
        if (auto added = add_change(raw, push); !added)
            return prefixed("push.changes", added.error());
        if (raw.after && push.head_message.empty())
            push.head_message =
                first_line(values.first_text({"new.target.message", "new.target.commitMessage"}));
    }
    return {};
}

std::string bitbucket_pusher(const Values& values) {
    return values.first_text({"actor.nickname", "actor.name", "actor.username",
                              "actor.display_name", "actor.displayName"});
}

void offer_bitbucket_hmac(const ports::HookRequest& head, const std::vector<Secret>& secrets,
                          Proof& proof) {
    proof.keys = texts_of(secrets);
    offer_hex(head, "X-Hub-Signature", "sha256=", proof);
}

}  // namespace belay::forge
