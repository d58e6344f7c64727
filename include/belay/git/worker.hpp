// `belay stage fetch|export|tips|diff`: the processes in which libgit2 lives, so that a server that
// hangs, a hostile pack or a leak costs one of them, never the daemon.
#pragma once

#include <optional>
#include <string_view>

namespace belay::git {

// Where the daemon's child finds its job and leaves its result: one JSON object each, the job up to
// the end of file.
inline constexpr int kJobDescriptor = 3;
inline constexpr int kResultDescriptor = 4;

// Each returns the exit code: 0 when a result was written, a refusal included; 1 when not even that
// was possible. Lines for people go to standard output. They change process-wide state (umask,
// libgit2's options): call one, once, from a process with no other threads.
int run_fetch(int job_fd, int result_fd);
int run_export(int job_fd, int result_fd);
int run_tips(int job_fd, int result_fd);
int run_diff(int job_fd, int result_fd);

// By name ("fetch" …) on the two descriptors above; none: no such operation.
std::optional<int> run_operation(std::string_view name);

}  // namespace belay::git
