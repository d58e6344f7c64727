// How the worker's functions fail, and what they say while they work.
#pragma once

#include <belay/ports/source.hpp>

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace belay::git {

using ports::SourceReason;

struct Failure {
    ports::SourceError error;
    bool damaged = false;  // the mirror itself is broken: to be made anew
};

[[noreturn]] void throw_exception_from_error(const Failure& failure,
                                             const boost::source_location& where);

template <class T>
using Outcome = boost::system::result<T, Failure>;

Failure failed(SourceReason reason, std::string message);
// The same job may succeed later.
Failure failed_for_now(SourceReason reason, std::string message);
// An object or file of the mirror can't be read as it should.
Failure damaged(std::string what);

// libgit2's last error of this thread behind `what`; a full disk is recognised.
Failure git_failed(SourceReason reason, std::string_view what);
Failure errno_failed(int error_number, std::string_view what);
// libgit2's last message, in one line without credentials.
std::string git_message();

// One line to standard output, which is the stage's log.
void say(std::string_view line);

// Printable, in one line: for names and messages that strangers chose.
std::string shown(std::string_view text);

}  // namespace belay::git
