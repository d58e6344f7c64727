// Ports for releases: each run has its own, until it is dead.
#pragma once

#include <belay/base/error.hpp>

#include <cstdint>
#include <set>
#include <string_view>
#include <utility>

namespace belay::sys {

struct PortRange {
    std::uint16_t first = 20000;
    std::uint16_t last = 29999;
};
// "20000-29999". Errc::invalid says what is wrong.
Result<PortRange> parse_port_range(std::string_view text);

// Nobody listens on it, on any address of v4 or v6: both wildcards could be bound just now.
bool port_is_free(std::uint16_t port);

// Loop thread only.
class PortPool {
  public:
    explicit PortPool(PortRange range) : range_(range), next_(range.first) {}

    // `preferred` if it is free and not held (0: any), else the next free one. Errc::limit names
    // the range.
    Result<std::uint16_t> allot(std::uint16_t preferred);
    // Marks one that a running process has. Success also outside the range.
    void hold(std::uint16_t port) { held_.insert(port); }
    void release(std::uint16_t port) { held_.erase(port); }
    std::size_t held() const { return held_.size(); }

  private:
    PortRange range_;
    std::uint16_t next_;
    std::set<std::uint16_t> held_;
};

}  // namespace belay::sys
