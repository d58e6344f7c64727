// A request's target, taken apart (RFC 3986).
#pragma once

#include <belay/base/error.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::http {

struct Target {
    std::vector<std::string> segments;  // of the path, decoded
    std::vector<std::pair<std::string, std::string>> query;

    // First value of that name, or empty.
    std::string_view param(std::string_view name) const;
};

// "/a/b%20c?x=1". Errc::invalid for anything else than an absolute path, for bad escapes, control
// characters (but in the query's values), and segments that are empty, "." or ".." ("/" has none).
Result<Target> parse_target(std::string_view text);

}  // namespace belay::http
