// What a tree from a stranger may hold, so that laying it out can't touch anything but its own
// directory.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace belay::git {

// None: the name may be used. Otherwise the rule that it breaks.
std::optional<std::string_view> broken_name_rule(std::string_view name);

// Whether a link at `link` ("a/b/link") that points to `target` may lead out of the tree. Resolved
// as the kernel would, other links of the tree included: `link_at` gives a path's target, none
// where no link is.
bool leads_outside(std::string_view link, std::string_view target,
                   const std::function<std::optional<std::string>(const std::string&)>& link_at);

}  // namespace belay::git
