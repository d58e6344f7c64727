#include <belay/ports/runtime.hpp>

#include <fmt/format.h>

namespace belay::ports {

std::string_view to_string(RunState state) {
    switch (state) {
        case RunState::running:
            return "running";
        case RunState::backing_off:
            return "backing_off";
        case RunState::exited:
            return "exited";
        case RunState::gone:
            return "gone";
    }
    return "gone";
}

std::string explain(const ListenerReport& report, std::uint16_t port) {
    if (report.owned()) return fmt::format("candidate listens on PORT {}", port);
    for (const auto& listener : report.on_port)
        if (!listener.ours)
            return fmt::format("PORT {} is taken: {} listens on {}", port,
                               listener.holder.empty() ? "another process" : listener.holder,
                               listener.address);
    if (report.elsewhere.empty()) return fmt::format("candidate does not listen on PORT {}", port);
    std::string where;
    for (const auto& listener : report.elsewhere)
        where += (where.empty() ? "" : ", ") + listener.address;
    return fmt::format("candidate listens on {}, not on PORT {}: make it use $PORT", where, port);
}

}  // namespace belay::ports
