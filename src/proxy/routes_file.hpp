// proxy/routes.json: what the proxy serves by, with or without the daemon.
#pragma once

#include "fd.hpp"
#include "loop.hpp"
#include "routing.hpp"

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace belay::proxy {

inline constexpr int kRoutesSchema = 1;

std::string format_routes(const RoutingState& state);
// Errc::invalid: torn or not ours. Errc::forbidden: a newer schema, to be left alone.
Result<RoutingState> parse_routes(std::string_view text);

struct LoadedRoutes {
    RoutingState state;
    std::string warning;  // what was wrong with the newest generation, if that is not the one read
};

// The newest whole generation of DIRECTORY/routes.json and routes.json.1; neither there is an empty
// state. Torn ones are passed over with a warning; Errc::forbidden as above.
Result<LoadedRoutes> load_routes(const std::string& directory);

// Replaces routes.json atomically and durably; the former one becomes routes.json.1. Blocks for two
// fsyncs.
Result<void> store_routes(const std::string& directory, std::string_view text);

// Stores off the loop, one at a time, the newest state only.
class RoutesWriter final : Watcher {
  public:
    using Done = std::function<void(Result<void>)>;

    RoutesWriter(Loop& loop, std::string directory);
    RoutesWriter(const RoutesWriter&) = delete;
    RoutesWriter& operator=(const RoutesWriter&) = delete;
    ~RoutesWriter();

    // Something changed: `state` is asked for when its turn comes.
    void changed(std::function<RoutingState()> state);
    // Calls back, on the loop, once all that changed before is on disk, or failed to get there.
    void when_stored(Done done);
    bool busy() const { return writing_ || pending_; }

  private:
    void on_events(std::uint32_t events) override;
    void begin();

    Loop& loop_;
    std::string directory_;
    Fd wake_;
    std::thread thread_;
    bool writing_ = false;
    std::function<RoutingState()> pending_;
    Result<void> written_;                  // by the thread, read after join()
    Result<void> last_ = {};                // of the newest finished write
    std::function<RoutingState()> failed_;  // to be tried again when somebody asks
    std::vector<Done> next_;                // wait for the write after the present one
    std::vector<Done> present_;
};

}  // namespace belay::proxy
