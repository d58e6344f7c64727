// Reading one forge's deliveries: verify over the raw bytes first, parse second. Pure: any thread.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/secret.hpp>
#include <belay/domain/push.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::ports {

// A request as it came.
struct HookRequest {
    std::string method;  // POST, or GET where the forge does that
    std::string target;  // path and query
    std::vector<std::pair<std::string, std::string>> headers;
    std::string_view body;
    TimePoint received_at{};

    // First header of that name, whatever the case; empty where there is none.
    std::string_view header(std::string_view name) const;
};

class Forge {
  public:
    virtual ~Forge() = default;

    virtual std::string_view name() const = 0;
    // Whether the request looks like this forge's (by its event header).
    virtual bool recognises(const HookRequest& request) const = 0;
    // Any of the secrets passes, in constant time. Errc::unauthorized for missing, malformed and
    // wrong alike.
    virtual Result<void> verify(const HookRequest& request,
                                const std::vector<Secret>& secrets) const = 0;
    // Errc::invalid names what is malformed.
    virtual Result<domain::Push> parse(const HookRequest& request) const = 0;
};

// The explicit table, in the order in which requests are told apart.
class Forges {
  public:
    virtual ~Forges() = default;

    // By name from the configuration, or "auto" by the request's headers; null where none fits.
    virtual const Forge* find(std::string_view name, const HookRequest& request) const = 0;
};

}  // namespace belay::ports
