#include "config/reading.hpp"

#include <algorithm>
#include <tuple>

namespace belay::config {

void Reading::error(Place place, std::string_view path, std::string_view message) {
    ++errors_;
    add(place, path, message, false);
}

void Reading::warning(Place place, std::string_view path, std::string_view message) {
    add(place, path, message, true);
}

void Reading::add(Place place, std::string_view path, std::string_view message, bool is_warning) {
    ports::Complaint complaint;
    complaint.file = file_of(place.source);
    complaint.line = place.line;
    complaint.column = place.column;
    complaint.message = (path.empty() ? "" : std::string(path) + ": ") + std::string(message);
    complaint.warning = is_warning;
    if (std::find(complaints_.begin(), complaints_.end(), complaint) == complaints_.end())
        complaints_.push_back(std::move(complaint));
}

std::optional<Place> Reading::given(std::string_view path) const {
    auto at = places_.find(path);
    if (at == places_.end()) return std::nullopt;
    return at->second;
}

Place Reading::place_of(std::string_view path) const {
    while (!path.empty()) {
        if (auto place = given(path)) return *place;
        auto dot = path.find_last_of(".[");
        path = path.substr(0, dot == path.npos ? 0 : dot);
    }
    return {};
}

std::vector<ports::Complaint> Reading::take() {
    std::stable_sort(complaints_.begin(), complaints_.end(), [](const auto& a, const auto& b) {
        return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
    });
    return std::move(complaints_);
}

std::string joined(std::string_view path, std::string_view key) {
    if (path.empty()) return std::string(key);
    return std::string(path) + "." + std::string(key);
}

}  // namespace belay::config
