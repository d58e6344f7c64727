// What a delivery says, whatever the forge. The shapes and null rules are those of
// spec/interfaces.md §4.
#pragma once

#include <belay/base/id.hpp>
#include <belay/base/time.hpp>
#include <belay/domain/rule.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::domain {

enum class PushKind { push, tag, branch_delete, tag_delete, ping, other, mixed };
std::string_view to_string(PushKind kind);  // "branch-delete"
std::optional<PushKind> parse_push_kind(std::string_view text);

enum class RefType { branch, tag };
std::string_view to_string(RefType type);

// One ref's change. `before` is none when the ref did not exist, `after` when it is gone; `commit`
// is what to check out and differs from `after` for annotated tags.
struct Change {
    PushKind kind = PushKind::push;
    std::string ref;  // full
    RefType ref_type = RefType::branch;
    std::string name;  // short
    std::optional<std::string> before;
    std::optional<std::string> after;
    std::optional<std::string> commit;
    bool created = false;
    bool deleted = false;
    std::optional<bool> forced;  // none where the forge does not say

    bool operator==(const Change&) const = default;
};

// The repository as the body names it; empty fields where it has none.
struct Repository {
    std::string full_name;
    std::string web_url;
    std::string clone_http;
    std::string clone_ssh;
    // What the forge's convention makes of the rest, where the body has no addresses to clone from.
    std::string derived_http = {};
    std::string derived_ssh = {};

    bool operator==(const Repository&) const = default;
};

// A verified delivery's content.
struct Push {
    std::string event;        // as the forge spells it
    std::string delivery_id;  // the forge's; empty when it sends none
    PushKind kind = PushKind::other;
    std::optional<Repository> repository;
    std::vector<Change> changes;
    std::string pusher;
    std::string head_message;  // first line
    std::string note;          // what a person should know of a delivery that names no change
    // False where whoever has seen one delivery can send another body with it (Gitee): then it says
    // no more than that something happened.
    bool body_authentic = true;
};

enum class Decision { queued, ignored, duplicate, rejected };
std::string_view to_string(Decision decision);
std::optional<Decision> parse_decision(std::string_view text);

// The record of one delivery, whatever became of it.
struct Delivery {
    DeliveryId id;
    std::string app;
    std::string forge;
    std::string event;
    std::string delivery_id;
    TimePoint received_at{};
    int status_code = 0;
    Decision decision = Decision::ignored;
    Rule rule = Rule::none;
    std::string reason;       // the rule in words
    DeploymentId deployment;  // 0: none
    DeliveryId replay_of;     // that of which this is a repetition; 0: none
    PushKind kind = PushKind::other;
    std::string repository;  // full name
    std::vector<Change> changes;
    std::string
        body_digest;  // HMAC-SHA256 by the app's secret where it is signed so, else SHA-256; hex

    bool operator==(const Delivery&) const = default;
};

// refs/heads/main -> {branch, main}; none for any other kind of ref or a name that git forbids
// (git-check-ref-format(1)).
struct RefName {
    RefType type = RefType::branch;
    std::string name;
};
std::optional<RefName> parse_ref(std::string_view full);

}  // namespace belay::domain
