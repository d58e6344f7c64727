// Just enough of RFC 6455 to put a close frame between two frames of an app.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace belay::proxy {

// Server to client: FIN + close, two bytes: 1001 "going away" (RFC 6455 §7.4.1).
inline constexpr std::string_view kGoingAway{"\x88\x02\x03\xe9", 4};

// Follows the frames of one direction.
class FrameTracker {
  public:
    // Takes bytes; returns how many of them end at the last frame boundary in them (0: none does).
    std::size_t track(std::string_view bytes);
    // How many of the coming bytes belong to the frame that is under way, as far as is known by
    // now; 0 at a boundary.
    bool at_boundary() const { return header_have_ == 0 && payload_left_ == 0; }
    bool saw_close() const { return saw_close_; }

  private:
    void end_header();

    std::uint8_t header_[14] = {};
    std::size_t header_have_ = 0;
    std::size_t header_need_ = 2;
    std::uint64_t payload_left_ = 0;
    bool saw_close_ = false;
};

}  // namespace belay::proxy
