// Small files, read and replaced as a whole.
#pragma once

#include <belay/base/error.hpp>

#include <string>
#include <sys/types.h>

namespace belay::cli {

// Errc::not_found, forbidden, limit (beyond 16 MiB); the text names the file.
Result<std::string> read_file(const std::string& path);

// The new content is on disk under its name when this returns, or the old one still is. An existing
// file keeps its owner. `owner`: whom a new file is given to where we are root; -1: nobody.
Result<void> replace_file(const std::string& path, const std::string& content, mode_t mode,
                          uid_t owner = static_cast<uid_t>(-1),
                          gid_t group = static_cast<gid_t>(-1));

}  // namespace belay::cli
