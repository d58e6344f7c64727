#include "log_bounds.hpp"

#include <belay/base/log.hpp>
#include <belay/sys/files.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <utility>

namespace belay::app {
namespace {

namespace fs = std::filesystem;

constexpr Millis kNet{60'000};  // all are looked for again, whatever was told

// Errors of a walk are errors of one entry at most: the next round sees it again.
template <class Visit>
void each(const fs::path& folder, Visit visit) {
    std::error_code failure;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
         entry.increment(failure))
        visit(*entry);
}

struct OnDisk {
    std::uint64_t size = 0;
    std::uint64_t allocated = 0;
};

std::optional<OnDisk> look_up(const std::string& file) {
    struct stat found{};
    if (::lstat(file.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return std::nullopt;
    constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
    return OnDisk{static_cast<std::uint64_t>(found.st_size),
                  static_cast<std::uint64_t>(found.st_blocks) * kBlock};
}

}  // namespace

LogBounds::LogBounds(boost::asio::any_io_executor executor, async::Timers& timers,
                     const std::string& state, LogLimits limits)
    : executor_(executor),
      timers_(timers),
      folder_(state + "/logs"),
      limits_(limits),
      tasks_(std::move(executor)) {}

Task<void> LogBounds::stop() {
    ending_.request();
    co_await tasks_.join();
}

Task<void> LogBounds::keep_bounded() {
    auto opened = sys::WriteWatch::open(
        executor_, [this](const fs::path& file) { on_written(file.string()); },
        [this] {
            created_ = true;
            woken_.set();
        });
    if (opened)
        watch_ = std::move(*opened);
    else
        log::warning("logs are looked at each second", {{"why", opened.error().message}});
    while (!ending_.requested()) {
        if (std::exchange(created_, false)) find_logs();
        const auto next = look_at_growing();
        woken_.reset();
        const bool told = co_await timers_.wait(woken_, next, ending_);
        if (!told && next > limits_.longest) created_ = true;
    }
    watch_.reset();
}

// A directory is watched before it is read, so that nothing appears unseen in between.
void LogBounds::find_logs() {
    for (auto& [file, log] : logs_)
        log.found = false;
    auto watched = [this](const fs::path& directory) {
        if (watch_) (void)watch_->watch_directory(directory);  // the net finds what it would tell
        return directory;
    };
    each(watched(folder_), [&](const fs::directory_entry& app) {
        if (app.path().extension() == ".log") return find(app.path().string());
        if (!app.is_directory()) return;
        each(watched(app.path()), [&](const fs::directory_entry& release) {
            if (!release.path().filename().string().starts_with('r')) return;
            each(watched(release.path()),
                 [&](const fs::directory_entry& file) { find(file.path().string()); });
        });
    });
    std::erase_if(logs_, [](const auto& entry) { return !entry.second.found; });
}

void LogBounds::find(const std::string& file) {
    auto [at, is_new] = logs_.try_emplace(file);
    at->second.found = true;
    if (!is_new) return;
    at->second.looked = timers_.steady_now();
    if (auto now = look_up(file)) at->second.size = now->size;
}

// From the kernel's word on, it is measured.
void LogBounds::on_written(const std::string& file) {
    auto at = logs_.find(file);
    if (at == logs_.end()) return;
    at->second.growing = true;
    at->second.looked = timers_.steady_now();
    at->second.due = at->second.looked + limits_.first_look;
    if (auto now = look_up(file)) at->second.size = now->size;
    woken_.set();
}

// Returns how long nothing is due.
Millis LogBounds::look_at_growing() {
    const auto now = timers_.steady_now();
    auto next = now + kNet;
    for (auto at = logs_.begin(); at != logs_.end();) {
        auto& [file, log] = *at;
        const bool there = !log.growing || log.due > now || look(file, log);
        if (there && log.growing) next = std::min(next, log.due);
        at = there ? std::next(at) : logs_.erase(at);
    }
    return std::chrono::ceil<Millis>(next - now);
}

// False: it is gone.
bool LogBounds::look(const std::string& file, Log& log) {
    ++looks_;
    auto found = look_up(file);
    if (!found) return false;
    const auto now = timers_.steady_now();
    const auto grown = found->size - std::min(log.size, found->size);
    const auto passed = std::max<std::int64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(now - log.looked).count(), 1);
    log.size = found->size;
    log.looked = now;
    if (found->allocated > limits_.cap) {
        auto freed = sys::punch_head(file, limits_.cap, limits_.kept);
        if (!freed) {
            log::warning("a log grows without bound", {{"error", freed.error().message}});
            log.due = now + kNet;
            return true;
        }
        found->allocated = limits_.kept;
    } else if (grown == 0 && rest(file, log)) {
        return true;
    }
    // Half of the room at the present pace, as that may double meanwhile.
    const auto room = static_cast<std::int64_t>(limits_.cap - found->allocated);
    const auto pace = std::max<std::int64_t>(static_cast<std::int64_t>(grown) / passed, 1);
    log.due = now + std::clamp(Millis{room / 2 / pace}, limits_.shortest, limits_.longest);
    return true;
}

// Hands it over to the kernel. False: it grows after all, or can't be watched.
bool LogBounds::rest(const std::string& file, Log& log) {
    if (!watch_ || !watch_->await_write(file)) return false;
    auto now = look_up(file);
    log.growing = !now || now->size != log.size;
    return !log.growing;
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
