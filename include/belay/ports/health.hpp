// One probe of one running process.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/domain/config.hpp>
#include <belay/domain/deployment.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace belay::ports {

struct ProbeTarget {
    domain::Health health;
    std::string host = "127.0.0.1";  // tried besides: ::1, where the first refuses
    std::uint16_t port = 0;
    std::string host_header;  // the first of traffic.hosts; empty: host:port
    std::vector<std::pair<std::string, std::string>> headers;  // besides health.headers
};

// Loop thread only.
class Prober {
  public:
    virtual ~Prober() = default;

    // Never fails: what goes wrong is in the result. Ends within health.timeout.
    virtual Task<domain::Probe> probe(ProbeTarget target, async::Cancel cancel) = 0;
    // Through the proxy, with the nonce: the release number that answered (spec/decisions.md 23).
    virtual Task<Result<ReleaseNumber>> through_proxy(ProbeTarget target, std::string nonce) = 0;
};

}  // namespace belay::ports
