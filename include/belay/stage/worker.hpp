// The inside of `belay stage run`: runs one step for the daemon, in a process of its own.
#pragma once

#include <optional>
#include <string_view>

namespace belay::stage {

// The exit code of `belay stage NAME`, or none where the name is not ours. Standard input is the
// job, standard output the result.
std::optional<int> run_operation(std::string_view name);

// Reads a job, runs it to its end and writes the result. The end of `job_fd` after the job asks to
// stop: TERM, grace, KILL. 0: a result was written, whatever it says.
int run_worker(int job_fd, int result_fd);

}  // namespace belay::stage
