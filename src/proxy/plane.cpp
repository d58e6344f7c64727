#include "plane.hpp"

#include "session.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace belay::proxy {
namespace {

constexpr Millis kCrowdedKeepAlive{5'000};

std::size_t descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 1u << 20));
}

}  // namespace

Plane::Plane(ProxyOptions given)
    : options(std::move(given)),
      routing(loop),
      nonce(options.nonce.empty() ? options.directory + "/nonce" : options.nonce),
      descriptors(descriptor_limit()) {}

Plane::~Plane() = default;

// Each may need a second descriptor to its app.
std::size_t Plane::connections_max() const {
    auto spare = descriptors > 128 ? (descriptors - 64) / 2 : descriptors / 4;
    return std::max<std::size_t>(1,
                                 std::min<std::size_t>(routing.settings().connections_max, spare));
}

Millis Plane::keep_alive_timeout() const {
    bool crowded = sessions.size() > connections_max() * 3 / 4;
    return crowded ? std::min(kCrowdedKeepAlive, options.keep_alive_timeout)
                   : options.keep_alive_timeout;
}

void Plane::relieve() {
    routing.drop_idle();
    auto count = std::max<std::size_t>(1, idle.size() / 8);
    for (std::size_t i = 0; i < count && !idle.empty(); ++i)
        idle.front()->end_if_idle();
}

}  // namespace belay::proxy
