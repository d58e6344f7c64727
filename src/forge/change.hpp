// One ref's change from what a body says of it.
#pragma once

#include <belay/base/error.hpp>
#include <belay/domain/push.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::forge {

// As in the body; none: not there or null.
struct RawChange {
    std::string ref;
    std::optional<std::string> before;
    std::optional<std::string> after;
    std::optional<std::string> commit;  // none: `after`
    std::optional<bool> forced;
};

// None for refs that are neither branch nor tag. Errc::invalid for a name that git forbids, an id
// that is none, or a change from nothing to nothing.
Result<std::optional<domain::Change>> make_change(const RawChange& raw);

// The end of a ref whose last commit the forge doesn't tell. `type` is "branch" or "tag", `name`
// short. None for other types; Errc::invalid for a name that git forbids.
Result<std::optional<domain::Change>> make_deletion(std::string_view type, const std::string& name);

// A ref that a test delivery names along with no commit.
Result<std::optional<domain::Change>> make_mention(const std::string& ref);

// "refs/heads/NAME", "refs/tags/NAME"; none for another type than "branch" or "tag".
std::optional<std::string> full_ref(std::string_view type, const std::string& name);

// Adds the change, if it is one, and the push's kind with it.
Result<void> add_change(const RawChange& raw, domain::Push& push);

// The kind of all, `mixed` where they differ, `other` where there is none.
domain::PushKind kind_of(const std::vector<domain::Change>& changes);

}  // namespace belay::forge
