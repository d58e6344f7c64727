// Reading one forge's deliveries: verify over the raw bytes first, parse second. Pure: any thread.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/secret.hpp>
#include <belay/domain/push.hpp>

#include <memory>
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

// Judges a body while it comes in, so that nobody unauthenticated decides what is kept.
class BodyCheck {
  public:
    virtual ~BodyCheck() = default;

    virtual void feed(std::string_view bytes) = 0;
    // Once, after the last byte, with all that was fed (Ed25519 can't be checked piece by piece).
    // Any of the secrets passes, in constant time, and the same work is done whatever the headers
    // say. Errc::unauthorized for missing, malformed and wrong alike.
    virtual Result<void> finish(std::string_view body) = 0;
    // After finish(): a digest of the body that the check came by, lower-case hex. The same body
    // under the same secrets has the same. Empty: it has none, or one of more than the body.
    virtual std::string digest() const { return {}; }
};

class Forge {
  public:
    virtual ~Forge() = default;

    virtual std::string_view name() const = 0;
    // Whether the request looks like this forge's (by its event header).
    virtual bool recognises(const HookRequest& request) const = 0;
    // `head.body` is not looked at. A secret that begins with "whpk_" is a public key: everybody
    // may know it, so that it passes for nothing else.
    virtual std::unique_ptr<BodyCheck> check(const HookRequest& head,
                                             const std::vector<Secret>& secrets) const = 0;
    // Errc::invalid names what is malformed.
    virtual Result<domain::Push> parse(const HookRequest& request) const = 0;

    // check() over a body that is here as a whole.
    Result<void> verify(const HookRequest& request, const std::vector<Secret>& secrets) const;
};

// The explicit table, in the order in which requests are told apart.
class Forges {
  public:
    virtual ~Forges() = default;

    // By name from the configuration, or "auto" by the request's headers; null where none fits.
    virtual const Forge* find(std::string_view name, const HookRequest& request) const = 0;
};

}  // namespace belay::ports
