#include "signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <vector>

namespace belay::notify {
namespace {

std::string base64(const unsigned char* bytes, std::size_t count) {
    std::string text(4 * ((count + 2) / 3) + 1, '\0');
    auto length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes,
                                  static_cast<int>(count));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::vector<unsigned char> from_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0) return {};
    std::vector<unsigned char> bytes(text.size() / 4 * 3);
    auto length = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                  static_cast<int>(text.size()));
    if (length < 0) return {};
    std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return bytes;
}

}  // namespace

Result<std::string> sign(const Secret& secret, std::string_view id, std::string_view timestamp,
                         std::string_view body) {
    constexpr std::string_view kPrefix = "whsec_";
    std::string_view text = secret.reveal();
    std::vector<unsigned char> key;
    if (text.starts_with(kPrefix)) key = from_base64(text.substr(kPrefix.size()));
    if (key.size() < 24 || key.size() > 64)
        return Error{Errc::invalid,
                     "the webhook's secret is not \"whsec_\" and the base64 of 24 to 64 bytes; "
                     "`echo whsec_$(openssl rand -base64 32)` makes one"};
    std::string signed_text(id);
    signed_text.append(".").append(timestamp).append(".").append(body);
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned int length = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(),
             mac.data(), &length) == nullptr)
        return Error{Errc::internal, "signing failed"};
    return "v1," + base64(mac.data(), length);
}

}  // namespace belay::notify
