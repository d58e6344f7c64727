#include "change.hpp"

#include <belay/base/id.hpp>

namespace belay::forge {
namespace {

using domain::Change;
using domain::PushKind;
using domain::RefType;

// Every forge has its way to say "no object": zeros, null, or nothing at all.
Result<std::optional<std::string>> read_id(const std::optional<std::string>& text,
                                           std::string_view field) {
    if (!text || is_zero_id(*text)) return std::optional<std::string>();
    if (!is_commit_id(*text))
        return Error{Errc::invalid, "the field \"" + std::string(field) +
                                        "\" is no commit id (40 or 64 hex digits)"};
    return text;
}

PushKind kind_of(RefType type, bool deleted) {
    if (type == RefType::branch) return deleted ? PushKind::branch_delete : PushKind::push;
    return deleted ? PushKind::tag_delete : PushKind::tag;
}

}  // namespace

Result<std::optional<Change>> make_change(const RawChange& raw) {
    auto name = domain::parse_ref(raw.ref);
    if (!name) {
        if (raw.ref.starts_with("refs/heads/") || raw.ref.starts_with("refs/tags/") ||
            !raw.ref.starts_with("refs/"))
            return Error{Errc::invalid, "the field \"ref\" is no full name of a branch or a tag"};
        return std::optional<Change>();
    }
    auto before = read_id(raw.before, "before");
    if (!before) return before.error();
    auto after = read_id(raw.after, "after");
    if (!after) return after.error();
    auto commit = read_id(raw.commit, "commit");
    if (!commit) return commit.error();
    if (!*before && !*after)
        return Error{Errc::invalid, "the fields \"before\" and \"after\" both name no commit"};

    Change change;
    change.ref = raw.ref;
    change.ref_type = name->type;
    change.name = name->name;
    change.before = *before;
    change.after = *after;
    change.created = !change.before;
    change.deleted = !change.after;
    if (!change.deleted) change.commit = *commit ? *commit : change.after;
    change.forced = raw.forced;
    change.kind = kind_of(name->type, change.deleted);
    return std::optional<Change>(std::move(change));
}

PushKind kind_of(const std::vector<Change>& changes) {
    if (changes.empty()) return PushKind::other;
    for (const auto& change : changes)
        if (change.kind != changes.front().kind) return PushKind::mixed;
    return changes.front().kind;
}

}  // namespace belay::forge
