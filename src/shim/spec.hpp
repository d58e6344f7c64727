// The specification of what to run, as read from its descriptor; checked before anything is done.
#pragma once

#include "protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <sys/types.h>

namespace belay::shim {

inline constexpr unsigned kMaxGroups = 64;
inline constexpr unsigned kMaxCgroups = 8;
inline constexpr std::uint64_t kUnset = ~std::uint64_t{0};

enum class StopTo { tree, main };

// Pointers go into the memory that the specification was read to, which lives as long as the
// process.
struct Spec {
    bool kept = false;
    bool always = false;
    const char* run = "";
    const char* token = "";
    const char* cwd = "/";
    const char* cgroups[kMaxCgroups];
    unsigned cgroup_count = 0;
    const char* path = nullptr;  // value of PATH in the environment
    char** argv = nullptr;
    char** env = nullptr;  // with kListenVariables free places at its end
    std::size_t env_count = 0;
    bool change_user = false;
    uid_t uid = 0;
    gid_t gid = 0;
    gid_t groups[kMaxGroups];
    std::size_t group_count = 0;
    std::uint64_t nofile = kUnset;
    std::uint64_t nofile_soft = kUnset;
    std::uint64_t nproc = kUnset;
    std::uint64_t fsize = kUnset;
    std::uint64_t as = kUnset;
    mode_t mask = 022;
    int stop_signal = 15;
    StopTo stop_to = StopTo::tree;
    std::uint64_t stop_timeout_ms = 30'000;
    std::uint64_t first_backoff_ms = 1'000;
    const char* listener_names[kMaxListeners];
    unsigned listener_count = 0;
};

inline constexpr std::size_t kListenVariables = 3;

// Null when all is well, else why it is refused.
const char* read_spec(int fd, Spec& spec);

bool listener_name_is_valid(const char* name);

}  // namespace belay::shim
