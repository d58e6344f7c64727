// The API as the commands use it: JSON in, JSON out, problem documents as errors.
#pragma once

#include "wire.hpp"

#include <belay/base/error.hpp>

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

class Client {
  public:
    explicit Client(std::string socket) : endpoint_{std::move(socket), {}, {}} {}

    // The body of a successful answer. Errc::unavailable: no daemon, with the socket and the cure.
    Result<std::string> get(const std::string& target) const;
    Result<std::string> post(const std::string& target, const std::string& json) const;
    // A successful answer whose body is to be read as it comes.
    Result<Exchange> open(const Request& request) const;

  private:
    Error explained(Error error) const;
    Result<std::string> whole(const Request& request) const;

    Endpoint endpoint_;
};

}  // namespace belay::cli
