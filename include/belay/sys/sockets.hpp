// Listening sockets, and who listens where. Any thread.
#pragma once

#include <belay/base/error.hpp>
#include <belay/sys/unique_fd.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace belay::sys {

struct BoundListener {
    UniqueFd fd;
    std::string address;  // as bound: "127.0.0.1:8080", "[::]:80"
    std::uint16_t port = 0;
};

// "127.0.0.1:8080", "[::1]:8080", "localhost:8080" and ":80" (both families; v4 alone where there
// is no v6); port 0 is any free one. Non-blocking, SO_REUSEADDR. Errc::invalid (not such an
// address), conflict (":80 is in use by nginx (pid 123)"), forbidden (below 1024 without the
// capability: says so).
Result<std::vector<BoundListener>> listen_tcp(const std::string& address, int backlog = 1024);

// The addresses that listen_tcp() would bind, in the same form; those of v6 only where this machine
// has it or the address names one. Errc::invalid.
Result<std::vector<std::string>> listen_addresses(const std::string& address);

// Non-blocking, in `directory`/`name` of any length, with exactly `mode`; a stale socket of that
// name is replaced, a living one is Errc::conflict.
Result<UniqueFd> listen_unix(const std::filesystem::path& socket, mode_t mode = 0600,
                             int backlog = 128);
// The same relative to an open directory, past the 108 bytes of sun_path.
Result<UniqueFd> listen_unix_at(int directory, const std::string& name, mode_t mode = 0600,
                                int backlog = 16);

// A connected, non-blocking stream. Errc::not_found (no such socket), unavailable (nobody listens).
Result<UniqueFd> connect_unix(const std::filesystem::path& socket);
Result<UniqueFd> connect_unix_at(int directory, const std::string& name);

// A TCP socket in the state LISTEN, of this network namespace.
struct ListeningSocket {
    std::string address;  // "127.0.0.1:3000"
    std::uint16_t port = 0;
    std::uint64_t inode = 0;
};
Result<std::vector<ListeningSocket>> listening_sockets();

// Inodes of the sockets that a process has open. Errc::forbidden: its descriptors are closed to us.
Result<std::vector<std::uint64_t>> socket_inodes(pid_t pid);

// "nginx (pid 123)", or empty where no process that we may look into holds it. Walks all of /proc.
std::string holder_of(std::uint64_t inode);

}  // namespace belay::sys
