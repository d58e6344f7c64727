#include "database_care.hpp"

#include <belay/async/offload.hpp>
#include <belay/base/log.hpp>
#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>
#include <utility>

namespace belay::app {
namespace {

// When the process before this one was replaced, by CLOCK_MONOTONIC, which goes on over execve(2).
constexpr const char* kBeganAgain = "BELAY_BEGAN_AGAIN";

std::int64_t monotonic_ms(async::SteadyTime time) {
    return std::chrono::duration_cast<Millis>(time.time_since_epoch()).count();
}

}  // namespace

DatabaseCare::DatabaseCare(boost::asio::any_io_executor executor, async::Timers& timers,
                           std::string state, std::function<void(std::string)> begin_again,
                           CareTimes times)
    : executor_(executor),
      timers_(timers),
      database_(state + "/belay.db"),
      backups_(state + "/backups"),
      begin_again_(std::move(begin_again)),
      times_(times),
      tasks_(std::move(executor)) {}

store::StoreOptions DatabaseCare::options() {
    store::StoreOptions options;
    options.path = database_;
    options.executor = executor_;
    options.backups = backups_;
    options.on_distrust = [this](store::Distrust distrust, std::string why) {
        distrust_ = distrust;
        distrust_why_ = std::move(why);
        woken_.set();
    };
    options.on_commit = [this](std::chrono::duration<double> took,
                               const Result<ports::Committed>& result) {
        counted_.commits.add(took.count());
        // What a batch itself is to blame for is no matter of the database's.
        if (!result &&
            (result.error().code == Errc::disk_full || result.error().code == Errc::unavailable ||
             result.error().code == Errc::internal))
            ++counted_.commits_failed;
    };
    return options;
}

metrics::Database DatabaseCare::figures() const {
    auto figures = counted_;
    auto size_of = [](const std::string& file) -> std::uint64_t {
        struct stat found{};
        if (::stat(file.c_str(), &found) != 0) return 0;
        return static_cast<std::uint64_t>(found.st_size);
    };
    figures.usable = store_ != nullptr && !distrust_;
    figures.bytes = size_of(database_);
    figures.log_bytes = size_of(database_ + "-wal");
    figures.newest_backup = store::newest_backup(backups_);
    return figures;
}

std::unique_ptr<ports::Store> DatabaseCare::open() {
    if (auto made = sys::make_directories(backups_, 0700); !made)
        log::warning("no place for backups", {{"error", made.error().message}});
    auto opened = store::open_or_recover(options());
    if (!opened) {
        problem_ = opened.error().message;
        return nullptr;
    }
    if (opened->recovered)
        log::error("the database was replaced",
                   {{"why", opened->recovered->why},
                    {"from", opened->recovered->from.empty() ? "what was laid ready"
                                                             : opened->recovered->from},
                    {"former", opened->recovered->moved_to}});
    opened_ = place();
    return std::move(opened->store);
}

void DatabaseCare::start(ports::Store* store, std::function<std::uint64_t()> reserve) {
    store_ = store;
    reserve_ = std::move(reserve);
    tasks_.spawn("database care", watch());
}

Task<void> DatabaseCare::close() {
    ending_.request();
    woken_.set();
    co_await tasks_.join();
    store_ = nullptr;
}

Task<void> DatabaseCare::watch() {
    auto pause = times_.look;
    while (!ending_.requested()) {
        const bool woken = co_await timers_.wait(woken_, pause, ending_);
        if (ending_.requested()) co_return;
        if (woken) woken_.reset();
        if (store_) {
            co_await look();
            continue;
        }
        const bool opens = co_await try_open();
        if (opens) co_await begin_again_at_pace("the database can be used again");
        pause = std::min(pause * 2, times_.longest_retry);
    }
}

std::optional<DatabaseCare::Place> DatabaseCare::place() const {
    struct stat found{};
    if (::stat(database_.c_str(), &found) != 0) return std::nullopt;
    return Place{found.st_dev, found.st_ino};
}

Task<void> DatabaseCare::look() {
    // An idle daemon writes nothing, so the store itself would not see it.
    if (!distrust_ && opened_ && place() != opened_) {
        distrust_ = store::Distrust::lost;
        distrust_why_ = fmt::format("{} was removed or replaced while it was in use", database_);
    }
    if (distrust_ == store::Distrust::lost) {
        co_await rescue();
        co_return;
    }
    if (distrust_ == store::Distrust::unsound) {
        if (!writable()) co_return;  // the next look tries again
        co_await begin_again_at_pace(distrust_why_);
        co_return;
    }
    auto newest = store::newest_backup(backups_);
    if (newest && backed_up_ && timers_.steady_now() - *backed_up_ < times_.backup) co_return;
    // Of a daemon before this one only the wall clock tells, where it was not set back since.
    if (newest && !backed_up_ && timers_.now() - *newest < times_.backup &&
        *newest <= timers_.now())
        co_return;
    if (room_for_backup()) co_await back_up();
}

// On a disk that takes nothing a daemon can't start, and this one still shows what it knows.
bool DatabaseCare::writable() {
    auto probe = database_ + ".writable";
    auto written = sys::write_file(probe, "", 0600);
    std::error_code ignored;
    std::filesystem::remove(probe, ignored);
    if (!written && !std::exchange(told_unwritable_, true))
        log::error("the state directory can't be written now; what is live runs on",
                   {{"error", written.error().message}});
    return written.has_value();
}

bool DatabaseCare::room_for_backup() const {
    std::error_code failure;
    const auto size = std::filesystem::file_size(database_, failure);
    auto space = sys::free_space(backups_);
    return !failure && space && space->available >= size + reserve_();
}

Task<void> DatabaseCare::back_up() {
    auto file = store::backup_name(backups_);
    auto made = co_await store_->backup(file);
    if (!made && made.error().code == Errc::unavailable) co_return;  // closed
    if (!made) {
        log::warning("no backup of the database", {{"error", made.error().message}});
        co_return;
    }
    auto check = [file] { return store::check_backup(file); };
    auto sound = co_await async::offload(pool_, check);
    if (sound) {
        backed_up_ = timers_.steady_now();
        store::drop_old_backups(backups_, kBackupsKept);
        co_return;
    }
    // A faithful copy of a damaged database: the older backups must outlive it.
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    if (sound.error().code != Errc::invalid) {
        log::warning("a backup could not be checked", {{"error", sound.error().message}});
        co_return;
    }
    co_await begin_again_at_pace(sound.error().message);
}

// The file is gone from its place, but this process has it open still.
Task<void> DatabaseCare::rescue() {
    auto ready = store::laid_ready(database_);
    auto saved = co_await store_->backup(ready);
    if (!saved && saved.error().code != Errc::conflict) {
        log::error("the database is gone from its place, and could not be written there again",
                   {{"error", saved.error().message}});
        co_return;  // the next look tries again
    }
    begin_again(distrust_why_);
}

Task<bool> DatabaseCare::try_open() {
    auto attempt = [options = options()] { return store::open_or_recover(options); };
    auto opened = co_await async::offload(pool_, attempt);
    if (!opened) co_return false;
    co_await opened->store->close();
    co_return true;
}

Task<Result<void>> DatabaseCare::restore(std::string file) {
    if (restoring_)
        co_return Error{Errc::conflict, "the daemon is beginning again already: wait for it"};
    restoring_ = true;
    auto stage = [file, database = database_] { return store::stage_restore(file, database); };
    auto staged = co_await async::offload(pool_, stage);
    restoring_ = staged.has_value();
    if (staged) begin_again(fmt::format("{} takes the database's place", file));
    co_return staged;
}

// Not in a circle: where a fresh look does not help, what is live is served all the same.
Task<void> DatabaseCare::begin_again_at_pace(std::string why) {
    if (const char* text = std::getenv(kBeganAgain)) {
        std::int64_t before = 0;
        std::string_view digits = text;
        std::from_chars(digits.data(), digits.data() + digits.size(), before);
        const Millis passed{monotonic_ms(timers_.steady_now()) - before};
        if (passed < times_.pace) {
            const bool slept = co_await timers_.sleep(times_.pace - passed, ending_);
            if (!slept) co_return;
        }
    }
    begin_again(std::move(why));
}

void DatabaseCare::begin_again(std::string why) {
    if (ending_.requested()) return;
    ending_.request();
    ::setenv(kBeganAgain, fmt::to_string(monotonic_ms(timers_.steady_now())).c_str(), 1);
    begin_again_(std::move(why));
}

}  // namespace belay::app
