// Just enough of OpenSSH's PROTOCOL.key to tell a key that can't work before the first fetch does.
#include "config/secrets.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <cstdint>
#include <string>
#include <vector>

namespace belay::config {
namespace {

constexpr std::string_view kBegin = "-----BEGIN OPENSSH PRIVATE KEY-----";
constexpr std::string_view kEnd = "-----END OPENSSH PRIVATE KEY-----";
constexpr std::string_view kMagic{"openssh-key-v1\0", 15};
constexpr std::string_view kMake =
    "make one with `ssh-keygen -t ed25519 -N '' -f FILE`, or let `belay init` do it";

std::optional<std::string> decoded(std::string_view text) {
    std::string packed;
    for (char c : text)
        if (c != '\n' && c != '\r' && c != ' ') packed += c;
    if (packed.empty() || packed.size() % 4 != 0) return std::nullopt;
    std::vector<unsigned char> bytes(packed.size());
    // the cast is OpenSSL's: unsigned char for bytes
    auto length =
        EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(packed.data()),
                        static_cast<int>(packed.size()));
    if (length < 0) return std::nullopt;
    return std::string(bytes.begin(), bytes.begin() + length);
}

// Strings with their length in four bytes before them (RFC 4251 §5).
class Wire {
  public:
    explicit Wire(std::string_view bytes) : rest_(bytes) {}

    std::optional<std::uint32_t> number() {
        if (rest_.size() < 4) return std::nullopt;
        std::uint32_t value = 0;
        for (int i = 0; i < 4; ++i)
            value = value << 8U | static_cast<unsigned char>(rest_[static_cast<std::size_t>(i)]);
        rest_.remove_prefix(4);
        return value;
    }
    std::optional<std::string_view> text() {
        auto length = number();
        if (!length || *length > rest_.size()) return std::nullopt;
        auto value = rest_.substr(0, *length);
        rest_.remove_prefix(*length);
        return value;
    }

  private:
    std::string_view rest_;
};

std::string rsa_fault(std::string_view type) {
    return fmt::format(
        "is an {} key, which can't be used (libssh2 signs with SHA-1, which servers refuse): use "
        "ed25519; {}",
        type, kMake);
}

std::optional<std::string> openssh_fault(std::string_view content) {
    auto begin = content.find(kBegin) + kBegin.size();
    auto end = content.find(kEnd, begin);
    auto bytes =
        decoded(content.substr(begin, (end == content.npos ? content.size() : end) - begin));
    if (end == content.npos || !bytes || !std::string_view(*bytes).starts_with(kMagic))
        return fmt::format("is a damaged private key; {}", kMake);
    Wire wire(std::string_view(*bytes).substr(kMagic.size()));
    auto cipher = wire.text();
    wire.text();  // the passphrase's function
    wire.text();  // and its options
    auto count = wire.number();
    auto blob = wire.text();
    auto type = Wire(blob.value_or("")).text();
    if (!cipher || !count || !type) return fmt::format("is a damaged private key; {}", kMake);
    if (*cipher != "none")
        return fmt::format("has a passphrase, which nobody is there to type; {}", kMake);
    if (*type == "ssh-rsa" || *type == "ssh-dss") return rsa_fault(*type);
    return std::nullopt;
}

}  // namespace

std::optional<std::string> ssh_key_fault(std::string_view content) {
    auto has = [&](std::string_view words) { return content.find(words) != content.npos; };
    if (has(kBegin)) return openssh_fault(content);
    if (has("BEGIN RSA PRIVATE KEY")) return rsa_fault("ssh-rsa");
    if (has("BEGIN DSA PRIVATE KEY")) return rsa_fault("ssh-dss");
    if (has("ENCRYPTED"))
        return fmt::format("has a passphrase, which nobody is there to type; {}", kMake);
    if (has("BEGIN EC PRIVATE KEY") || has("BEGIN PRIVATE KEY")) return std::nullopt;
    if (content.starts_with("ssh-") || content.starts_with("ecdsa-"))
        return "is a public key; the private one is in the file without .pub";
    if (has("PuTTY-User-Key-File")) return fmt::format("is PuTTY's kind of key; {}", kMake);
    return fmt::format("is no private key; {}", kMake);
}

}  // namespace belay::config
