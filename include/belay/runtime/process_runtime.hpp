// Runs each process of a release under a belay-shim of its own, in a directory of its own.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/ports/runtime.hpp>
#include <belay/sys/cgroups.hpp>
#include <belay/sys/ports.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace belay::runtime {

struct ProcessRuntimeOptions {
    std::filesystem::path
        run_directory;  // its `RUNID/` directories are this runtime's alone; created 0700
    std::string shim_path;
    std::uint16_t first_port = 20000;  // keep it outside net.ipv4.ip_local_port_range
    std::uint16_t last_port = 29999;
    // Shared with another runtime of the same ports; none: its own, of this range.
    std::shared_ptr<sys::PortPool> ports{};
    // Names in `run_directory` that look like a run's and are somebody else's.
    std::vector<std::string> others{};
    sys::Cgroups groups{};  // each run gets one of these, "run-RUNID"
    // Without groups a limit of processes is one of the user, so only of those that are one app's.
    int first_uid = 52'000;
    int last_uid = 59'999;
};

// Errc::invalid or disk trouble where the directory can't be made.
Result<std::unique_ptr<ports::Runtime>> make_process_runtime(boost::asio::any_io_executor executor,
                                                             async::Timers& timers,
                                                             ProcessRuntimeOptions options);

}  // namespace belay::runtime
