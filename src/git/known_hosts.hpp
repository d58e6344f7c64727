// Host keys that may be trusted: OpenSSH's known_hosts, sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace belay::git {

struct KnownHostsFile {
    std::string path;  // for messages
    std::string text;
};

struct HostKeyVerdict {
    enum class Kind {
        known,
        unknown,      // no line for this host
        other_types,  // lines for this host, none with a key of this type
        changed,      // a key of this type, but another one
        revoked,
    };
    Kind kind = Kind::unknown;
    std::string where;                     // "file:line" of what decided
    std::vector<std::string> known_types;  // of the host's other keys
    bool authority_ignored = false;  // a @cert-authority line fits; host certificates aren't used
};

// `key` is the public key's bytes as on the wire.
HostKeyVerdict judge_host_key(const std::vector<KnownHostsFile>& files, std::string_view host,
                              std::uint16_t port, std::string_view key);

// The lines that name this host, unhashed, as "name type key": for libssh2's choice among a
// server's keys.
std::vector<std::string> lines_for_host(const std::vector<KnownHostsFile>& files,
                                        std::string_view host, std::uint16_t port);

// "host" or "[host]:port"
std::string known_hosts_name(std::string_view host, std::uint16_t port);

// "SHA256:…", as ssh prints it
std::string fingerprint(std::string_view key);

}  // namespace belay::git
