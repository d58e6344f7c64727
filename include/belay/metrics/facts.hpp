// All that /metrics tells of, as it was at one moment: plain values, which any thread may read.
#pragma once

#include <belay/base/histogram.hpp>
#include <belay/base/time.hpp>
#include <belay/engine/api.hpp>
#include <belay/engine/figures.hpp>
#include <belay/notify/notifier.hpp>
#include <belay/ports/traffic.hpp>
#include <belay/sys/process_figures.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace belay::metrics {

inline constexpr std::array kCommitBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                          0.1,   0.25,   0.5,   1.0,  5.0};

struct Database {
    bool usable = false;
    std::uint64_t bytes = 0;      // of the file
    std::uint64_t log_bytes = 0;  // of its write-ahead log
    Histogram commits{kCommitBounds};
    std::uint64_t commits_failed = 0;  // for want of room or of a sound file
    std::optional<TimePoint> newest_backup;
};

struct Disk {  // that of the state directory; bytes
    std::uint64_t free = 0;
    std::uint64_t size = 0;
    std::uint64_t reserve = 0;  // [limits] disk_reserve
};

// The daemon's own server.
struct Doors {
    std::size_t connections = 0;
    std::size_t shed = 0;
    std::size_t bodies_in_memory = 0;            // bytes
    std::map<int, std::uint64_t> refused_hooks;  // by status
    std::string certificate;                     // file; empty: no TLS
    std::optional<TimePoint> certificate_ends;
};

struct Facts {
    engine::ServerStatus status;
    std::vector<engine::AppView> apps;
    engine::Figures counted;
    bool proxy_up = false;
    std::optional<ports::TrafficFigures> proxy;  // none: it did not tell
    std::vector<notify::DestinationFigures> outbox;
    Database database;
    std::optional<Disk> disk;  // none: it could not be asked
    Doors doors;
    sys::ProcessFigures process;
};

}  // namespace belay::metrics
