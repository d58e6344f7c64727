// Between a request and its handler: who asks, whether that is allowed, and what is written of it.
#pragma once

#include "access.hpp"
#include "audit.hpp"
#include "idempotency.hpp"
#include "routes.hpp"

namespace belay::http {

// Of a request without TLS: whether others could read what was sent. They could not where it comes
// from this machine, nor where a trusted proxy, or one on this machine, says that its client came
// by HTTPS (X-Forwarded-Proto).
bool came_in_the_clear(const Request& request, const Address& peer,
                       const std::vector<Cidr>& trusted);

// Loop thread only.
class Guard {
  public:
    Guard(Context context, async::TaskGroup& tasks);

    // Finds out who asks, and the route; or the refusal, which is recorded where it is an act's.
    Task<Match> admit(Request& request);
    // Does what a POST route does, with the record before and after it.
    Task<Response> act(const Route& route, Request& request);
    Task<std::optional<Response>> act(const Route& route, Request& request, Stream& stream);

  private:
    Task<std::optional<Response>> identify(Request& request);
    Task<void> name(Request& request);
    Task<void> record_refusal(Request& request, const Route* route, const Response& refusal);
    std::optional<Response> check(const Request& request) const;
    // The entry's id, 0 where there is none. Errors only where a key is to be kept.
    Task<Result<std::int64_t>> begin(domain::AuditEntry entry, const std::optional<Keyed>& keyed);
    Task<void> end(domain::AuditEntry entry, std::vector<ports::Write> batch);

    Context context_;
    Idempotency answered_;
    Refused refused_;
};

}  // namespace belay::http
