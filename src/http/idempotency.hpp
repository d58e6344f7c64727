// `Idempotency-Key`: the same act asked for twice is done once, and answered twice
// (draft-ietf-httpapi-idempotency-key-header).
#pragma once

#include "message.hpp"

#include <belay/async/timers.hpp>

#include <list>
#include <map>
#include <optional>
#include <string>

namespace belay::http {

// Remembers answers in memory for a day, the newest thousand. Loop thread only.
class Idempotency {
  public:
    explicit Idempotency(async::Timers& timers) : timers_(timers) {}

    // The answer that was given already, or a refusal: 409 while the first is being done, 422 where
    // another request came under this key. None: it is new, and remember() must follow.
    std::optional<Response> find(const Request& request);
    // Failures of the machine (5xx) are forgotten, so that they can be tried again.
    void remember(const Request& request, const Response& response);

  private:
    struct Entry {
        std::string request;
        std::optional<Response> response;
        async::SteadyTime at;
        std::list<std::string>::iterator age;
    };
    void drop_old();

    async::Timers& timers_;
    std::map<std::string, Entry> entries_;
    std::list<std::string> ages_;  // oldest first
};

}  // namespace belay::http
