#include "websocket.hpp"

#include <algorithm>

namespace belay::proxy {

void FrameTracker::end_header() {
    std::size_t length_bytes = header_need_ - 2 - (header_[1] & 0x80 ? 4u : 0u);
    payload_left_ = header_[1] & 0x7f;
    if (length_bytes > 0) {
        payload_left_ = 0;
        for (std::size_t i = 0; i < length_bytes; ++i)
            payload_left_ = payload_left_ << 8 | header_[2 + i];
    }
    if ((header_[0] & 0x0f) == 8) saw_close_ = true;
    header_have_ = 0;
    header_need_ = 2;
}

std::size_t FrameTracker::track(std::string_view bytes) {
    std::size_t boundary = 0;
    for (std::size_t at = 0; at < bytes.size();) {
        if (payload_left_ > 0) {
            auto run = std::min<std::uint64_t>(payload_left_, bytes.size() - at);
            payload_left_ -= run;
            at += static_cast<std::size_t>(run);
        } else {
            header_[header_have_++] = static_cast<std::uint8_t>(bytes[at++]);
            if (header_have_ == 2) {
                auto length = header_[1] & 0x7f;
                header_need_ = 2u +
                               (length == 126   ? 2u
                                : length == 127 ? 8u
                                                : 0u) +
                               (header_[1] & 0x80 ? 4u : 0u);
            }
            if (header_have_ < header_need_) continue;
            end_header();
        }
        if (at_boundary()) boundary = at;
    }
    return boundary;
}

}  // namespace belay::proxy
