// The daemon's face: hooks and the API, on TCP and the Unix socket (spec/interfaces.md §4,
// docs/api.md).
#pragma once

#include <belay/async/task.hpp>
#include <belay/base/address.hpp>
#include <belay/base/time.hpp>
#include <belay/engine/api.hpp>
#include <belay/ports/forge.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace belay::http {

// What belay.toml says and a reload may change.
struct Settings {
    std::uint64_t hook_body = std::uint64_t{25} << 20;  // bytes, [limits] hook_body
    std::vector<Cidr> trusted_proxies;                  // whose X-Forwarded-For is believed
    std::string tls_cert;  // files; both empty: `listen` speaks plain HTTP
    std::string tls_key;
    bool metrics = true;  // [metrics] enabled
};

// Writes what /metrics answers, from what was looked at before; on any thread.
using Exposition = std::function<std::string()>;

struct Options : Settings {
    // Looks at all that /metrics tells of. Null: there is no /metrics.
    std::function<Task<Exposition>()> look_at_metrics;

    std::string spool;  // directory for hook bodies that don't fit into memory, as unlinked files
    std::optional<gid_t> deploy_group;  // members may deploy over the Unix socket

    // spec/decisions.md 27 and what reference/performance.md §1 measures; others only in tests.
    std::size_t connections = 512;
    std::size_t reserved_for_socket = 32;                 // of `connections`
    std::size_t bodies_in_memory = std::size_t{7} << 20;  // of all requests together
    std::size_t parse_on_loop = 256 * 1024;               // longer JSON is read on a thread
    Millis header_timeout{10'000};
    Millis body_timeout{30'000};
    Millis body_grace{10'000};  // a body gets this long, and
    std::uint64_t body_rate =
        4 * 1024;  // a second for each so many bytes that came, up to body_timeout
    Millis idle_timeout{60'000};
    Millis write_timeout{30'000};
    Millis linger{2'000};      // what a refused sender still sends is read and dropped for so long
    Millis heartbeat{15'000};  // of event streams
    Millis log_poll{200};      // how often a followed log is looked at
    std::size_t event_queue = 1024;  // of one follower; more that it has not taken: it is cut
};

// A bound, listening, non-blocking socket; the server closes it.
struct Listener {
    int fd = -1;
    bool local = false;  // the Unix socket: peers are known by their credentials
};

// Gives a Unix socket's file to the group with mode 0660 and returns the group's id.
// Errc::not_found: no such group; forbidden: not ours to give.
Result<gid_t> share_with_group(const std::string& socket, const std::string& group);

// Loop thread only. `api`, `forges` and `store` must outlive stop(). In the store lie tokens, the
// audit and answers under an Idempotency-Key; null: the database can't be used.
class Server {
  public:
    Server(boost::asio::any_io_executor executor, engine::Api& api, const ports::Forges& forges,
           ports::Store* store, Options options);
    ~Server();

    void start(const std::vector<Listener>& listeners);
    // Stops accepting, lets requests that are being answered finish until the deadline, then closes
    // the rest. The engine must still answer meanwhile. Once.
    Task<void> stop(Millis deadline);

    // For connections and requests that begin from now on. The error, if any, is of the TLS files:
    // the pair in force stays then.
    Result<void> configure(Settings settings);

    struct Counts {
        std::size_t connections = 0;
        std::size_t shed = 0;                        // closed to make room, or turned away
        std::size_t bodies_in_memory = 0;            // bytes
        std::size_t buffered = 0;                    // bytes held for what connections send next
        std::map<int, std::uint64_t> refused_hooks;  // by the status that was answered, from 400 on
    };
    Counts counts() const;
    // When the certificate in force ends; none where there is no TLS.
    std::optional<TimePoint> certificate_ends() const;

  private:
    class Core;
    std::unique_ptr<Core> core_;
};

}  // namespace belay::http
