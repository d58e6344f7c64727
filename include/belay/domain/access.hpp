// Who may use the API from afar, and what was done through it.
#pragma once

#include <belay/base/time.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belay::domain {

// Each may do what those before it may.
enum class Role { none, read, deploy, admin };
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

// A bearer token as it is kept: the token itself is known to its holder alone.
struct Token {
    std::int64_t id = 0;  // assigned by the store, never again to another
    std::string name;     // unique
    Role role = Role::read;
    std::string digest;  // SHA-256 of the token, lower-case hex
    std::string created_by;
    TimePoint created_at{};
    TimePoint expires_at{};  // 0: never
    TimePoint last_used_at{};
    std::string last_used_from;

    bool operator==(const Token&) const = default;
};

// One act that was asked for through the API, whether it was done or refused.
struct AuditEntry {
    std::int64_t id = 0;  // assigned by the store, in order
    TimePoint at{};
    std::string who;  // "token ci", a local user's name; empty: nobody that is known
    Role role = Role::none;
    std::string origin;   // the address it came from, or "socket"
    std::string act;      // "deploy"
    std::string target;   // "shop", "d12", a token's name; empty: the daemon
    std::string asked;    // a JSON object of the fields that may be recorded; empty: none
    int status_code = 0;  // of the answer; 0: begun, and how it ended is not known
    std::string outcome;  // the deployment that it made, or why it was refused

    bool operator==(const AuditEntry&) const = default;
};

}  // namespace belay::domain
