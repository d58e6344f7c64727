// secrets/APP.env: one NAME=VALUE a line (dotenv), edited without touching what else stands in it.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/secret.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace belay::cli {

// [A-Za-z_][A-Za-z0-9_]*, as environment variables are named (POSIX.1-2017, 8.1).
bool is_variable_name(std::string_view name);

// Names in the order of the file.
std::vector<std::string> secret_names(std::string_view content);

// The content with `name` set: in its old place, else at the end. Errc::invalid where the value
// can't be an environment variable's (a zero byte).
Result<std::string> with_secret(std::string_view content, std::string_view name,
                                const Secret& value);

// The content without `name`; Errc::not_found.
Result<std::string> without_secret(std::string_view content, std::string_view name);

}  // namespace belay::cli
