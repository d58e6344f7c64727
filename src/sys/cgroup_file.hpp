// The kernel's control files: a value is one write, and an answer is words by line.
#pragma once

#include <belay/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace belay::sys {

// The errno's Error names the file.
Result<void> write_control(const std::string& file, std::string_view value);

// The first word of the file as a number; none where it is not there or "max".
std::uint64_t read_number(const std::string& file);
// That which follows `key` at a line's beginning; 0 where there is none.
std::uint64_t read_keyed(const std::string& file, std::string_view key);
// Pids in a group's cgroup.procs.
std::vector<pid_t> read_processes(const std::string& directory);

}  // namespace belay::sys
