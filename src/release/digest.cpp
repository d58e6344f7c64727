#include "digest.hpp"

#include <openssl/evp.h>

#include <cerrno>
#include <memory>
#include <unistd.h>
#include <vector>

namespace belay::release {
namespace {

// Looked up once a thread: EVP_sha256() costs a lookup by name on every use, as much as a small
// file's hash.
class Hasher {
  public:
    Hasher() : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
        if (!algorithm_ || !context_)
            throw ErrorException({Errc::internal, "OpenSSL has no SHA-256"});
    }

    void begin() { EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr); }
    void add(const void* bytes, std::size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
    Digest end() {
        Digest digest{};
        EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
        return digest;
    }
    std::vector<char>& buffer() { return buffer_; }

  private:
    struct Free {
        void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD, Free> algorithm_;
    std::unique_ptr<EVP_MD_CTX, Free> context_;
    std::vector<char> buffer_ = std::vector<char>(128 << 10);
};

Hasher& hasher() {
    thread_local Hasher instance;
    return instance;
}

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

}  // namespace

Digest digest_of(std::string_view bytes) {
    auto& sha = hasher();
    sha.begin();
    sha.add(bytes.data(), bytes.size());
    return sha.end();
}

Result<Digest> digest_of_file(int fd) {
    auto& sha = hasher();
    auto& buffer = sha.buffer();
    sha.begin();
    while (true) {
        auto got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error(errno, "reading");
        if (got == 0) return sha.end();
        sha.add(buffer.data(), static_cast<std::size_t>(got));
    }
}

std::string to_hex(const Digest& digest) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(64);
    for (auto byte : digest) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

std::optional<Digest> parse_hex(std::string_view text) {
    Digest digest{};
    if (text.size() != 2 * digest.size()) return std::nullopt;
    for (std::size_t i = 0; i < digest.size(); ++i) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        digest[i] = static_cast<unsigned char>(high * 16 + low);
    }
    return digest;
}

}  // namespace belay::release
