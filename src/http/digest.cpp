#include "digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>
#include <sys/random.h>

namespace belay::http {
namespace {

void must(bool done) {
    if (!done) throw std::runtime_error("OpenSSL can't compute SHA-256");
}

const EVP_MD* sha256() {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return algorithm;
}

}  // namespace

void Sha256::Free::operator()(EVP_MD_CTX* context) const {
    EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    must(context_ && EVP_DigestInit_ex2(context_.get(), sha256(), nullptr) == 1);
}

void Sha256::feed(std::string_view bytes) {
    must(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    must(EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1);
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (unsigned int i = 0; i < length; ++i) {
        text += kDigits[digest[i] >> 4];
        text += kDigits[digest[i] & 15u];
    }
    return text;
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    if (::getrandom(bytes.data(), count, 0) != static_cast<ssize_t>(count))
        throw std::runtime_error("the kernel gives no random bytes");
    return bytes;
}

}  // namespace belay::http
