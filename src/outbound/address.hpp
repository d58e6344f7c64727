// Which addresses nobody's configuration may lead to.
#pragma once

#include <string>
#include <sys/socket.h>

namespace belay::outbound {

// Link-local, and where clouds serve credentials: 169.254.0.0/16 (also mapped or embedded in IPv6),
// fe80::/10, fd00:ec2::254 (AWS' metadata service over IPv6).
bool is_refused(const sockaddr* address);

// The same of a URL's host where it is an address and no name, brackets and zone included.
bool is_refused_literal(const std::string& host);

// Whether the text is `localhost` or an address of the loopback.
bool is_loopback(const std::string& host);

}  // namespace belay::outbound
