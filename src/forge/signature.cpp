#include "signature.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>

namespace belay::forge {
namespace {

// OpenSSL refuses only for want of memory or of its own provider: nothing that a caller could mend.
void must(bool done) {
    if (!done) throw std::runtime_error("OpenSSL can't compute a signature");
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

template <class Bytes>
std::optional<Bytes> parse_base64_bytes(std::string_view text) {
    Bytes bytes{};
    if (text.size() != (bytes.size() + 2) / 3 * 4) return std::nullopt;
    auto decoded = parse_base64(text);
    if (!decoded || decoded->size() != bytes.size()) return std::nullopt;
    std::transform(decoded->begin(), decoded->end(), bytes.begin(),
                   [](char c) { return static_cast<unsigned char>(c); });
    return bytes;
}

// What all begin with, as a copy: looking the digest up by its name takes longer than the key does.
const EVP_MAC_CTX* hmac_sha256() {
    static EVP_MAC_CTX* const context = [] {
        auto* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
        must(mac != nullptr);
        auto* fresh = EVP_MAC_CTX_new(mac);
        EVP_MAC_free(mac);  // the context holds it
        must(fresh != nullptr);
        char name[] = "SHA256";
        OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
        must(EVP_MAC_CTX_set_params(fresh, params) == 1);
        return fresh;
    }();
    return context;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
}

}  // namespace

void Hmac::Free::operator()(EVP_MAC_CTX* context) const {
    EVP_MAC_CTX_free(context);
}

Hmac::Hmac(std::string_view key) : context_(EVP_MAC_CTX_dup(hmac_sha256())) {
    must(context_ != nullptr);
    must(EVP_MAC_init(context_.get(), bytes_of(key), key.size(), nullptr) == 1);
}

void Hmac::feed(std::string_view bytes) {
    must(EVP_MAC_update(context_.get(), bytes_of(bytes), bytes.size()) == 1);
}

Digest Hmac::finish() {
    Digest digest{};
    std::size_t length = 0;
    must(EVP_MAC_final(context_.get(), digest.data(), &length, digest.size()) == 1);
    return digest;
}

bool same(const Digest& left, const Digest& right) {
    return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

Digest fingerprint(std::string_view text) {
    Hmac hash("belay");
    hash.feed(text);
    return hash.finish();
}

bool verify_ed25519(const PublicKey& key, const Ed25519Signature& signature,
                    std::string_view message) {
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> public_key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()),
        &EVP_PKEY_free);
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free);
    must(public_key != nullptr && context != nullptr);
    must(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1);
    bool good = EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                 bytes_of(message), message.size()) == 1;
    ERR_clear_error();
    return good;
}

std::optional<Digest> parse_hex(std::string_view text) {
    Digest digest{};
    if (text.size() != digest.size() * 2) return std::nullopt;
    for (std::size_t i = 0; i < digest.size(); ++i) {
        auto high = hex_digit(text[2 * i]);
        auto low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        digest[i] = static_cast<unsigned char>(high * 16 + low);
    }
    return digest;
}

std::optional<std::string> parse_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    text.remove_suffix(padding);
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
        auto digit = base64_digit(c);
        if (digit < 0) return std::nullopt;
        bits = (bits << 6) | static_cast<std::uint32_t>(digit);
        if ((count += 6) >= 8) {
            count -= 8;
            bytes += static_cast<char>((bits >> count) & 255u);
        }
    }
    if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;
    return bytes;
}

std::optional<Digest> parse_base64_digest(std::string_view text) {
    return parse_base64_bytes<Digest>(text);
}

std::optional<Ed25519Signature> parse_base64_signature(std::string_view text) {
    return parse_base64_bytes<Ed25519Signature>(text);
}

}  // namespace belay::forge
