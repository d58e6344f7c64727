// What daemon and worker tell each other: CBOR, as environment and output are bytes, not always
// text.
#pragma once

#include <belay/ports/stages.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace belay::stage {

struct WorkerJob {
    ports::StageJob job;
    std::string shim;
    std::vector<std::string> group;  // directories of the step's control group; empty: it has none
    bool limit_user = false;  // the limit of processes is one of its user, as no group can have it
};

// With its length before it (8 bytes, little-endian), as the job's descriptor stays open behind it.
std::string frame(std::string_view content);
inline constexpr std::size_t kFrameHeader = 8;
std::uint64_t frame_length(std::string_view header);

std::string encode(const WorkerJob& job);
Result<WorkerJob> decode_job(std::string_view content);

std::string encode(const Result<ports::StageOutcome>& outcome);
// The worker's own error where it has one; Errc::internal where the content is torn.
Result<ports::StageOutcome> decode_outcome(std::string_view content);

}  // namespace belay::stage
