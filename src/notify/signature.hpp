// Signing as Standard Webhooks does.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/secret.hpp>

#include <string>
#include <string_view>

namespace belay::notify {

// "v1,BASE64" over "id.timestamp.body". The secret is "whsec_" and the base64 of 24 to 64 bytes;
// Errc::invalid where it is not, without telling it.
Result<std::string> sign(const Secret& secret, std::string_view id, std::string_view timestamp,
                         std::string_view body);

}  // namespace belay::notify
