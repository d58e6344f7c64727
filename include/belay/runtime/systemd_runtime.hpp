// Runs each process of a release as a transient service of systemd, which keeps it up and, once its
// release is what boots, starts it with the machine.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/ports/runtime.hpp>
#include <belay/sys/ports.hpp>
#include <belay/sys/units.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <memory>

namespace belay::runtime {

struct SystemdRuntimeOptions {
    // Its `RUNID/` directories are this runtime's alone, and outlive boots; created 0700.
    std::filesystem::path directory;
    std::shared_ptr<sys::PortPool> ports;
    // Where systemd looks for what holds until the next boot, and for what boots.
    std::filesystem::path this_boot = "/run/systemd/system";
    std::filesystem::path every_boot = "/etc/systemd/system";
};

// `units` outlives it. Without systemd it works, but start() says why it can't. Errc::invalid or
// disk trouble where the directory can't be made.
Result<std::unique_ptr<ports::Runtime>> make_systemd_runtime(boost::asio::any_io_executor executor,
                                                             async::Timers& timers,
                                                             sys::Units& units,
                                                             SystemdRuntimeOptions options);

}  // namespace belay::runtime
