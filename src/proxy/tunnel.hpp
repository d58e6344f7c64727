// An upgraded connection: bytes both ways, until either end has enough or the release goes.
#pragma once

#include "buffer.hpp"
#include "flow.hpp"
#include "plane.hpp"
#include "release.hpp"
#include "stream.hpp"
#include "websocket.hpp"

#include <list>
#include <memory>

namespace belay::proxy {

class Tunnel final : Leaver, StreamObserver {
  public:
    // What lies in the buffers is passed on first.
    Tunnel(Plane& plane, std::shared_ptr<Release> release, const Entrance& entrance,
           bool websocket);
    Tunnel(const Tunnel&) = delete;
    Tunnel& operator=(const Tunnel&) = delete;
    ~Tunnel() override;

    Flow<> run(Stream& client, Buffer& from_client, Stream& app, Buffer& from_app);
    void go_away() override;
    bool came_by(const Entrance& entrance) const override { return &entrance_ == &entrance; }

  private:
    void on_unread(Stream& client) override;
    Flow<> pump_up();
    Flow<bool> pump_down();
    Flow<bool> pass_down();
    Flow<> say_goodbye();

    Plane& plane_;
    std::shared_ptr<Release> release_;
    const Entrance& entrance_;  // the session's
    std::list<Leaver*>::iterator place_;
    bool listed_ = true;
    bool websocket_;
    bool leaving_ = false;
    bool told_ = false;  // that it leaves, but has not seen it yet
    bool half_closed_ = false;
    std::int64_t left_at_us_ = 0;
    FrameTracker frames_;
    Stream* client_ = nullptr;
    Stream* app_ = nullptr;
    Buffer* up_ = nullptr;
    Buffer* down_ = nullptr;
    Latch up_end_;
};

}  // namespace belay::proxy
