#include <belay/async/offload.hpp>
#include <belay/runtime/system_units.hpp>
#include <belay/sys/journal.hpp>
#include <belay/sys/units.hpp>

#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <pwd.h>
#include <unistd.h>
#include <utility>

namespace belay::runtime {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

std::string own_user() {
    const auto* entry = ::getpwuid(::geteuid());
    return entry != nullptr ? entry->pw_name : fmt::format("#{}", ::geteuid());
}

domain::UnitState state_of(const sys::UnitStatus& status) {
    domain::UnitState state;
    state.load = status.load_state;
    state.active = status.active_state;
    state.sub = status.sub_state;
    state.result = status.result;
    state.can_reload = status.can_reload;
    state.has_job = status.has_job;
    state.main_pid = status.main_pid;
    state.restarts = status.restarts;
    state.invocation = status.invocation;
    state.ended = status.last_exit;
    return state;
}

// Shared with the job on the pool, which may outlive whoever stops waiting.
struct Reader {
    std::string unit;
    std::int64_t after;
    std::string directory;
    std::optional<sys::UnitJournal> journal;

    Result<std::string> read(std::int64_t until) {
        if (!journal) {
            auto opened = sys::UnitJournal::open(unit, after, directory);
            if (!opened) return opened.error();
            journal.emplace(std::move(*opened));
        }
        return journal->read(kPiece, until);
    }
    std::int64_t position() const { return journal ? journal->position() : after; }
};

struct ReadJournal {
    std::shared_ptr<Reader> reader;
    std::int64_t until;

    Result<std::string> operator()() const { return reader->read(until); }
};

class JournalOfUnit : public ports::UnitLog {
  public:
    JournalOfUnit(boost::asio::thread_pool& pool, Reader reader)
        : pool_(pool), at_(reader.after), reader_(std::make_shared<Reader>(std::move(reader))) {}

    Task<Result<std::string>> read(std::int64_t until) override {
        ReadJournal job{reader_, until};
        auto text = co_await async::offload(pool_, std::move(job));
        if (text) at_ = reader_->position();
        co_return text;
    }
    std::int64_t position() const override { return at_; }

  private:
    boost::asio::thread_pool& pool_;
    std::int64_t at_;
    std::shared_ptr<Reader> reader_;
};

class SystemUnits : public ports::Units {
  public:
    SystemUnits(boost::asio::any_io_executor executor, async::Timers& timers,
                SystemUnitsOptions options)
        : options_(std::move(options)), units_(std::move(executor), timers, options_.bus_address) {}
    ~SystemUnits() override { pool_.join(); }

    Task<Result<domain::UnitState>> state(std::string name) override;
    Task<Result<void>> prepare(std::string name) override;
    Task<Result<void>> act(std::string name, std::string action, Millis timeout) override;
    async::Subscription watch(std::string name, std::function<void()> callback) override {
        return units_.watch(name, std::move(callback));
    }
    std::unique_ptr<ports::UnitLog> log(std::string name, std::int64_t after) override {
        Reader reader{std::move(name), after, options_.journal_directory, {}};
        return std::make_unique<JournalOfUnit>(pool_, std::move(reader));
    }

  private:
    Result<void> reachable() const;
    static Error explained(const std::string& name, const std::string& act, Error error);

    SystemUnitsOptions options_;
    sys::Units units_;
    boost::asio::thread_pool pool_{1};  // for the journal
};

Result<void> SystemUnits::reachable() const {
    // Whoever names a bus means what is on it.
    const bool named = !options_.bus_address.empty() || ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    if (named || sys::systemd_is_running()) return {};
    return Error{Errc::unavailable,
                 "systemd does not run on this machine (PID 1 is another, as in a container), and "
                 "[unit] needs it: use [service], or [command]"};
}

Error SystemUnits::explained(const std::string& name, const std::string& act, Error error) {
    if (error.code != Errc::forbidden) return error;
    const auto user = own_user();
    error.message = fmt::format(
        "the user {0}, as whom the daemon runs, may not {1} {2}: as root, belay unit allow {2} "
        "--user {0}",
        user, act, name);
    return error;
}

Task<Result<domain::UnitState>> SystemUnits::state(std::string name) {
    if (auto there = reachable(); !there) co_return there.error();
    auto status = co_await units_.status(name);
    if (status) co_return state_of(*status);
    if (status.error().code != Errc::not_found) co_return status.error();
    domain::UnitState none;
    none.load = "not-found";
    none.active = "inactive";
    none.sub = "dead";
    co_return none;
}

Task<Result<void>> SystemUnits::prepare(std::string name) {
    if (auto there = reachable(); !there) co_return there.error();
    auto reset = co_await units_.reset_failed(name);
    // One that does not run may not be in memory: then only act() tells whether it is allowed.
    if (reset || reset.error().code == Errc::not_found) co_return Result<void>{};
    co_return explained(name, "restart", reset.error());
}

Task<Result<void>> SystemUnits::act(std::string name, std::string action, Millis timeout) {
    // One that was started too often is not started again before that is forgotten.
    auto prepared = co_await prepare(name);
    if (!prepared) co_return prepared.error();
    auto status = co_await state(name);
    if (!status) co_return status.error();
    const bool reload = action == "reload" && status->up();
    Result<void> acted;
    if (reload)
        acted = co_await units_.reload(name, timeout);
    else
        acted = co_await units_.restart(name, timeout);
    if (acted) co_return acted;
    auto error = explained(name, action, acted.error());
    // All that is wrong with the unit itself.
    if (error.code == Errc::invalid || error.code == Errc::not_found) error.code = Errc::conflict;
    co_return error;
}

}  // namespace

std::unique_ptr<ports::Units> make_system_units(boost::asio::any_io_executor executor,
                                                async::Timers& timers, SystemUnitsOptions options) {
    return std::make_unique<SystemUnits>(std::move(executor), timers, std::move(options));
}

}  // namespace belay::runtime
