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

Result<std::optional<Change>> named_change(const std::string& ref) {
    auto name = domain::parse_ref(ref);
    if (!name) {
        if (ref.starts_with("refs/heads/") || ref.starts_with("refs/tags/") ||
            !ref.starts_with("refs/"))
            return Error{Errc::invalid, "the field \"ref\" is no full name of a branch or a tag"};
        return std::optional<Change>();
    }
    Change change;
    change.ref = ref;
    change.ref_type = name->type;
    change.name = name->name;
    return std::optional<Change>(std::move(change));
}

}  // namespace

Result<std::optional<Change>> make_change(const RawChange& raw) {
    auto named = named_change(raw.ref);
    if (!named || !*named) return named;
    auto before = read_id(raw.before, "before");
    if (!before) return before.error();
    auto after = read_id(raw.after, "after");
    if (!after) return after.error();
    auto commit = read_id(raw.commit, "commit");
    if (!commit) return commit.error();
    if (!*before && !*after)
        return Error{Errc::invalid, "the fields \"before\" and \"after\" both name no commit"};

    auto& change = **named;
    change.before = *before;
    change.after = *after;
    change.created = !change.before;
    change.deleted = !change.after;
    if (!change.deleted) change.commit = *commit ? *commit : change.after;
    change.forced = raw.forced;
    change.kind = kind_of(change.ref_type, change.deleted);
    return named;
}

Result<std::optional<Change>> make_deletion(std::string_view type, const std::string& name) {
    auto full = full_ref(type, name);
    if (!full) return std::optional<Change>();
    auto named = named_change(*full);
    if (!named || !*named) return named;
    auto& change = **named;
    change.deleted = true;
    change.kind = kind_of(change.ref_type, true);
    return named;
}

Result<std::optional<Change>> make_mention(const std::string& ref) {
    auto named = named_change(ref);
    if (named && *named) (*named)->kind = PushKind::other;
    return named;
}

std::optional<std::string> full_ref(std::string_view type, const std::string& name) {
    if (type != "branch" && type != "tag") return std::nullopt;
    return (type == "branch" ? "refs/heads/" : "refs/tags/") + name;
}

Result<void> add_change(const RawChange& raw, domain::Push& push) {
    auto change = make_change(raw);
    if (!change) return change.error();
    if (*change) push.changes.push_back(std::move(**change));
    push.kind = kind_of(push.changes);
    return {};
}

PushKind kind_of(const std::vector<Change>& changes) {
    if (changes.empty()) return PushKind::other;
    for (const auto& change : changes)
        if (change.kind != changes.front().kind) return PushKind::mixed;
    return changes.front().kind;
}

}  // namespace belay::forge
