// One client of the control socket.
#pragma once

#include "control_server.hpp"
#include "fd.hpp"
#include "flow.hpp"
#include "stream.hpp"

#include <memory>
#include <string>
#include <vector>

namespace belay::proxy {

class ControlConnection : public std::enable_shared_from_this<ControlConnection> {
  public:
    ControlConnection(ControlServer& server, Loop& loop, Fd socket)
        : server_(server), stream_(loop, std::move(socket)) {}

    // Reads requests until the other end closes. `self` keeps it alive.
    Flow<> serve(std::shared_ptr<ControlConnection> self);
    void cancel() { stream_.cancel(); }

  private:
    bool receive();
    bool take_lines();
    void take_line(std::string_view line);
    void send(const nlohmann::json& message);
    Flow<> write_out(std::shared_ptr<ControlConnection> self);

    ControlServer& server_;
    Stream stream_;
    std::string in_;
    std::string out_;
    bool writing_ = false;
    std::vector<Fd> passed_;
};

}  // namespace belay::proxy
