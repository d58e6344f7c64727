// One of the runtimes on a disk of the test's own, and the daemon that comes after one that was
// killed. That of systemd is tried where systemd is PID 1 and the test is root: `tests/system`
// takes it there.
#pragma once

#include "support/control_groups.hpp"
#include "support/eventually.hpp"
#include "support/process_sweep.hpp"
#include "support/temp_directory.hpp"
#include "support/test_loop.hpp"

#include <belay/runtime/process_runtime.hpp>
#include <belay/runtime/systemd_runtime.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/pipes.hpp>
#include <belay/sys/ports.hpp>
#include <belay/sys/units.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <poll.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace belay::runtime {

constexpr const char* kRun = "shop.1.web.1.1";

inline bool is_dead(pid_t pid) {
    return !sys::start_time(pid).has_value();
}

// Of this test's own: another one that runs beside it draws from the same range.
inline std::shared_ptr<sys::PortPool> own_ports() {
    constexpr int kEach = 100;
    const auto first =
        static_cast<std::uint16_t>(sys::PortRange{}.first + ::getpid() % kEach * kEach);
    return std::make_shared<sys::PortPool>(
        sys::PortRange{first, static_cast<std::uint16_t>(first + kEach - 1)});
}

inline Task<Result<void>> refuse_to_go(const ports::RunInfo&) {
    co_return Error{Errc::disk_full, "no row"};
}

inline bool systemd_can_be_tried() {
    return sys::systemd_is_running() && ::geteuid() == 0;
}

// A daemon that tests kill: runtime_driver.cpp.
struct Driver {
    pid_t pid = 0;
    sys::UniqueFd out;

    std::string line() {
        std::string text;
        pollfd polled{out.get(), POLLIN, 0};
        char byte = 0;
        while (::poll(&polled, 1, 10'000) == 1 && ::read(out.get(), &byte, 1) == 1 && byte != '\n')
            text += byte;
        return text;
    }
    void kill() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
};

struct RuntimeWorld {
    explicit RuntimeWorld(std::string which) : kind(std::move(which)) { runtime = make(); }
    ~RuntimeWorld() {
        if (kind != "systemd") return;
        // Units end with nobody: what a failed test left is not to be the next one's trouble.
        runtime = make();
        auto left = loop.run(runtime->adopt());
        if (!left) return;
        for (const auto& run : *left) {
            auto stopped = loop.run(runtime->stop(run.run_id));
            auto forgotten = loop.run(runtime->forget(run.run_id));
            EXPECT_TRUE(stopped && forgotten) << run.run_id << " is left";
        }
    }

    std::unique_ptr<ports::Runtime> make() {
        std::unique_ptr<ports::Runtime> made;
        if (kind == "systemd") {
            runtime.reset();
            units = std::make_unique<sys::Units>(loop.executor(), loop.timers());
            SystemdRuntimeOptions options;
            options.directory = runs;
            options.ports = own_ports();
            made = *make_systemd_runtime(loop.executor(), loop.timers(), *units, options);
        } else {
            ProcessRuntimeOptions options;
            options.run_directory = runs;
            options.shim_path = BELAY_SHIM_PATH;
            options.groups = *groups;
            options.ports = own_ports();
            auto processes = make_process_runtime(loop.executor(), loop.timers(), options);
            if (!processes) throw std::runtime_error(processes.error().message);
            made = std::move(*processes);
        }
        made->on_change([this](const ports::RunInfo& info) { changes.push_back(info); });
        return made;
    }
    ports::ProcessSpec spec(std::vector<std::string> argv) {
        ports::ProcessSpec made;
        made.run_id = kRun;
        made.argv = std::move(argv);
        made.env = {{"PATH", "/usr/bin:/bin"}};
        made.cwd = "/";
        made.log_path = log;
        made.stop.timeout = Millis{300};
        made.runtime = kind;
        return made;
    }
    ports::ProcessSpec shell(const std::string& script) { return spec({"sh", "-c", script}); }
    Result<ports::RunInfo> start(ports::ProcessSpec made, ports::BeforeGo before = {}) {
        return loop.run(runtime->start(std::move(made), std::move(before)));
    }
    std::vector<ports::RunInfo> adopt() {
        runtime = make();
        return *loop.run(runtime->adopt());
    }
    Driver drive(const char* when, const std::string& program, const std::string& argument) {
        auto pipe = std::move(*sys::make_pipe());
        Driver driver;
        driver.pid = ::fork();
        if (driver.pid == 0) {
            ::dup2(pipe.write.get(), 1);
            ::execl(BELAY_RUNTIME_DRIVER, "driver", kind.c_str(), BELAY_SHIM_PATH, runs.c_str(),
                    log.c_str(), when, program.c_str(), argument.c_str(), nullptr);
            std::_Exit(126);
        }
        driver.out = std::move(pipe.read);
        return driver;
    }
    Result<void> stop() { return loop.run(runtime->stop(kRun)); }
    Result<void> forget() { return loop.run(runtime->forget(kRun)); }
    ports::RunInfo info() { return *runtime->info(kRun); }
    std::string said() {
        auto text = sys::read_file(log);
        return text ? *text : std::string();
    }
    bool says(const std::string& text) {
        return test::eventually([&] { return said().find(text) != std::string::npos; });
    }

    std::string kind;  // "process" or "systemd"
    test::ProcessSweep sweep;
    test::TestLoop loop;
    test::TempDirectory directory;
    test::ControlGroups groups;  // as far as the machine has them
    std::filesystem::path runs = directory.path() / "run";
    std::string log = directory / "log";
    std::unique_ptr<sys::Units> units;
    std::vector<ports::RunInfo> changes;
    std::unique_ptr<ports::Runtime> runtime;
};

}  // namespace belay::runtime
