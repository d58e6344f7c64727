// The end of a run that nobody here asked for, in words.
#pragma once

#include <belay/ports/runtime.hpp>

#include <csignal>
#include <string>

namespace belay::engine {

// What follows the process' name: "exited with code 3". Belay itself kills only what it was to
// stop, so that KILL is most often the kernel's, for want of memory.
inline std::string how_it_ended(const ports::RunInfo& info) {
    if (!info.last_exit) return "is gone";
    auto text = describe(*info.last_exit);
    if (info.last_exit->known && info.last_exit->signal == SIGKILL)
        text += ", and not by belay: probably by the kernel, for want of memory";
    return text;
}

}  // namespace belay::engine
