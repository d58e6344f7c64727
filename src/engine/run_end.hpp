// The end of a run that nobody here asked for, in words.
#pragma once

#include <belay/domain/deployment.hpp>
#include <belay/ports/runtime.hpp>

#include <csignal>
#include <string>

namespace belay::engine {

// What follows the process' name: "exited with code 3". Belay itself kills only what it was to
// stop, so that KILL is most often the kernel's, for want of memory, where nobody counts that.
inline std::string how_it_ended(const ports::RunInfo& info) {
    if (!info.last_exit) return "is gone";
    auto text = describe(*info.last_exit);
    if (info.last_exit->known && info.last_exit->signal == SIGKILL && !info.last_exit->oom)
        text += ", and not by belay: probably by the kernel, for want of memory";
    return text;
}

inline domain::Reason reason_of_end(const ports::RunInfo& info) {
    return info.last_exit && info.last_exit->oom ? domain::Reason::oom : domain::Reason::exited;
}

}  // namespace belay::engine
