#include "host_check.hpp"

#include "base64.hpp"
#include "ssh_wire.hpp"

#include <fmt/ranges.h>

namespace belay::git {
namespace {

std::string files_of(const std::vector<KnownHostsFile>& files) {
    std::vector<std::string_view> paths;
    for (const auto& file : files)
        paths.push_back(file.path);
    return paths.empty() ? "any known_hosts file (none is configured or exists)"
                         : fmt::format("{}", fmt::join(paths, ", "));
}

std::string message_for(const HostKeyVerdict& verdict, const std::vector<KnownHostsFile>& files,
                        const RepositoryUrl& url, std::string_view key) {
    using Kind = HostKeyVerdict::Kind;
    auto name = known_hosts_name(url.host, url.effective_port());
    auto type = key_type(key);
    auto presented = fmt::format("{} presents the {} key {}", name, type, fingerprint(key));
    auto line = fmt::format("{} {} {}", name, type, encode_base64(key));
    switch (verdict.kind) {
        case Kind::revoked:
            return fmt::format("{}, which is revoked at {}", presented, verdict.where);
        case Kind::changed:
            return fmt::format(
                "{}, but {} has another: somebody may be in between. If the server's key was "
                "really "
                "changed, replace that line by: {}",
                presented, verdict.where, line);
        case Kind::other_types:
            return fmt::format(
                "{}; known are only {} ({}). If the fingerprint is right, add this line: {}",
                presented, fmt::join(verdict.known_types, ", "), verdict.where, line);
        case Kind::unknown:
        case Kind::known:
            break;
    }
    const auto* authority =
        verdict.authority_ignored
            ? " (its @cert-authority line isn't used: host certificates aren't supported)"
            : "";
    return fmt::format(
        "{}, and it is in none of {}{}. If the fingerprint is the one that the server's owner "
        "publishes, add this line: {}",
        presented, files_of(files), authority, line);
}

}  // namespace

std::string raw_host_key(const git_cert_hostkey& certificate) {
    if ((certificate.type & GIT_CERT_SSH_RAW) == 0) return {};
    return std::string(certificate.hostkey, certificate.hostkey_len);
}

std::optional<Failure> host_key_problem(const std::vector<KnownHostsFile>& files,
                                        const RepositoryUrl& url, std::string_view key) {
    if (key.empty()) {
        return failed(SourceReason::host_key_mismatch,
                      fmt::format("{}: the server showed no host key", url.text()));
    }
    auto verdict = judge_host_key(files, url.host, url.effective_port(), key);
    if (verdict.kind == HostKeyVerdict::Kind::known) return std::nullopt;
    return failed(SourceReason::host_key_mismatch, message_for(verdict, files, url, key));
}

}  // namespace belay::git
