// Signs as senders do, by OpenSSL's one-shot functions: shares no code with what is tested.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace belay::test {

inline std::string hmac(const EVP_MD* algorithm, std::string_view key, std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    HMAC(algorithm, key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data(),
         &length);
    return {reinterpret_cast<const char*>(digest.data()), length};
}

inline std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (char c : bytes) {
        auto byte = static_cast<unsigned char>(c);
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15u];
    }
    return text;
}

inline std::string base64(std::string_view bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
    auto length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                  reinterpret_cast<const unsigned char*>(bytes.data()),
                                  static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

inline std::string github_signature(std::string_view secret, std::string_view body) {
    return "sha256=" + hex(hmac(EVP_sha256(), secret, body));
}

// `key`: the bytes, not the text that stands for them.
inline std::string standard_signature(std::string_view key, const std::string& id,
                                      const std::string& timestamp, const std::string& body) {
    return "v1," + base64(hmac(EVP_sha256(), key, id + "." + timestamp + "." + body));
}

// An Ed25519 key pair of its own for each instance.
class Ed25519 {
  public:
    // base64 of the raw key
    std::string public_key() const {
        std::array<unsigned char, 32> raw{};
        std::size_t length = raw.size();
        EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &length);
        return base64({reinterpret_cast<const char*>(raw.data()), length});
    }

    // base64
    std::string sign(std::string_view message) const {
        std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
        std::array<unsigned char, 64> raw{};
        std::size_t length = raw.size();
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
        EVP_DigestSign(context.get(), raw.data(), &length,
                       reinterpret_cast<const unsigned char*>(message.data()), message.size());
        return base64({reinterpret_cast<const char*>(raw.data()), length});
    }

  private:
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{
        EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free};
};

inline std::string form_encoded(std::string_view json) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string text = "payload=";
    for (char c : json) {
        auto byte = static_cast<unsigned char>(c);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
            text += c;
        } else if (c == ' ') {
            text += '+';
        } else {
            text += '%';
            text += kDigits[byte >> 4];
            text += kDigits[byte & 15u];
        }
    }
    return text;
}

}  // namespace belay::test
