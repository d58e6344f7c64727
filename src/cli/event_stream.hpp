// Server-Sent Events, as far as the API uses them (HTML Living Standard, §9.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belay::cli {

struct ServerEvent {
    std::string id;
    std::string type;
    std::string data;
};

// Takes a stream in pieces of any size; comments (keep-alives) are passed over.
class EventStream {
  public:
    std::vector<ServerEvent> feed(std::string_view bytes);

  private:
    void take_line(std::string_view line, std::vector<ServerEvent>& complete);

    std::string rest_;  // an unfinished line
    ServerEvent event_;
    bool has_data_ = false;
};

}  // namespace belay::cli
