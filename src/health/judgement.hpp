// What an answer must be, and how it is shown to a person.
#pragma once

#include <belay/domain/config.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace belay::health {

bool expects(const std::vector<domain::StatusRange>& ranges, int status);

// Empty: it is as expected. `expected` is a part of the body, or a regular expression between
// slashes: "/v[0-9]+/".
std::string complaint_about_body(const std::string& expected, std::string_view body);

// The first bytes as one line of valid UTF-8 without control characters.
std::string printable(std::string_view body, std::size_t most);

}  // namespace belay::health
