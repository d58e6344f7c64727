// Running a step of the pipeline: the user's build, test and release commands.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/base/secret.hpp>
#include <belay/base/time.hpp>
#include <belay/domain/config.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace belay::ports {

struct StageJob {
    std::string app;
    std::string name;  // "build", "build-2", "test", "release"
    domain::Command run;
    std::string cwd;
    std::vector<std::pair<std::string, std::string>>
        env;                   // the whole environment, secrets included
    std::vector<Secret> mask;  // never to be stored in the log
    std::string log_path;      // appended to; made 0640
    int uid = -1;              // -1: as the daemon
    int gid = -1;
    std::vector<int> groups;
    Millis timeout{};
    Millis silence{};
    Millis grace{10'000};  // TERM to KILL
    domain::ResourceLimits limits;
    std::uint64_t log_cap = 20u << 20;  // bytes kept: the head and the tail
};

enum class StageVerdict { passed, failed, timeout, silent, oom, canceled };

struct StageOutcome {
    StageVerdict verdict = StageVerdict::failed;
    std::optional<int> exit_code;
    std::optional<int> signal;
    std::int64_t peak_memory = 0;  // bytes
    std::int64_t cpu_ms = 0;
    std::int64_t log_bytes = 0;
    std::string tail;    // last lines, masked
    std::string detail;  // one sentence: "exit code 2", "no output for 10m", "no such file: npm"
};

// Loop thread only.
class Stages {
  public:
    virtual ~Stages() = default;

    // Runs to the end, or until canceled; when it returns the step's whole process tree is dead. An
    // error means that the step could not be run at all (the machine's fault); what the command did
    // is an outcome.
    virtual Task<Result<StageOutcome>> run(StageJob job, async::Cancel cancel) = 0;
    // Returns when nothing of an earlier daemon's stages of this app runs any more (they die with
    // their daemon).
    virtual Task<Result<void>> wait_for_leftovers(std::string app) = 0;
    // Kills whatever still runs as this uid (spec/decisions.md 20); nothing for -1.
    virtual Task<Result<void>> kill_all(int uid) = 0;
};

}  // namespace belay::ports
