// Identities as types, so that a delivery is never taken for a deployment.
#pragma once

#include <belay/base/error.hpp>

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace belay {

// An integer that counts up; 0 means none.
template <class Tag>
struct Id {
    std::int64_t value = 0;

    auto operator<=>(const Id&) const = default;
    explicit operator bool() const { return value != 0; }
};

using DeploymentId = Id<struct DeploymentTag>;  // shown as d1042
using DeliveryId = Id<struct DeliveryTag>;      // shown as w88

std::string to_string(DeploymentId id);
std::string to_string(DeliveryId id);

// "d1042" or "1042" and "w88" or "88"; Errc::invalid names the text.
Result<DeploymentId> parse_deployment_id(std::string_view text);
Result<DeliveryId> parse_delivery_id(std::string_view text);

// Counts per app from 1; 0 means none.
using ReleaseNumber = std::int64_t;

// `[a-z][a-z0-9-]{0,31}`, never `d` or `w` followed by digits only (those are ids).
// Errc::invalid says which rule is broken.
Result<void> check_app_name(std::string_view name);

// 40 or 64 lower-case hex digits.
bool is_commit_id(std::string_view text);

// "No object" as the forges send it: any number of zeros, at least one.
bool is_zero_id(std::string_view text);

}  // namespace belay

template <class Tag>
struct std::hash<belay::Id<Tag>> {
    std::size_t operator()(belay::Id<Tag> id) const noexcept {
        return std::hash<std::int64_t>{}(id.value);
    }
};
