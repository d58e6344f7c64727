// The control socket of a kept shim: several connections, lines in, lines out. See protocol.hpp.
#pragma once

#include "text.hpp"

#include <poll.h>

namespace belay::shim {

class Supervisor;

inline constexpr unsigned kMaxConnections = 8;

// Adds the listening socket and the connections to `polled`; returns how many.
unsigned poll_control(int socket, pollfd* polled);
// Serves what poll found.
void serve_control(int socket, const pollfd* polled, unsigned count, Supervisor& supervisor);
// An event, to every connection that said hello. One that doesn't read is closed.
void tell_all(const Text& line);
// What `hello` answers; set once.
void set_greeting(const char* token, const char* run);

}  // namespace belay::shim
