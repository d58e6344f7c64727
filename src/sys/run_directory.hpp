// run/RUNID/: what a daemon needs to know a run again, and the files that its shim writes. Formats:
// shim/protocol.hpp.
#pragma once

#include "record.hpp"

#include <belay/sys/service.hpp>

#include <filesystem>

namespace belay::sys {

// `spec`: what it is, as the daemon wrote it; neither environment nor secrets.
struct SpecRecord {
    std::string run_id;
    std::string token;
    StopRule stop;
    std::uint16_t port = 0;
    std::vector<std::string> group;  // directories of its control group
    TimePoint started_at{};
};
Result<SpecRecord> read_spec_record(int directory);

// The files of a new run, open for its shim.
struct RunDirectory {
    UniqueFd directory;
    UniqueFd identity;
    UniqueFd exit;
    UniqueFd policy;
    UniqueFd socket;
    UniqueFd log;
};
// Errc::conflict: it exists. Leaves nothing behind on failure.
Result<RunDirectory> make_run_directory(const std::filesystem::path& place, const ServiceSpec& spec,
                                        const std::string& token, TimePoint now);

}  // namespace belay::sys
