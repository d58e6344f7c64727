#include "listening.hpp"

#include <belay/sys/ports.hpp>
#include <belay/sys/sockets.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace belay::runtime {

Result<void> check_port(std::uint16_t port) {
    if (sys::port_is_free(port)) return {};
    std::string holder;
    if (auto sockets = sys::listening_sockets())
        for (const auto& socket : *sockets)
            if (socket.port == port && holder.empty()) holder = sys::holder_of(socket.inode);
    return Error{Errc::conflict, fmt::format("port {} is in use by {}", port,
                                             holder.empty() ? "another process" : holder)};
}

Result<ports::ListenerReport> listener_report(const std::vector<std::uint64_t>& inodes,
                                              std::uint16_t port) {
    auto sockets = sys::listening_sockets();
    if (!sockets) return sockets.error();
    ports::ListenerReport report;
    for (const auto& socket : *sockets) {
        ports::PortListener listener{socket.address, socket.port, false, {}};
        listener.ours = std::find(inodes.begin(), inodes.end(), socket.inode) != inodes.end();
        if (socket.port == port && !listener.ours) listener.holder = sys::holder_of(socket.inode);
        if (socket.port == port)
            report.on_port.push_back(std::move(listener));
        else if (listener.ours)
            report.elsewhere.push_back(std::move(listener));
    }
    return report;
}

}  // namespace belay::runtime
