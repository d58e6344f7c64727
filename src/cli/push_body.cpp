#include "push_body.hpp"

#include "format.hpp"
#include "json_access.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace belay::cli {
namespace {

constexpr std::size_t kMostChanges = 1000;

}  // namespace

std::vector<RefUpdate> read_updates(std::istream& lines) {
    std::vector<RefUpdate> updates;
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        RefUpdate update;
        words >> update.before >> update.after >> update.ref;
        if (is_commit_id(update.before) && is_commit_id(update.after) &&
            update.ref.starts_with("refs/"))
            updates.push_back(std::move(update));
    }
    return updates;
}

std::vector<std::string> push_bodies(const std::vector<RefUpdate>& updates, const PushBody& about) {
    std::vector<std::string> bodies;
    for (std::size_t at = 0; at < updates.size(); at += kMostChanges) {
        auto changes = Json::array();
        for (auto i = at; i < std::min(at + kMostChanges, updates.size()); ++i)
            changes.push_back({{"ref", updates[i].ref},
                               {"before", updates[i].before},
                               {"after", updates[i].after}});
        Json body{
            {"type", "push"},
            {"timestamp", format_time(about.at)},
            {"data",
             {{"repository", about.repository}, {"pusher", about.pusher}, {"changes", changes}}}};
        // Paths and refs are bytes, JSON is UTF-8.
        bodies.push_back(body.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    return bodies;
}

std::string describe(const std::vector<RefUpdate>& updates) {
    if (updates.size() != 1) return fmt::format("{} refs", updates.size());
    const auto& update = updates[0];
    if (is_zero_id(update.after)) return short_ref(update.ref) + " deleted";
    return short_ref(update.ref) + " " + short_commit(update.after);
}

}  // namespace belay::cli
