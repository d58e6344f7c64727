// ports::Stages by children `belay stage run` under the shim.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/ports/stages.hpp>
#include <belay/sys/cgroups.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

namespace belay::stage {

struct ChildStagesOptions {
    std::string belay;  // the executable that dispatches `stage run`
    std::string shim;
    std::string lock_directory;  // APP.lock: held as long as anything of a stage of the app lives
    int first_uid = 52'000;      // kill_all() touches no uid outside of these
    int last_uid = 59'999;
    sys::Cgroups groups{};  // each step gets one of these, "stage-APP.STEP"
};

// Loop thread only; `timers` outlives it.
std::unique_ptr<ports::Stages> make_child_stages(boost::asio::any_io_executor loop,
                                                 async::Timers& timers, ChildStagesOptions options);

}  // namespace belay::stage
