// Reading the small files of a configuration.
#pragma once

#include <belay/base/error.hpp>
#include <belay/config/paths.hpp>

#include <optional>
#include <string>
#include <vector>

namespace belay::config {

// Errc::not_found where there is none, Errc::limit above 1 MiB; never waits for a pipe. The message
// lacks the file's name.
Result<std::string> read_text_file(const std::string& path);

// As above, for files that hold secrets: the owner must be root or the user itself, and nobody else
// may read or write it. The message names the file and the cure, never the content. One line end at
// the file's end is taken away.
Result<std::string> read_secret_file(const std::string& path, const Surroundings& surroundings);

// Whether others than its owner may read or write the file: the mode in octal where they can.
std::optional<std::string> open_to_others(const std::string& path);

bool exists(const std::string& path);

// Names of a directory's entries, sorted; Errc::not_found where there is none.
Result<std::vector<std::string>> list_directory(const std::string& path);

// Uid of the owner; none where the path doesn't exist.
std::optional<uid_t> owner_of(const std::string& path);

}  // namespace belay::config
