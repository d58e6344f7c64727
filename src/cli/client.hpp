// The API as the commands use it: JSON in, JSON out, problem documents as errors.
#pragma once

#include "wire.hpp"

#include <belay/base/error.hpp>
#include <belay/base/secret.hpp>

#include <string>
#include <string_view>

namespace belay::cli {

// What an answer that is no success says, by its problem document (RFC 9457). A 503 is `limit`: a
// daemon that is there but can't must not read as one that is not there.
Error error_of_answer(int status, const std::string& body);

// The exit code for a failure, the one place that maps them.
int exit_code(const Error& error);

// "%2F" and the like for one segment of a path or one value of a query (RFC 3986, unreserved
// characters stay).
std::string url_encoded(std::string_view text);

// "https://deploy.example.com[:PORT][/BASE]", or http:// on this machine. Errc::invalid.
Result<Endpoint> endpoint_of_url(std::string_view url);

class Client {
  public:
    explicit Client(std::string socket) { endpoint_.socket = std::move(socket); }
    // Over the network, with a token that is shown nowhere; empty: none was given.
    Client(Endpoint endpoint, Secret token)
        : endpoint_(std::move(endpoint)), token_(std::move(token)) {}

    // The body of a successful answer. Errc::unavailable: no daemon, with the socket and the cure.
    Result<std::string> get(const std::string& target) const;
    Result<std::string> post(const std::string& target, const std::string& json) const;
    // A successful answer whose body is to be read as it comes.
    Result<Exchange> open(const Request& request) const;

  private:
    Error explained(Error error) const;
    Result<std::string> whole(const Request& request) const;

    Endpoint endpoint_;
    Secret token_;
};

}  // namespace belay::cli
