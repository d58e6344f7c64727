// One HTTP/1.1 exchange on a connection of its own, blocking, with deadlines.
#pragma once

#include "descriptor.hpp"

#include <belay/base/error.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace belay::cli {

using Deadline = std::chrono::steady_clock::time_point;

inline Deadline after(std::chrono::milliseconds wait) {
    return std::chrono::steady_clock::now() + wait;
}

// Where the other side listens: a Unix socket's path, or a host and port.
struct Endpoint {
    std::string socket;
    std::string host;
    std::string port;
    bool tls = false;
    std::string ca{};    // PEM file of authorities that are trusted besides the system's
    std::string base{};  // what comes before every target: "/belay"

    // For people: the socket's path, "host:port".
    std::string name() const;
};

struct Request {
    std::string method;
    std::string target;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

// Connects; a socket path may be longer than the 108 bytes of sockaddr_un. Errors: unavailable
// (nobody listens, no such socket), forbidden, timeout; all name the endpoint. TLS comes after it.
Result<Descriptor> connect_to(const Endpoint& endpoint, Deadline deadline);

class Exchange {
  public:
    // Sends the request and reads the answer's header. Errors: as connect_to and Tls::connect;
    // unavailable where the connection breaks; timeout; canceled by a signal (see `interrupted`).
    static Result<Exchange> open(const Endpoint& endpoint, const Request& request,
                                 Deadline deadline);

    Exchange(Exchange&&) noexcept;
    Exchange& operator=(Exchange&&) noexcept;
    ~Exchange();

    int status() const;
    // Of the header, or once the body has ended of the trailer; empty: not there.
    std::string header(const std::string& name) const;

    enum class Read { bytes, idle, end };
    // Appends what comes next of the body; `idle` when nothing did by `deadline`. Errors:
    // unavailable where the connection breaks before the body's end; canceled.
    Result<Read> read(std::string& into, Deadline deadline);
    // The rest of the body. Errc::timeout, Errc::limit beyond 64 MiB.
    Result<std::string> read_all(Deadline deadline);

  private:
    struct State;
    explicit Exchange(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

}  // namespace belay::cli
