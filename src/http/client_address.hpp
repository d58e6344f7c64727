// Whose request it is, where proxies stand between.
#pragma once

#include <belay/base/address.hpp>

#include <string>
#include <utility>
#include <vector>

namespace belay::http {

bool is_loopback(const Address& address);  // 127.0.0.0/8 or ::1
Address loopback();                        // 127.0.0.1
bool is_one_of(const std::vector<Cidr>& ranges, const Address& address);

// The peer itself, unless it is one of the trusted proxies: then the last address in
// X-Forwarded-For that is no trusted one, read from the right, as only what trusted proxies have
// added can be believed. Text that is no address ends the search.
Address client_of(const Address& peer, const std::vector<Cidr>& trusted,
                  const std::vector<std::pair<std::string, std::string>>& headers);

}  // namespace belay::http
