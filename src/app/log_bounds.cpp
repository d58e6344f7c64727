#include "log_bounds.hpp"

#include <belay/base/log.hpp>
#include <belay/sys/files.hpp>

#include <filesystem>

namespace belay::app {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kAppLogCap = std::uint64_t{64} << 20;
constexpr std::uint64_t kAppLogKept = std::uint64_t{32} << 20;

// Errors of a walk are errors of one entry at most: the next round sees it again.
template <class Visit>
void each(const fs::path& folder, Visit visit) {
    std::error_code failure;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
         entry.increment(failure))
        visit(*entry);
}

}  // namespace

void bound_app_logs(const std::string& state) {
    each(fs::path(state) / "logs", [](const fs::directory_entry& app) {
        each(app.path(), [](const fs::directory_entry& release) {
            if (!release.path().filename().string().starts_with('r')) return;
            each(release.path(), [](const fs::directory_entry& file) {
                std::error_code failure;
                if (file.file_size(failure) <= kAppLogCap || failure) return;
                auto freed = sys::punch_head(file.path(), kAppLogCap, kAppLogKept);
                if (!freed)
                    log::warning("a log grows without bound", {{"error", freed.error().message}});
            });
        });
    });
}

void prune_logs(const std::string& state, const std::string& app, Millis keep) {
    const auto oldest = fs::file_time_type::clock::now() - keep;
    each(fs::path(state) / "logs" / app, [&](const fs::directory_entry& folder) {
        const auto name = folder.path().filename().string();
        std::error_code failure;
        if (name.starts_with('r') &&
            fs::exists(fs::path(state) / "releases" / app / name.substr(1), failure))
            return;
        bool old = folder.last_write_time(failure) < oldest;
        each(folder.path(), [&](const fs::directory_entry& file) {
            std::error_code unread;
            if (file.last_write_time(unread) >= oldest) old = false;
        });
        if (!old || failure) return;
        auto removed = sys::remove_tree(folder.path());
        if (!removed)
            log::warning("old logs were not removed", {{"error", removed.error().message}});
    });
}

}  // namespace belay::app
