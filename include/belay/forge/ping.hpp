// A delivery that starts nothing, signed as the forge would sign it: for asking whether deliveries
// arrive. The sender's side of what each forge's file verifies. Pure: any thread.
#pragma once

#include <belay/base/secret.hpp>
#include <belay/base/time.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::forge {

struct Ping {
    std::vector<std::pair<std::string, std::string>> headers;  // with the signature
    std::string body;                                          // JSON
    bool is_signed = true;  // false: only the forge itself has the key (Sourcehut)
};

// `forge`: a name of `[webhook] forge`; "auto" is signed by Standard Webhooks. `id`: where it can
// be found in the inbox, without dots.
Ping make_ping(std::string_view forge, const Secret& secret, std::string_view id, TimePoint now);

}  // namespace belay::forge
