#include <belay/base/id.hpp>

#include <algorithm>
#include <charconv>

namespace belay {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

Result<std::int64_t> parse_prefixed(std::string_view text, char prefix, std::string_view noun) {
    auto digits = text.starts_with(prefix) ? text.substr(1) : text;
    std::int64_t value = 0;
    auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || failure != std::errc{} || end != digits.data() + digits.size() ||
        value <= 0)
        return Error{Errc::invalid, "\"" + std::string(text) + "\" is no " + std::string(noun) +
                                        " id; they look like " + prefix + "42"};
    return value;
}

}  // namespace

std::string to_string(DeploymentId id) {
    return "d" + std::to_string(id.value);
}
std::string to_string(DeliveryId id) {
    return "w" + std::to_string(id.value);
}

Result<DeploymentId> parse_deployment_id(std::string_view text) {
    auto value = parse_prefixed(text, 'd', "deployment");
    if (!value) return value.error();
    return DeploymentId{*value};
}

Result<DeliveryId> parse_delivery_id(std::string_view text) {
    auto value = parse_prefixed(text, 'w', "delivery");
    if (!value) return value.error();
    return DeliveryId{*value};
}

Result<void> check_app_name(std::string_view name) {
    auto complain = [&](std::string_view rule) {
        return Error{Errc::invalid, "app name \"" + std::string(name) + "\" " + std::string(rule)};
    };
    if (name.empty()) return complain("is empty");
    if (name.size() > 32) return complain("is longer than 32 characters");
    if (!is_lower(name[0])) return complain("must start with a letter a-z");
    if (!std::all_of(name.begin(), name.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || c == '-'; }))
        return complain("may hold only a-z, 0-9 and -");
    if (name.size() > 1 && (name[0] == 'd' || name[0] == 'w') &&
        std::all_of(name.begin() + 1, name.end(), is_digit))
        return complain("looks like the id of a deployment or a delivery");
    return {};
}

bool is_commit_id(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_zero_id(std::string_view text) {
    return !text.empty() && text.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace belay
