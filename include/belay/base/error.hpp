// What may go wrong, in the words that callers decide by, and the value-or-error that functions
// return.
#pragma once

#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace belay {

// The kinds of failure that some caller treats differently. Anything else is `internal`.
enum class Errc {
    invalid,       // the input is wrong, and only its author can mend it
    unauthorized,  // no or wrong credentials
    forbidden,     // known, but not allowed
    not_found,
    conflict,     // does not fit the present state, or exists already
    limit,        // a configured bound is reached
    timeout,      // a deadline passed
    canceled,     // somebody asked for it
    unavailable,  // the other side is not there; trying again may help
    disk_full,    // no space or quota left, or below the configured reserve
    internal,     // our defect or the machine's
};

std::string_view to_string(Errc code);

// A failure as a person should read it: the thing, the place, the cure. Never holds a secret.
struct [[nodiscard]] Error {
    Errc code = Errc::internal;
    std::string message;

    bool operator==(const Error&) const = default;
};

// Carries an Error where a start-up or a constructor can't go on.
class ErrorException : public std::runtime_error {
  public:
    explicit ErrorException(Error error)
        : std::runtime_error(error.message), error_(std::move(error)) {}
    const Error& error() const { return error_; }

  private:
    Error error_;
};

// Found by boost::system::result when value() is called on an error.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

template <class T>
using Result = boost::system::result<T, Error>;

// "opening /x: No such file or directory", with the Errc that fits the errno.
Error errno_error(int error_number, std::string_view what);

// The same error with `what: ` before its message.
Error prefixed(std::string_view what, Error error);

}  // namespace belay
