#include "known_hosts.hpp"

#include "base64.hpp"
#include "ssh_wire.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

namespace belay::git {
namespace {

const unsigned char* as_bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return out;
}

// `*` and `?` only, as OpenSSH's match_pattern.
bool matches_pattern(std::string_view pattern, std::string_view name) {
    std::size_t p = 0;
    std::size_t n = 0;
    std::size_t star = std::string_view::npos;
    std::size_t retry = 0;
    while (n < name.size()) {
        if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
            ++p;
            ++n;
        } else if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            retry = n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++retry;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

// "|1|salt|HMAC-SHA1(salt, name)"
bool matches_hash(std::string_view hashed, std::string_view name) {
    auto middle = hashed.find('|', 3);
    if (middle == std::string_view::npos) return false;
    auto salt = decode_base64(hashed.substr(3, middle - 3));
    auto expected = decode_base64(hashed.substr(middle + 1));
    if (!salt || !expected) return false;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    HMAC(EVP_sha1(), salt->data(), static_cast<int>(salt->size()), as_bytes(name), name.size(),
         digest.data(), &length);
    return *expected == std::string_view(reinterpret_cast<const char*>(digest.data()), length);
}

bool names_host(std::string_view names, std::string_view name) {
    if (names.starts_with("|1|")) return matches_hash(names, name);
    bool matched = false;
    while (!names.empty()) {
        auto comma = std::min(names.find(','), names.size());
        auto pattern = lower(names.substr(0, comma));
        names.remove_prefix(std::min(comma + 1, names.size()));
        if (pattern.starts_with('!')) {
            if (matches_pattern(std::string_view(pattern).substr(1), name)) return false;
        } else if (matches_pattern(pattern, name)) {
            matched = true;
        }
    }
    return matched;
}

struct Line {
    std::string_view marker;  // "", "@revoked", "@cert-authority"
    std::string_view names;
    std::string_view type;
    std::string key;
    std::string_view key_text;
    std::string where;
};

std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    auto end = std::min(line.find_first_of(" \t\r"), line.size());
    auto word = line.substr(0, end);
    line.remove_prefix(end);
    return word;
}

std::optional<Line> parse_line(std::string_view text) {
    Line line;
    auto word = take_word(text);
    if (word.empty() || word.front() == '#') return std::nullopt;
    if (word.front() == '@') {
        line.marker = word;
        word = take_word(text);
    }
    line.names = word;
    line.type = take_word(text);
    line.key_text = take_word(text);
    auto key = decode_base64(line.key_text);
    if (!key || key->empty()) return std::nullopt;
    line.key = std::move(*key);
    return line;
}

void for_each_line(const std::vector<KnownHostsFile>& files, std::string_view name,
                   const std::function<void(const Line&)>& visit) {
    for (const auto& file : files) {
        std::string_view rest = file.text;
        for (int number = 1; !rest.empty(); ++number) {
            auto end = std::min(rest.find('\n'), rest.size());
            auto line = parse_line(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            if (!line || !names_host(line->names, name)) continue;
            line->where = fmt::format("{}:{}", file.path, number);
            visit(*line);
        }
    }
}

// A key that is revoked anywhere is never good; a key that fits makes other lines of the host
// irrelevant.
HostKeyVerdict judge(const std::vector<KnownHostsFile>& files, std::string_view name,
                     std::string_view key) {
    using Kind = HostKeyVerdict::Kind;
    HostKeyVerdict verdict;
    auto type = key_type(key);
    for_each_line(files, name, [&](const Line& line) {
        if (line.marker == "@cert-authority") {
            verdict.authority_ignored = true;
            return;
        }
        if (verdict.kind == Kind::revoked) return;
        if (line.marker == "@revoked") {
            if (line.key == key) {
                verdict.kind = Kind::revoked;
                verdict.where = line.where;
            }
            return;
        }
        if (!line.marker.empty() || verdict.kind == Kind::known) return;
        if (line.key == key) {
            verdict.kind = Kind::known;
        } else if (key_type(line.key) == type) {
            verdict.kind = Kind::changed;
        } else {
            verdict.known_types.emplace_back(line.type);
            if (verdict.kind != Kind::unknown) return;
            verdict.kind = Kind::other_types;
        }
        verdict.where = line.where;
    });
    return verdict;
}

}  // namespace

HostKeyVerdict judge_host_key(const std::vector<KnownHostsFile>& files, std::string_view host,
                              std::uint16_t port, std::string_view key) {
    auto verdict = judge(files, known_hosts_name(host, port), key);
    if (port == 22 || verdict.kind != HostKeyVerdict::Kind::unknown) return verdict;
    // As ssh does: a line without the port serves where it fits, and accuses nobody where it
    // doesn't.
    auto plain = judge(files, lower(host), key);
    bool decides =
        plain.kind == HostKeyVerdict::Kind::known || plain.kind == HostKeyVerdict::Kind::revoked;
    return decides ? plain : verdict;
}

std::vector<std::string> lines_for_host(const std::vector<KnownHostsFile>& files,
                                        std::string_view host, std::uint16_t port) {
    std::vector<std::string> lines;
    auto name = known_hosts_name(host, port);
    auto collect = [&](const Line& line) {
        if (!line.marker.empty()) return;
        lines.push_back(fmt::format("{} {} {}", name, line.type, line.key_text));
    };
    for_each_line(files, name, collect);
    if (lines.empty() && port != 22) for_each_line(files, lower(host), collect);
    // libgit2 asks the server for a key of the first line's type, and servers of today don't sign
    // with ssh-rsa (SHA-1) any more, even where their RSA key is known.
    std::ranges::stable_partition(
        lines, [](const std::string& line) { return line.find(" ssh-rsa ") == line.npos; });
    return lines;
}

std::string known_hosts_name(std::string_view host, std::uint16_t port) {
    return port == 22 ? lower(host) : fmt::format("[{}]:{}", lower(host), port);
}

std::string fingerprint(std::string_view key) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(as_bytes(key), key.size(), digest.data());
    auto text = encode_base64(
        std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
    while (text.ends_with('='))
        text.pop_back();
    return "SHA256:" + text;
}

}  // namespace belay::git
