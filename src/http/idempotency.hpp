// `Idempotency-Key`: the same act asked for twice is done once, and answered twice
// (draft-ietf-httpapi-idempotency-key-header-07).
#pragma once

#include "message.hpp"

#include <belay/async/cancel.hpp>
#include <belay/async/timers.hpp>
#include <belay/ports/store.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace belay::http {

// A request under a key. Keys are a caller's own.
struct Keyed {
    std::string scope;
    std::string key;
    std::string digest;  // of method, target and body

    // None: it has no key. Errc::invalid.
    static Result<std::optional<Keyed>> of(const Request& request);

    // What is stored before the act, so that it can't be done twice even if the daemon dies in the
    // middle.
    ports::Write begun(TimePoint now) const;
    // And afterwards. Failures of the machine are forgotten, so that they can be tried again.
    ports::Write answered(const Response& response, TimePoint now) const;
};

// Loop thread only.
class Idempotency {
  public:
    Idempotency(ports::Store* store, async::Timers& timers) : store_(store), timers_(timers) {}

    // The answer that was given already, or a refusal: 409 while the first is being done or where
    // it was cut off by the daemon's end, 422 where another request came under this key. None: it
    // is new; nobody else gets through until `held` goes. Errc::unavailable: keys can't be kept.
    Task<Result<std::optional<Response>>> find(Keyed keyed, async::Subscription& held);

  private:
    ports::Store* store_;
    async::Timers& timers_;
    std::map<std::pair<std::string, std::string>, std::string> in_flight_;  // digests
};

}  // namespace belay::http
