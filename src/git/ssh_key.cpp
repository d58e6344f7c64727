#include "base64.hpp"
#include "ssh_wire.hpp"

#include <belay/git/ssh_key.hpp>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

namespace belay::git {
namespace {

const Error kNoKey{Errc::invalid, "this is not a private ssh key"};

// "-----BEGIN X-----" … "-----END X-----"
struct Armour {
    std::string_view label;
    std::string_view body;
};

std::optional<Armour> take_armour(std::string_view text) {
    constexpr std::string_view begin = "-----BEGIN ";
    auto start = text.find(begin);
    if (start == std::string_view::npos) return std::nullopt;
    text.remove_prefix(start + begin.size());
    auto label_end = text.find("-----");
    if (label_end == std::string_view::npos) return std::nullopt;
    auto label = text.substr(0, label_end);
    text.remove_prefix(label_end + 5);
    auto end = text.find("-----END");
    if (end == std::string_view::npos) return std::nullopt;
    return Armour{label, text.substr(0, end)};
}

// PROTOCOL.key of OpenSSH: the public half stands before the encrypted part.
Result<SshKey> parse_openssh(std::string_view body) {
    auto decoded = decode_base64(body);
    constexpr std::string_view magic("openssh-key-v1\0", 15);
    if (!decoded || !decoded->starts_with(magic)) return kNoKey;
    auto rest = std::string_view(*decoded).substr(magic.size());
    auto cipher = take_string(rest);
    auto kdf = take_string(rest);
    auto kdf_options = take_string(rest);
    auto count = take_number(rest);
    auto key = take_string(rest);
    if (!cipher || !kdf || !kdf_options || !count || !key) return kNoKey;
    SshKey found;
    found.type = key_type(*key);
    if (found.type.empty()) return kNoKey;
    found.public_line = fmt::format("{} {}", found.type, encode_base64(*key));
    found.encrypted = *cipher != "none";
    return found;
}

// PKCS#8 says its algorithm only inside.
Result<SshKey> parse_pkcs8(std::string_view text) {
    std::unique_ptr<BIO, decltype(&BIO_free)> bio(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
    if (!key) return kNoKey;
    SshKey found;
    switch (EVP_PKEY_get_base_id(key.get())) {
        case EVP_PKEY_RSA:
            found.type = "ssh-rsa";
            return found;
        case EVP_PKEY_ED25519:
            found.type = "ssh-ed25519";
            return found;
        case EVP_PKEY_EC:
            found.type = "ecdsa";
            return found;
        default:
            return kNoKey;
    }
}

Result<std::string> read_whole(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return errno_error(errno, fmt::format("reading ssh key {}", file.string()));
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

}  // namespace

Result<SshKey> parse_ssh_key(std::string_view text) {
    auto armour = take_armour(text);
    if (!armour) return kNoKey;
    if (armour->label == "OPENSSH PRIVATE KEY") return parse_openssh(armour->body);
    SshKey found;
    found.encrypted = armour->label == "ENCRYPTED PRIVATE KEY" ||
                      armour->body.find("ENCRYPTED") != std::string_view::npos;
    if (armour->label == "RSA PRIVATE KEY") {
        found.type = "ssh-rsa";
    } else if (armour->label == "EC PRIVATE KEY") {
        found.type = "ecdsa";
    } else if (armour->label == "DSA PRIVATE KEY") {
        found.type = "ssh-dss";
    } else if (armour->label == "ENCRYPTED PRIVATE KEY") {
        found.type = "unknown";
    } else if (armour->label == "PRIVATE KEY") {
        return parse_pkcs8(text);
    } else {
        return kNoKey;
    }
    return found;
}

Result<SshKey> check_ssh_key(const std::filesystem::path& file) {
    auto text = read_whole(file);
    if (!text) return text.error();
    auto key = parse_ssh_key(*text);
    if (!key) return prefixed(file.string(), key.error());
    if (key->encrypted) {
        return Error{
            Errc::invalid,
            fmt::format(
                "{}: the key has a passphrase, and nobody is there to type it; make one without: "
                "ssh-keygen -t ed25519 -N '' -f {}",
                file.string(), file.string())};
    }
    if (key->type == "ssh-rsa" || key->type == "ssh-dss") {
        return Error{
            Errc::invalid,
            fmt::format("{}: an {} key, which servers refuse from this ssh library; use ed25519: "
                        "ssh-keygen -t "
                        "ed25519 -N '' -f {}, and add its .pub as deploy key",
                        file.string(), key->type == "ssh-rsa" ? "RSA" : "DSA", file.string())};
    }
    return key;
}

}  // namespace belay::git
