// How a step ended, in the record's words.
#pragma once

#include <belay/base/process.hpp>
#include <belay/ports/stages.hpp>
#include <belay/sys/cgroup.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace belay::stage {

// Why the worker ended the command itself.
enum class StopCause { none, timeout, silent, canceled };

// What the kernel has counted.
struct Evidence {
    sys::GroupUsage group;            // of the step's own group, where it has one
    std::uint64_t machine_kills = 0;  // by oom_kills(), meanwhile; asked where the group can't tell
};

// Fills in verdict, exit code, signal, usage and detail.
void judge(const Exit& exit, StopCause cause, const Evidence& evidence, const ports::StageJob& job,
           ports::StageOutcome& outcome);

// Why the command can't have been started, where that is its author's fault; none: it isn't known
// to be.
std::optional<std::string> missing_command(const std::vector<std::string>& argv,
                                           const ports::StageJob& job);

// OOM kills that the kernel counted so far: machine-wide plus in our own cgroup. Only its growth
// means something.
std::uint64_t oom_kills();

}  // namespace belay::stage
