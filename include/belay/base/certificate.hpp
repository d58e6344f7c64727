// A certificate and its key, ready to be served (OpenSSL).
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>

#include <openssl/types.h>

#include <memory>
#include <string>

namespace belay {

struct Certificate {
    std::shared_ptr<SSL_CTX> context;
    TimePoint not_after{};
};

// PEM files; the certificate's with its chain. TLS 1.2 and 1.3, settings as in Mozilla's
// "intermediate" (wiki.mozilla.org/Security/Server_Side_TLS), ALPN http/1.1. Any thread. The errors
// name the file and the cure: not_found, forbidden, invalid (no certificate, no key, a key with a
// passphrase, one that does not fit). A certificate whose time is over loads: see expired().
Result<Certificate> load_certificate(const std::string& certificate_file,
                                     const std::string& key_file);

// What is wrong with it now, or success: Errc::invalid says since when it is not valid.
Result<void> check_not_expired(const Certificate& certificate, const std::string& certificate_file,
                               TimePoint now);

// What OpenSSL has to say of its last failure on this thread, and forgets.
std::string openssl_error();

}  // namespace belay
