// What processes say of themselves over NOTIFY_SOCKET, in the protocol of sd_notify(3).
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/process.hpp>

#include <optional>
#include <string>

namespace belay::ports {

// Loop thread only.
class Readiness {
  public:
    virtual ~Readiness() = default;

    // A socket for one run, to which `user` may write (unset: the daemon's own). Its path. What was
    // said there before is forgotten. Errc::limit (a path of more than 107 bytes), and as
    // bind(2) fails.
    virtual Result<std::string> open(const std::string& run_id,
                                     const std::optional<User>& user) = 0;

    // It has spoken and not said READY=1 yet. Who is silent, or has no socket, is not waited for.
    virtual bool starting(const std::string& run_id) const = 0;

    // The socket goes; no error where there is none.
    virtual void close(const std::string& run_id) = 0;
};

}  // namespace belay::ports
