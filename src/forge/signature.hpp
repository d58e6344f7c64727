// Keyed digests, and the texts in which forges send them.
#pragma once

#include <openssl/types.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace belay::forge {

using Digest = std::array<unsigned char, 32>;

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

// 64 hex digits of either case; none for anything else.
std::optional<Digest> parse_hex(std::string_view text);

// RFC 4648 §4 with padding; none for anything else.
std::optional<std::string> parse_base64(std::string_view text);
std::optional<Digest> parse_base64_digest(std::string_view text);

}  // namespace belay::forge
