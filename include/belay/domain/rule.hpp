// By which rule a delivery or a deployment was decided: one word for machines, beside the sentence
// for people (docs/rules.md has them all).
#pragma once

#include <optional>
#include <string_view>

namespace belay::domain {

enum class Rule {
    none,

    // A delivery is queued.
    branch,  // it changes the branch that the app follows
    tag,     // it is of a tag that the app follows

    // A delivery is ignored.
    ping,              // a test delivery
    no_change,         // the event changes no branch or tag
    deleted,           // a branch or tag that is gone
    other_ref,         // a branch or tag that the app doesn't follow
    other_repository,  // of another repository
    sha256_repository_unsupported,
    unsupported_target,  // the app's kind isn't deployed yet

    // A delivery is a duplicate.
    same_delivery,  // the forge's id was seen
    same_commit,    // a deployment of this commit is under way
    same_body,      // a replay of the newest one

    // A delivery is rejected, before it could be understood.
    bad_signature,
    too_large,
    too_slow,
    wrong_type,
    malformed,
    rate_limited,

    // A deployment ends without going live, and so does its delivery.
    skip_mark,    // the commit's message asks not to be deployed
    path_filter,  // nothing that the app's `paths` name has changed since live
    older_tag,    // an older version than what is live or on its way
    bad_commit,   // it went bad before
    already_live,
    newer_push,  // a later delivery, poll or command took its place
    tip_moved,   // its branch or tag has gone on
    expired,     // nobody approved it in time
};
inline constexpr int kRuleCount = 27;

std::string_view to_string(Rule rule);  // "none" is ""
std::optional<Rule> parse_rule(std::string_view text);

// The rule of a refusal by its HTTP status.
Rule rule_of_refusal(int status_code);

}  // namespace belay::domain
