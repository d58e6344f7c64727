// Keeps the database in good health: opens it, copies it, notices what befalls it, and has the
// daemon begin again where only a fresh look helps.
#pragma once

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/metrics/facts.hpp>
#include <belay/ports/store.hpp>
#include <belay/store/open.hpp>

#include <boost/asio/thread_pool.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

namespace belay::app {

struct CareTimes {
    Millis look{2'000};            // between two looks at the file
    Millis backup{3'600'000};      // between two backups
    Millis longest_retry{60'000};  // between two tries to open what could not be opened
    Millis pace{60'000};           // between two fresh starts for a database that gives trouble
};

inline constexpr int kBackupsKept = 12;

// Loop thread only.
class DatabaseCare {
  public:
    // The database is STATE/belay.db, its backups lie in STATE/backups. `begin_again` replaces this
    // process by a new one; it is called once.
    DatabaseCare(boost::asio::any_io_executor executor, async::Timers& timers, std::string state,
                 std::function<void(std::string why)> begin_again, CareTimes times = {});

    // Blocks, for start-up. Null: problem() says why.
    std::unique_ptr<ports::Store> open();
    const std::string& problem() const { return problem_; }
    // As counted since the start, and as the files are now.
    metrics::Database figures() const;

    // `store`, null where it could not be opened, must outlive close(), but may be closed before.
    // `reserve`: bytes that backups leave free on the disk.
    void start(ports::Store* store, std::function<std::uint64_t()> reserve);
    // Lays a backup ready and begins again with it; errors as store::stage_restore().
    Task<Result<void>> restore(std::string file);
    Task<void> close();

  private:
    struct Place {
        dev_t device = 0;
        ino_t inode = 0;
        bool operator==(const Place&) const = default;
    };

    Task<void> watch();
    Task<void> look();
    Task<void> back_up();
    Task<void> rescue();
    Task<bool> try_open();
    store::StoreOptions options();
    std::optional<Place> place() const;
    bool writable();
    bool room_for_backup() const;
    Task<void> begin_again_at_pace(std::string why);
    void begin_again(std::string why);

    boost::asio::any_io_executor executor_;
    async::Timers& timers_;
    std::string database_;
    std::string backups_;
    std::function<void(std::string)> begin_again_;
    CareTimes times_;
    async::TaskGroup tasks_;
    async::Cancel ending_;
    async::Event woken_;
    boost::asio::thread_pool pool_{1};
    ports::Store* store_ = nullptr;
    std::function<std::uint64_t()> reserve_;
    std::string problem_;
    std::optional<Place> opened_;
    std::optional<store::Distrust> distrust_;
    std::string distrust_why_;
    bool restoring_ = false;
    std::optional<async::SteadyTime> backed_up_;  // by this daemon
    bool told_unwritable_ = false;
    metrics::Database counted_;
};

}  // namespace belay::app
