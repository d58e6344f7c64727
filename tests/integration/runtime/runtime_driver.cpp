// runtime_driver process|systemd SHIM RUN_DIRECTORY LOG WHEN PROGRAM ARG…: starts the program as
// run "shop.1.web.1.1" with policy always, prints its pid and waits to be killed; WHEN "before"
// prints "before" and waits before it lets the program go.
#include "support/test_loop.hpp"

#include <belay/runtime/process_runtime.hpp>
#include <belay/runtime/systemd_runtime.hpp>

#include <cstdio>
#include <unistd.h>

namespace {

using namespace belay;

[[noreturn]] void wait_to_be_killed(const std::string& word) {
    std::printf("%s\n", word.c_str());
    std::fflush(stdout);
    for (;;)
        ::pause();
}

Task<Result<void>> wait_before_go(const ports::RunInfo&) {
    wait_to_be_killed("before");
    co_return Result<void>{};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 7) return 64;
    test::TestLoop loop;
    sys::Units units(loop.executor(), loop.timers());
    std::unique_ptr<ports::Runtime> runtime;
    if (std::string(argv[1]) == "systemd") {
        runtime::SystemdRuntimeOptions options;
        options.directory = argv[3];
        runtime = *runtime::make_systemd_runtime(loop.executor(), loop.timers(), units, options);
    } else {
        runtime::ProcessRuntimeOptions options;
        options.shim_path = argv[2];
        options.run_directory = argv[3];
        runtime = *runtime::make_process_runtime(loop.executor(), loop.timers(), options);
    }
    ports::ProcessSpec spec;
    spec.run_id = "shop.1.web.1.1";
    spec.argv.assign(argv + 6, argv + argc);
    spec.env = {{"PATH", "/usr/bin:/bin"}};
    spec.cwd = "/";
    spec.log_path = argv[4];
    spec.policy = RestartPolicy::always;
    ports::BeforeGo before;
    if (std::string(argv[5]) == "before") before = wait_before_go;
    auto started = loop.run(runtime->start(spec, before));
    if (!started) {
        std::fprintf(stderr, "%s\n", started.error().message.c_str());
        return 1;
    }
    wait_to_be_killed(std::to_string(started->pid));
}
