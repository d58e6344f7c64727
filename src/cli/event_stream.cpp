#include "event_stream.hpp"

namespace belay::cli {

std::vector<ServerEvent> EventStream::feed(std::string_view bytes) {
    std::vector<ServerEvent> complete;
    rest_ += bytes;
    std::size_t at = 0;
    for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', at)) {
        auto line = std::string_view(rest_).substr(at, end - at);
        if (line.ends_with('\r')) line.remove_suffix(1);
        take_line(line, complete);
        at = end + 1;
    }
    rest_.erase(0, at);
    return complete;
}

void EventStream::take_line(std::string_view line, std::vector<ServerEvent>& complete) {
    if (line.empty()) {
        if (has_data_) complete.push_back(event_);
        // The last id stays: it names where a reconnected stream goes on.
        event_.type.clear();
        event_.data.clear();
        has_data_ = false;
        return;
    }
    auto colon = line.find(':');
    auto name = line.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "id") event_.id = value;
    if (name == "event") event_.type = value;
    if (name != "data") return;
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
}

}  // namespace belay::cli
