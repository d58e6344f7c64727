// What a private key's file says of itself, without its passphrase: for `check`, `init` and error
// messages.
#pragma once

#include <belay/base/error.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace belay::git {

struct SshKey {
    std::string type;         // "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"
    std::string public_line;  // "ssh-ed25519 AAAA…", to be pasted; empty where the file doesn't
                              // show it (PEM)
    bool encrypted = false;
};

// OpenSSH's own format (PROTOCOL.key) and the older PEM ones. Errc::invalid: not a private key.
Result<SshKey> parse_ssh_key(std::string_view text);

// Also Errc::invalid, with the cure, for keys that can't work: RSA (libssh2 1.10 signs with SHA-1
// only, which servers refuse since OpenSSH 8.8), and those with a passphrase. Errc::not_found,
// forbidden name the file.
Result<SshKey> check_ssh_key(const std::filesystem::path& file);

}  // namespace belay::git
