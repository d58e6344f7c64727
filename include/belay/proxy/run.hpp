// `belay proxy`: the data plane, a process of its own that serves without the daemon.
#pragma once

#include <belay/base/time.hpp>

#include <string>

namespace belay::proxy {

struct ProxyOptions {
    std::string directory;  // holds routes.json (ours) and nonce (the daemon's, 0600); must exist
    std::string control;    // path of the control socket, made with mode 0600; "": control.sock in
                            // `directory`
    std::string nonce;      // path of the daemon's secret; "": nonce in `directory`
    Millis header_timeout{10'000};
    Millis keep_alive_timeout{75'000};
    Millis connect_timeout{2'000};
    Millis body_timeout{60'000};  // without progress in either direction
    Millis stop_timeout{30'000};  // at SIGTERM, for what is in flight
};

// Serves until SIGTERM, SIGINT or the op `stop`; returns the exit code. At SIGHUP, under a service
// manager, it starts the program of its own path, which may be a newer one, hands it the listeners,
// and ends once what it has begun is answered. 1: the directory or the control socket can't be
// used, or routes.json has a newer schema (said on standard error). Listeners come by LISTEN_FDS
// (sd_listen_fds(3)); their addresses are asked of the sockets, so names are only shown. One
// thread; ignores SIGPIPE.
int run(const ProxyOptions& options);

}  // namespace belay::proxy
