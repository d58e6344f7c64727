// What is kept of a run that systemd keeps up, for the daemons and the boots to come: run.json in
// its directory. Which process it is the manager knows.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace belay::runtime {

struct RunRecord {
    std::string run_id;
    std::uint16_t port = 0;
    TimePoint started_at{};
    Millis stop_timeout{};
    std::string boot;        // that it was started in
    std::string invocation;  // as the manager named that start; empty: it was never seen to run
};

// Whole or not at all; on the disk when it returns only where `sync` is true.
Result<void> write_record(const std::filesystem::path& directory, const RunRecord& record,
                          bool sync);
// Errc::not_found; Errc::invalid: it can't be understood, or is of another run.
Result<RunRecord> read_record(const std::filesystem::path& directory);

}  // namespace belay::runtime
