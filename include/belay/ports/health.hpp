// One probe of one running process.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/base/process.hpp>
#include <belay/base/secret.hpp>
#include <belay/domain/config.hpp>
#include <belay/domain/deployment.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace belay::ports {

// Where and as whom the command of a probe of type exec runs.
struct ProbeProgram {
    std::string cwd;
    std::vector<std::pair<std::string, std::string>> env;  // the whole of it
    std::optional<User> user;                              // unset: as the daemon
    std::vector<Secret> mask;                              // never to be shown
};

struct ProbeTarget {
    domain::Health health;
    std::optional<ProbeProgram> program;  // of type exec
    std::string host = "127.0.0.1";       // tried besides: ::1, where the first refuses
    std::uint16_t port = 0;
    std::string host_header;  // the first of traffic.hosts; empty: host:port
    std::vector<std::pair<std::string, std::string>> headers;  // besides health.headers
};

// Loop thread only.
class Prober {
  public:
    virtual ~Prober() = default;

    // Never fails: what goes wrong is in the result. Ends within health.timeout; of type exec, as
    // soon as the command is dead after it.
    virtual Task<domain::Probe> probe(ProbeTarget target, async::Cancel cancel) = 0;
    // Through the proxy, with the nonce: the release number that answered (spec/decisions.md 23).
    virtual Task<Result<ReleaseNumber>> through_proxy(ProbeTarget target, std::string nonce) = 0;
};

}  // namespace belay::ports
