// Keyed digests and signatures, and the texts in which forges send them.
#pragma once

#include <openssl/types.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace belay::forge {

using Digest = std::array<unsigned char, 32>;
using PublicKey = std::array<unsigned char, 32>;         // Ed25519, RFC 8032
using Ed25519Signature = std::array<unsigned char, 64>;  // Ed25519, RFC 8032

// HMAC-SHA256 (RFC 2104) over bytes that come in pieces.
class Hmac {
  public:
    explicit Hmac(std::string_view key);

    void feed(std::string_view bytes);
    // Once.
    Digest finish();

  private:
    struct Free {
        void operator()(EVP_MAC_CTX* context) const;
    };
    std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

// In constant time.
bool same(const Digest& left, const Digest& right);

// Makes texts of any length comparable in constant time.
Digest fingerprint(std::string_view text);

// Whether `signature` is `key`'s over `message`.
bool verify_ed25519(const PublicKey& key, const Ed25519Signature& signature,
                    std::string_view message);

// 64 hex digits of either case; none for anything else.
std::optional<Digest> parse_hex(std::string_view text);

// RFC 4648 §4 with padding; none for anything else.
std::optional<std::string> parse_base64(std::string_view text);
std::optional<Digest> parse_base64_digest(std::string_view text);
std::optional<Ed25519Signature> parse_base64_signature(std::string_view text);

}  // namespace belay::forge
