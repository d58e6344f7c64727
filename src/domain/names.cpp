// The remaining enumerations' words, one table each.
#include <belay/domain/push.hpp>
#include <belay/domain/release.hpp>
#include <belay/domain/rule.hpp>
#include <belay/domain/target.hpp>

#include <array>
#include <cstddef>

namespace belay::domain {
namespace {

constexpr std::array<std::string_view, 7> kPushKinds{"push", "tag",   "branch-delete", "tag-delete",
                                                     "ping", "other", "mixed"};
constexpr std::array<std::string_view, 4> kDecisions{"queued", "ignored", "duplicate", "rejected"};
constexpr std::array<std::string_view, 8> kReleaseStates{"building", "sealed",  "candidate", "live",
                                                         "standby",  "retired", "pruned",    "bad"};
constexpr std::array<std::string_view, 4> kTargets{"service", "command", "unit", "static"};
constexpr std::array<std::string_view, 5> kAppStates{"none", "live", "degraded", "down", "stopped"};

constexpr std::array<std::string_view, kRuleCount> kRules{
    "",
    "branch",
    "tag",
    "ping",
    "no_change",
    "deleted",
    "other_ref",
    "other_repository",
    "sha256_repository_unsupported",
    "unsupported_target",
    "same_delivery",
    "same_commit",
    "same_body",
    "bad_signature",
    "too_large",
    "too_slow",
    "wrong_type",
    "malformed",
    "rate_limited",
    "skip_mark",
    "path_filter",
    "older_tag",
    "bad_commit",
    "already_live",
    "newer_push",
    "tip_moved",
    "expired",
};
static_assert(static_cast<int>(Rule::expired) == kRuleCount - 1);

template <class Enum, std::size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view text) {
    for (std::size_t i = 0; i < N; ++i)
        if (names[i] == text) return static_cast<Enum>(i);
    return std::nullopt;
}

}  // namespace

std::string_view to_string(Target target) {
    return kTargets.at(static_cast<std::size_t>(target));
}

std::string_view to_string(PushKind kind) {
    return kPushKinds.at(static_cast<std::size_t>(kind));
}
std::optional<PushKind> parse_push_kind(std::string_view text) {
    return find<PushKind>(kPushKinds, text);
}

std::string_view to_string(RefType type) {
    return type == RefType::branch ? "branch" : "tag";
}

std::string_view to_string(Decision decision) {
    return kDecisions.at(static_cast<std::size_t>(decision));
}
std::optional<Decision> parse_decision(std::string_view text) {
    return find<Decision>(kDecisions, text);
}

std::string_view to_string(Rule rule) {
    return kRules.at(static_cast<std::size_t>(rule));
}
std::optional<Rule> parse_rule(std::string_view text) {
    return find<Rule>(kRules, text);
}

Rule rule_of_refusal(int status_code) {
    switch (status_code) {
        case 401:
            return Rule::bad_signature;
        case 408:
            return Rule::too_slow;
        case 413:
            return Rule::too_large;
        case 415:
            return Rule::wrong_type;
        case 429:
            return Rule::rate_limited;
        default:
            return Rule::malformed;
    }
}

std::string_view to_string(ReleaseState state) {
    return kReleaseStates.at(static_cast<std::size_t>(state));
}
std::optional<ReleaseState> parse_release_state(std::string_view text) {
    return find<ReleaseState>(kReleaseStates, text);
}

std::string_view to_string(AppState state) {
    return kAppStates.at(static_cast<std::size_t>(state));
}
std::optional<AppState> parse_app_state(std::string_view text) {
    return find<AppState>(kAppStates, text);
}

std::optional<RefName> parse_ref(std::string_view full) {
    RefType type = RefType::branch;
    if (full.starts_with("refs/heads/"))
        full.remove_prefix(11);
    else if (full.starts_with("refs/tags/")) {
        full.remove_prefix(10);
        type = RefType::tag;
    } else {
        return std::nullopt;
    }
    // git-check-ref-format(1)
    if (full.empty() || full.size() > 1024 || full.front() == '/' || full.back() == '/' ||
        full.back() == '.' || full == "@" || full.find("..") != full.npos ||
        full.find("//") != full.npos || full.find("@{") != full.npos)
        return std::nullopt;
    char before = '/';
    for (std::size_t i = 0; i < full.size(); ++i) {
        auto c = static_cast<unsigned char>(full[i]);
        if (c < 0x20 || c == 0x7f ||
            std::string_view(" ~^:?*[\\").find(full[i]) != std::string_view::npos)
            return std::nullopt;
        if (before == '/' && c == '.') return std::nullopt;
        before = full[i];
    }
    std::size_t at = 0;
    while (at <= full.size()) {
        auto slash = full.find('/', at);
        auto part = full.substr(at, slash == full.npos ? full.npos : slash - at);
        if (part.ends_with(".lock")) return std::nullopt;
        if (slash == full.npos) break;
        at = slash + 1;
    }
    return RefName{type, std::string(full)};
}

}  // namespace belay::domain
