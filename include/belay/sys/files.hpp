// Files whose content or name must survive a crash, and trees that strangers wrote. Any thread; all
// calls block.
#pragma once

#include <belay/base/error.hpp>
#include <belay/sys/unique_fd.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace belay::sys {

using std::filesystem::path;

// The whole file. Errc::not_found, Errc::limit (larger than max_bytes), forbidden, internal.
Result<std::string> read_file(const path& file, std::uint64_t max_bytes = 64ull << 20);
Result<std::string> read_file_at(int directory, const std::string& name,
                                 std::uint64_t max_bytes = 1 << 20);

// Whole or not at all, also across a power cut: temporary file, fsync, rename, fsync of the
// directory. `sync` false leaves out both fsyncs: whole across a crash of the process only.
Result<void> write_file(const path& file, std::string_view content, mode_t mode = 0644,
                        bool sync = true);

// Makes a rename or an unlink in it durable.
Result<void> fsync_dir(const path& directory);

// The directory and those above it; the new ones get exactly `mode`, existing ones keep theirs. Not
// synced.
Result<void> make_directories(const path& directory, mode_t mode = 0755);

// Opens O_CLOEXEC, with the errno as an Error that names the file.
Result<UniqueFd> open_file(const path& file, int flags, mode_t mode = 0644);
Result<UniqueFd> open_file_at(int directory, const std::string& name, int flags,
                              mode_t mode = 0644);

// Removes a file or a tree by descriptors: a symbolic link is removed, never followed, whatever is
// swapped meanwhile; directories without write permission are opened up first. Success where there
// is nothing.
Result<void> remove_tree(const path& tree);

struct Space {
    std::uint64_t available = 0;  // bytes for us, reserved blocks excluded unless we are root
    std::uint64_t total = 0;
};
Result<Space> free_space(const path& directory);

// Bounds an append-only file that a writer keeps open: frees what lies before its last `keep` bytes
// once more than `cap` bytes are allocated. Offsets stay valid and read as zeros [fallocate(2),
// FALLOC_FL_PUNCH_HOLE]. Returns the first offset that still has content (0 where nothing was freed
// yet). Errc::unavailable: the file system can't.
Result<std::uint64_t> punch_head(const path& file, std::uint64_t cap, std::uint64_t keep);

}  // namespace belay::sys
