#include "webhook_signature.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <sys/random.h>

namespace belay::cli {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// RFC 4648 §4, padded; none for anything else.
std::optional<std::string> parse_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0) return std::nullopt;
    text.remove_suffix(text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0);
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
        auto digit = kAlphabet.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = (bits << 6) | static_cast<std::uint32_t>(digit);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>((bits >> count) & 0xff);
    }
    return (bits & ((1u << count) - 1)) == 0 ? std::optional(bytes) : std::nullopt;
}

std::string key_of(const Secret& secret) {
    constexpr std::string_view kPrefix = "whsec_";
    std::string_view text = secret.reveal();
    if (text.starts_with(kPrefix))
        if (auto key = parse_base64(text.substr(kPrefix.size()))) return *key;
    return std::string(text);
}

}  // namespace

std::string webhook_signature(const Secret& secret, std::string_view id, std::string_view timestamp,
                              std::string_view body) {
    auto key = key_of(secret);
    auto text = fmt::format("{}.{}.{}", id, timestamp, body);
    std::array<unsigned char, 32> digest{};
    unsigned int length = 0;
    if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
              reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
              &length))
        throw std::runtime_error("OpenSSL can't compute HMAC-SHA256");
    std::array<unsigned char, 45> encoded{};  // 44 characters and a zero
    EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
    return fmt::format("v1,{}", reinterpret_cast<const char*>(encoded.data()));
}

std::string make_webhook_id() {
    std::array<unsigned char, 16> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
        throw std::runtime_error("the kernel gives no random bytes");
    std::string id = "msg_";
    for (auto byte : random)
        id += fmt::format("{:02x}", byte);
    return id;
}

}  // namespace belay::cli
