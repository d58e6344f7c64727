// SHA-256 of what comes in pieces.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

namespace belay::http {

class Sha256 {
  public:
    Sha256();
    void feed(std::string_view bytes);
    // Lower-case hex; once.
    std::string finish();

  private:
    struct Free {
        void operator()(EVP_MD_CTX* context) const;
    };
    std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// From the kernel's generator.
std::string random_bytes(std::size_t count);

}  // namespace belay::http
