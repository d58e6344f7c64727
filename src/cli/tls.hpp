// TLS of a client on a connected socket: the server is who its certificate says, or nothing is
// sent.
#pragma once

#include "wire.hpp"

#include <openssl/types.h>

#include <cstddef>
#include <memory>

namespace belay::cli {

// What one attempt to read or write came to.
struct Moved {
    std::size_t count = 0;
    short wait = 0;  // nothing moved before poll(2) says this
    bool ended = false;
};

class Tls {
  public:
    // TLS 1.2 or newer, trusting the system's authorities and those of `endpoint.ca`. Errors:
    // unavailable (the certificate is not trusted, or of another name; no TLS at all), invalid (the
    // file of authorities), timeout, canceled.
    static Result<Tls> connect(int fd, const Endpoint& endpoint, Deadline deadline);

    // Errc::unavailable where the connection breaks, also at an end that TLS did not announce.
    Result<Moved> read(char* into, std::size_t size);
    Result<Moved> write(const char* from, std::size_t size);

  private:
    struct Free {
        void operator()(SSL* ssl) const;
    };
    Result<Moved> moved(int result, std::size_t count, const char* what);

    std::unique_ptr<SSL, Free> ssl_;
};

// True when `fd` is ready, false when the deadline came first. Errc::canceled by a signal.
Result<bool> wait_for(int fd, short events, Deadline deadline);

}  // namespace belay::cli
