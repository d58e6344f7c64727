// `ports::Prober` for http, tcp and exec.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/ports/health.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

namespace belay::health {

// What is read of an answer's body at most; `expect_body` is looked for in it
// (reference/deploy-safety.md §2.2).
inline constexpr std::size_t kBodyBytes = 64 << 10;
// What of it is kept in the record.
inline constexpr std::size_t kShownBytes = 200;
// Between the daemon and its own proxy (spec/decisions.md 23).
inline constexpr const char* kNonceHeader = "X-Belay-Nonce";
inline constexpr const char* kReleaseHeader = "X-Belay-Release";

// Loop thread only; `timers` outlives it. `shim`: what commands are started under.
std::unique_ptr<ports::Prober> make_prober(boost::asio::any_io_executor loop, async::Timers& timers,
                                           std::string shim);

}  // namespace belay::health
