#include <belay/base/log.hpp>
#include <belay/sys/bus.hpp>
#include <belay/sys/units.hpp>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <list>
#include <map>
#include <set>
#include <string_view>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

namespace belay::sys {

namespace {

constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kProperties = "org.freedesktop.DBus.Properties";
// The manager is away while it reads its files, which it may do for long.
constexpr Millis kReloadPatience{90'000};

BusMethod manager_method(const char* member) {
    return {kSystemd, kManagerPath, kManager, member};
}

int append_strings(sd_bus_message* message, const std::vector<std::string>& strings) {
    int code = ::sd_bus_message_open_container(message, 'a', "s");
    for (const auto& one : strings)
        if (code >= 0) code = ::sd_bus_message_append(message, "s", one.c_str());
    return code < 0 ? code : ::sd_bus_message_close_container(message);
}

// The variant of one property.
struct AppendValue {
    sd_bus_message* message;

    int operator()(bool value) const {
        return ::sd_bus_message_append(message, "v", "b", value ? 1 : 0);
    }
    int operator()(std::int32_t value) const {
        return ::sd_bus_message_append(message, "v", "i", value);
    }
    int operator()(std::uint32_t value) const {
        return ::sd_bus_message_append(message, "v", "u", value);
    }
    int operator()(std::uint64_t value) const {
        return ::sd_bus_message_append(message, "v", "t", value);
    }
    int operator()(const std::string& value) const {
        return ::sd_bus_message_append(message, "v", "s", value.c_str());
    }
    int operator()(const std::vector<std::string>& value) const {
        int code = ::sd_bus_message_open_container(message, 'v', "as");
        if (code >= 0) code = append_strings(message, value);
        return code < 0 ? code : ::sd_bus_message_close_container(message);
    }
    // a(sasb): path, argv, whether a failure of it is none. The flag that turns expansion off is of
    // ExecStartEx, whose trace in the unit's file systemd 252 can't read again.
    int operator()(const UnitCommand& value) const {
        std::vector<std::string> argv;
        for (const auto& word : value.argv) {
            argv.emplace_back();
            for (char c : word)
                argv.back() += c == '$' ? std::string("$$") : std::string(1, c);
        }
        int code = ::sd_bus_message_open_container(message, 'v', "a(sasb)");
        if (code >= 0) code = ::sd_bus_message_open_container(message, 'a', "(sasb)");
        if (code >= 0) code = ::sd_bus_message_open_container(message, 'r', "sasb");
        if (code >= 0) code = ::sd_bus_message_append(message, "s", value.path.c_str());
        if (code >= 0) code = append_strings(message, argv);
        if (code >= 0) code = ::sd_bus_message_append(message, "b", 0);
        for (int depth = 0; depth < 3 && code >= 0; ++depth)
            code = ::sd_bus_message_close_container(message);
        return code;
    }
    // a(sb): path, whether it may be missing
    int operator()(const UnitEnvironmentFile& value) const {
        return ::sd_bus_message_append(message, "v", "a(sb)", 1, value.path.c_str(), 0);
    }
};

// a(sv)
int append_settings(sd_bus_message* message, const std::vector<UnitSetting>& settings) {
    int code = ::sd_bus_message_open_container(message, 'a', "(sv)");
    for (const auto& setting : settings) {
        if (code >= 0) code = ::sd_bus_message_open_container(message, 'r', "sv");
        if (code >= 0) code = ::sd_bus_message_append(message, "s", setting.name.c_str());
        if (code >= 0) code = std::visit(AppendValue{message}, setting.value);
        if (code >= 0) code = ::sd_bus_message_close_container(message);
    }
    return code < 0 ? code : ::sd_bus_message_close_container(message);
}

// The properties of a unit that are of a basic type, or bytes.
class Properties {
  public:
    // a{sv}; negative errno.
    int read(sd_bus_message* message);

    std::string text(const char* name) const {
        auto at = texts_.find(name);
        return at == texts_.end() ? std::string() : at->second;
    }
    std::uint64_t number(const char* name) const {
        auto at = numbers_.find(name);
        return at == numbers_.end() ? 0 : at->second;
    }

  private:
    int read_value(sd_bus_message* message, const std::string& name);

    std::map<std::string, std::string, std::less<>> texts_;
    std::map<std::string, std::uint64_t, std::less<>> numbers_;
};

int Properties::read(sd_bus_message* message) {
    int code = ::sd_bus_message_enter_container(message, 'a', "{sv}");
    while (code >= 0) {
        code = ::sd_bus_message_enter_container(message, 'e', "sv");
        if (code <= 0) break;
        const char* name = nullptr;
        code = ::sd_bus_message_read(message, "s", &name);
        if (code >= 0) code = read_value(message, name);
        if (code >= 0) code = ::sd_bus_message_exit_container(message);
    }
    return code < 0 ? code : ::sd_bus_message_exit_container(message);
}

int Properties::read_value(sd_bus_message* message, const std::string& name) {
    char type = 0;
    const char* contents = nullptr;
    int code = ::sd_bus_message_peek_type(message, &type, &contents);
    if (code < 0) return code;
    const std::string_view of = contents != nullptr ? contents : "";
    if (of != "s" && of != "o" && of != "b" && of != "u" && of != "i" && of != "t" && of != "ay" &&
        of != "(ss)" && of != "(uo)")
        return ::sd_bus_message_skip(message, "v");
    code = ::sd_bus_message_enter_container(message, 'v', contents);
    if (code < 0) return code;
    if (of == "s" || of == "o") {
        const char* text = nullptr;
        code = ::sd_bus_message_read_basic(message, of.front(), &text);
        if (code >= 0) texts_[name] = text;
    } else if (of == "ay") {
        const void* bytes = nullptr;
        std::size_t size = 0;
        code = ::sd_bus_message_read_array(message, 'y', &bytes, &size);
        std::string hex;
        for (std::size_t i = 0; code >= 0 && i < size; ++i)
            hex += fmt::format("{:02x}", static_cast<const unsigned char*>(bytes)[i]);
        texts_[name] = hex;
    } else if (of == "(ss)") {
        const char* first = nullptr;
        const char* second = nullptr;
        code = ::sd_bus_message_read(message, "(ss)", &first, &second);
        if (code >= 0) texts_[name] = second;
    } else if (of == "(uo)") {
        std::uint32_t id = 0;
        const char* path = nullptr;
        code = ::sd_bus_message_read(message, "(uo)", &id, &path);
        if (code >= 0) numbers_[name] = id;
    } else if (of == "t") {
        std::uint64_t number = 0;
        code = ::sd_bus_message_read_basic(message, 't', &number);
        if (code >= 0) numbers_[name] = number;
    } else {
        std::uint32_t number = 0;
        code = ::sd_bus_message_read_basic(message, of.front(), &number);
        if (code >= 0) numbers_[name] = number;
    }
    return code < 0 ? code : ::sd_bus_message_exit_container(message);
}

// StartUnit and its like: a name and what to do with a job that stands already.
Bus::Write name_and_mode(const std::string& unit) {
    return [unit](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "ss", unit.c_str(), "replace");
    };
}

Bus::Write name_alone(const std::string& unit) {
    return [unit](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "s", unit.c_str());
    };
}

TimePoint moment(std::uint64_t microseconds) {
    return TimePoint{Millis{static_cast<std::int64_t>(microseconds / 1'000)}};
}

UnitStatus status_of(const Properties& read) {
    UnitStatus status;
    status.name = read.text("Id");
    status.load_state = read.text("LoadState");
    status.active_state = read.text("ActiveState");
    status.sub_state = read.text("SubState");
    status.file_state = read.text("UnitFileState");
    status.file = read.text("FragmentPath");
    status.invocation = read.text("InvocationID");
    if (status.invocation.find_first_not_of('0') == std::string::npos) status.invocation.clear();
    status.group = read.text("ControlGroup");
    status.user = read.text("User");
    status.restart = read.text("Restart");
    status.can_reload = read.number("CanReload") != 0;
    status.has_job = read.number("Job") != 0;
    status.needs_daemon_reload = read.number("NeedDaemonReload") != 0;
    if (auto result = read.text("Result"); !result.empty()) status.result = result;
    status.main_pid = static_cast<pid_t>(read.number("MainPID"));
    status.restarts = read.number("NRestarts");
    status.main_started_at = moment(read.number("ExecMainStartTimestamp"));
    // How waitid(2) says it; 0: it has not ended.
    const auto how = static_cast<int>(read.number("ExecMainCode"));
    if (how != 0) {
        Exit exit;
        const auto value = static_cast<int>(read.number("ExecMainStatus"));
        if (how == CLD_EXITED)
            exit.code = value;
        else
            exit.signal = value;
        exit.at = moment(read.number("ExecMainExitTimestamp"));
        if (const auto used = read.number("CPUUsageNSec"); used != UINT64_MAX)
            exit.cpu = Millis{static_cast<std::int64_t>(used / 1'000'000)};
        exit.oom = status.result == "oom-kill";
        if (const auto most = read.number("MemoryMax"); most != UINT64_MAX)
            exit.memory_limit = most;
        status.last_exit = exit;
    }
    if (auto why = read.text("LoadError"); !why.empty())
        status.load_error = Error{Errc::invalid, why};
    return status;
}

}  // namespace

std::string unit_path(const std::string& unit) {
    char* path = nullptr;
    if (::sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit.c_str(), &path) < 0) return {};
    std::string result(path);
    std::free(path);
    return result;
}

bool systemd_is_running() {
    return ::sd_booted() > 0;
}

class Units::Manager : public std::enable_shared_from_this<Manager> {
  public:
    Manager(boost::asio::any_io_executor executor, async::Timers& timers, std::string address)
        : executor_(executor),
          timers_(timers),
          bus_(std::make_unique<Bus>(std::move(executor), timers, std::move(address))) {}

    void open();
    void close();
    Task<Result<BusMessage>> call(BusMethod method, Bus::Write write = {});
    // For methods whose answer says nothing.
    Task<Result<void>> tell(BusMethod method, Bus::Write write = {});
    Task<Result<void>> run_job(BusMethod method, Bus::Write write, std::string unit,
                               Millis patience);
    Task<Result<UnitStatus>> status(std::string unit);
    async::Subscription watch(const std::string& unit, std::function<void()> callback);
    Task<Result<std::string>> version();
    Task<Result<void>> daemon_reload();
    Task<Result<void>> hold(std::string unit);
    void note_held(const std::string& unit) { held_.insert(unit); }
    Task<Result<void>> let_go(std::string unit);

  private:
    struct Job {
        async::Event ended;
        std::string result;  // empty: the bus went away before it was known
    };
    struct Watcher {
        std::string unit;
        std::function<void()> callback;
        async::Subscription changes;
    };

    Task<Result<void>> subscribe();
    static Task<void> catch_up(std::shared_ptr<Manager> self);
    void on_connected();
    void on_job_removed(sd_bus_message* message);
    void on_unit_removed(sd_bus_message* message);

    boost::asio::any_io_executor executor_;
    async::Timers& timers_;
    std::unique_ptr<Bus> bus_;  // null once it is closed
    bool subscribed_ = false;
    int starting_ = 0;                            // jobs that have no name yet
    std::map<std::string, std::string> removed_;  // jobs that ended while there were such
    std::map<std::string, std::shared_ptr<Job>> jobs_;
    std::list<std::shared_ptr<Watcher>> watchers_;
    std::set<std::string> held_;
    std::vector<async::Subscription> signals_;
};

void Units::Manager::open() {
    auto weak = weak_from_this();
    signals_.push_back(bus_->on_connected([weak] {
        if (auto self = weak.lock()) self->on_connected();
    }));
}

void Units::Manager::close() {
    signals_.clear();
    for (auto& watcher : watchers_) {
        watcher->callback = nullptr;
        watcher->changes.end();
    }
    watchers_.clear();
    for (auto& [path, job] : jobs_)
        job->ended.set();
    bus_.reset();
}

Task<Result<BusMessage>> Units::Manager::call(BusMethod method, Bus::Write write) {
    auto self = shared_from_this();
    if (!bus_) co_return Error{Errc::canceled, "the connection to systemd is closed"};
    auto reply = co_await bus_->call(std::move(method), std::move(write));
    co_return reply;
}

Task<Result<void>> Units::Manager::tell(BusMethod method, Bus::Write write) {
    auto reply = co_await call(std::move(method), std::move(write));
    if (!reply) co_return reply.error();
    co_return Result<void>{};
}

// The manager sends its signals only to those who asked for them, once for each connection.
Task<Result<void>> Units::Manager::subscribe() {
    if (subscribed_) co_return Result<void>{};
    auto self = shared_from_this();
    if (signals_.size() == 1 && bus_) {
        auto weak = weak_from_this();
        BusMatch jobs{kSystemd, kManagerPath, kManager, "JobRemoved"};
        signals_.push_back(bus_->on_signal(jobs, [weak](sd_bus_message* message) {
            if (auto manager = weak.lock()) manager->on_job_removed(message);
        }));
        BusMatch units{kSystemd, kManagerPath, kManager, "UnitRemoved"};
        signals_.push_back(bus_->on_signal(units, [weak](sd_bus_message* message) {
            if (auto manager = weak.lock()) manager->on_unit_removed(message);
        }));
    }
    auto method = manager_method("Subscribe");
    auto asked = co_await call(std::move(method));
    if (!asked && asked.error().message.find("AlreadySubscribed") == std::string::npos)
        co_return asked.error();
    subscribed_ = bus_ && bus_->connected();
    co_return Result<void>{};
}

void Units::Manager::on_connected() {
    subscribed_ = false;
    for (auto& [path, job] : jobs_)
        job->ended.set();
    if (watchers_.empty() && held_.empty()) return;
    boost::asio::co_spawn(executor_, catch_up(shared_from_this()), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
}

Task<void> Units::Manager::catch_up(std::shared_ptr<Manager> self) {
    auto subscribed = co_await self->subscribe();
    if (!subscribed && self->bus_)
        log::warning("systemd does not tell of its units", {{"error", subscribed.error().message}});
    auto held = self->held_;
    for (const auto& unit : held)
        co_await self->hold(unit);  // one that is gone meanwhile is what its watcher will see
    auto watchers = self->watchers_;
    for (auto& watcher : watchers)
        if (watcher->callback) watcher->callback();
}

void Units::Manager::on_job_removed(sd_bus_message* message) {
    std::uint32_t id = 0;
    const char* path = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (::sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0) return;
    if (auto at = jobs_.find(path); at != jobs_.end()) {
        at->second->result = result;
        at->second->ended.set();
    } else if (starting_ > 0) {
        removed_[path] = result;
    }
}

void Units::Manager::on_unit_removed(sd_bus_message* message) {
    const char* unit = nullptr;
    const char* path = nullptr;
    if (::sd_bus_message_read(message, "so", &unit, &path) < 0) return;
    auto watchers = watchers_;
    for (auto& watcher : watchers)
        if (watcher->callback && watcher->unit == unit) watcher->callback();
}

Task<Result<void>> Units::Manager::run_job(BusMethod method, Bus::Write write, std::string unit,
                                           Millis patience) {
    auto self = shared_from_this();
    auto subscribed = co_await subscribe();
    if (!subscribed) co_return subscribed.error();
    const std::string act = method.member;
    // Its end may be told before the coroutine that asked for it goes on.
    ++starting_;
    auto reply = co_await call(std::move(method), std::move(write));
    --starting_;
    auto early = std::exchange(removed_, {});
    if (starting_ > 0) removed_ = early;
    if (!reply) co_return prefixed(unit, reply.error());
    const char* path = nullptr;
    if (::sd_bus_message_read(reply->get(), "o", &path) < 0)
        co_return Error{Errc::internal, fmt::format("systemd answered {} with no job", act)};
    auto job = std::make_shared<Job>();
    if (auto at = early.find(path); at != early.end()) {
        job->result = at->second;
        job->ended.set();
    }
    jobs_[path] = job;
    const bool ended = co_await timers_.wait(job->ended, patience);
    jobs_.erase(path);
    if (!ended)
        co_return Error{Errc::timeout, fmt::format("{} of {} has not ended within {}", act, unit,
                                                   format_duration(patience))};
    if (job->result.empty())
        co_return Error{
            Errc::unavailable,
            fmt::format("{}: the message bus went away; how {} ended is not known", unit, act)};
    if (job->result == "done") co_return Result<void>{};
    co_return Error{Errc::conflict, fmt::format("{}: {} ended as \"{}\": see systemctl status {}",
                                                unit, act, job->result, unit)};
}

Task<Result<UnitStatus>> Units::Manager::status(std::string unit) {
    auto self = shared_from_this();
    Bus::Write name_it = [unit](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "s", unit.c_str());
    };
    auto load = manager_method("LoadUnit");
    auto loaded = co_await call(std::move(load), std::move(name_it));
    if (!loaded) co_return prefixed(unit, loaded.error());
    const char* path = nullptr;
    if (::sd_bus_message_read(loaded->get(), "o", &path) < 0)
        co_return Error{Errc::internal, fmt::format("systemd does not name {}", unit)};
    BusMethod get{kSystemd, path, kProperties, "GetAll"};
    Bus::Write all = [](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "s", "");
    };
    auto reply = co_await call(std::move(get), std::move(all));
    if (!reply) co_return prefixed(unit, reply.error());
    Properties properties;
    if (const int code = properties.read(reply->get()); code < 0)
        co_return errno_error(-code, fmt::format("reading the properties of {}", unit));
    auto status = status_of(properties);
    if (status.load_state == "not-found")
        co_return Error{Errc::not_found, fmt::format("there is no unit {}", unit)};
    co_return status;
}

async::Subscription Units::Manager::watch(const std::string& unit, std::function<void()> callback) {
    auto watcher = std::make_shared<Watcher>();
    watcher->unit = unit;
    watcher->callback = std::move(callback);
    if (!bus_) return {};
    BusMatch match{kSystemd, unit_path(unit), kProperties, "PropertiesChanged"};
    std::weak_ptr<Watcher> weak_watcher = watcher;
    watcher->changes = bus_->on_signal(match, [weak_watcher](sd_bus_message*) {
        if (auto one = weak_watcher.lock(); one && one->callback) one->callback();
    });
    watchers_.push_back(watcher);
    if (!subscribed_ && bus_->connected())
        boost::asio::co_spawn(executor_, catch_up(shared_from_this()),
                              [](std::exception_ptr failure) {
                                  if (failure) std::rethrow_exception(failure);
                              });
    return async::Subscription([weak = weak_from_this(), watcher] {
        watcher->callback = nullptr;
        watcher->changes.end();
        if (auto manager = weak.lock()) manager->watchers_.remove(watcher);
    });
}

Task<Result<std::string>> Units::Manager::version() {
    auto self = shared_from_this();
    if (!bus_) co_return Error{Errc::canceled, "the connection to systemd is closed"};
    std::string destination(kSystemd), path(kManagerPath), interface(kManager), name("Version");
    auto version = co_await bus_->property(destination, path, interface, name);
    co_return version;
}

Task<Result<void>> Units::Manager::daemon_reload() {
    auto method = manager_method("Reload");
    method.timeout = kReloadPatience;
    auto read = co_await tell(std::move(method));
    if (!read) co_return prefixed("having systemd read its unit files again", read.error());
    co_return Result<void>{};
}

Task<Result<void>> Units::Manager::hold(std::string unit) {
    auto self = shared_from_this();
    held_.insert(unit);
    auto method = manager_method("RefUnit");
    auto name_it = name_alone(unit);
    auto held = co_await tell(std::move(method), std::move(name_it));
    if (!held && held.error().code == Errc::not_found) held_.erase(unit);
    if (!held) co_return prefixed("holding " + unit, held.error());
    co_return Result<void>{};
}

Task<Result<void>> Units::Manager::let_go(std::string unit) {
    auto self = shared_from_this();
    held_.erase(unit);
    auto method = manager_method("UnrefUnit");
    auto name_it = name_alone(unit);
    auto gone = co_await tell(std::move(method), std::move(name_it));
    if (!gone) co_return prefixed("letting go of " + unit, gone.error());
    co_return Result<void>{};
}

Units::Units(boost::asio::any_io_executor executor, async::Timers& timers, std::string address)
    : manager_(std::make_shared<Manager>(std::move(executor), timers, std::move(address))) {
    manager_->open();
}

Units::~Units() {
    manager_->close();
}

Task<Result<std::string>> Units::version() {
    return manager_->version();
}

Task<Result<UnitStatus>> Units::status(std::string unit) {
    return manager_->status(std::move(unit));
}

Task<Result<std::vector<std::string>>> Units::list(std::string pattern) {
    auto manager = manager_;
    Bus::Write write = [pattern](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "asas", 0, 1, pattern.c_str());
    };
    auto method = manager_method("ListUnitsByPatterns");
    auto reply = co_await manager->call(std::move(method), std::move(write));
    if (!reply) co_return reply.error();
    auto* message = reply->get();
    std::vector<std::string> names;
    int code = ::sd_bus_message_enter_container(message, 'a', "(ssssssouso)");
    while (code >= 0) {
        const char* name = nullptr;
        code = ::sd_bus_message_enter_container(message, 'r', "ssssssouso");
        if (code <= 0) break;
        code = ::sd_bus_message_read(message, "s", &name);
        if (code >= 0) {
            names.emplace_back(name);
            code = ::sd_bus_message_skip(message, "sssssouso");
        }
        if (code >= 0) code = ::sd_bus_message_exit_container(message);
    }
    if (code < 0) co_return errno_error(-code, "reading the list of units");
    co_return names;
}

Task<Result<void>> Units::start_transient(std::string unit, std::vector<UnitSetting> settings,
                                          Millis patience) {
    auto manager = manager_;
    Bus::Write write = [unit, settings](sd_bus_message* message) {
        int code = ::sd_bus_message_append(message, "ss", unit.c_str(), "fail");
        if (code >= 0) code = append_settings(message, settings);
        return code < 0 ? code : ::sd_bus_message_append(message, "a(sa(sv))", 0);
    };
    auto method = manager_method("StartTransientUnit");
    auto started = co_await manager->run_job(std::move(method), std::move(write), unit, patience);
    const bool holds = std::any_of(settings.begin(), settings.end(),
                                   [](const auto& setting) { return setting.name == "AddRef"; });
    // Also where its job failed: then it is there, failed.
    if (holds) manager->note_held(unit);
    co_return started;
}

Task<Result<void>> Units::start(std::string unit, Millis patience) {
    return manager_->run_job(manager_method("StartUnit"), name_and_mode(unit), unit, patience);
}

Task<Result<void>> Units::stop(std::string unit, Millis patience) {
    return manager_->run_job(manager_method("StopUnit"), name_and_mode(unit), unit, patience);
}

Task<Result<void>> Units::restart(std::string unit, Millis patience) {
    return manager_->run_job(manager_method("RestartUnit"), name_and_mode(unit), unit, patience);
}

Task<Result<void>> Units::reload(std::string unit, Millis patience) {
    return manager_->run_job(manager_method("ReloadUnit"), name_and_mode(unit), unit, patience);
}

Task<Result<void>> Units::kill(std::string unit, KillWho who, int signal) {
    return manager_->tell(manager_method("KillUnit"), [unit, who, signal](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "ssi", unit.c_str(),
                                       who == KillWho::main ? "main" : "all", signal);
    });
}

Task<Result<void>> Units::reset_failed(std::string unit) {
    return manager_->tell(manager_method("ResetFailedUnit"), name_alone(unit));
}

Task<Result<void>> Units::hold(std::string unit) {
    return manager_->hold(std::move(unit));
}

Task<Result<void>> Units::let_go(std::string unit) {
    return manager_->let_go(std::move(unit));
}

Task<Result<std::vector<pid_t>>> Units::processes(std::string unit) {
    auto manager = manager_;
    auto method = manager_method("GetUnitProcesses");
    auto name_it = name_alone(unit);
    auto reply = co_await manager->call(std::move(method), std::move(name_it));
    if (!reply) co_return prefixed(unit, reply.error());
    auto* message = reply->get();
    std::vector<pid_t> pids;
    int code = ::sd_bus_message_enter_container(message, 'a', "(sus)");
    while (code >= 0) {
        const char* group = nullptr;
        const char* words = nullptr;
        std::uint32_t pid = 0;
        code = ::sd_bus_message_read(message, "(sus)", &group, &pid, &words);
        if (code <= 0) break;
        pids.push_back(static_cast<pid_t>(pid));
    }
    if (code < 0) co_return errno_error(-code, "reading the processes of " + unit);
    co_return pids;
}

Task<Result<void>> Units::daemon_reload() {
    return manager_->daemon_reload();
}

Task<Result<void>> Units::enable(std::string unit) {
    auto manager = manager_;
    Bus::Write write = [unit](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "asbb", 1, unit.c_str(), 0, 1);
    };
    auto method = manager_method("EnableUnitFiles");
    auto enabled = co_await manager->tell(std::move(method), std::move(write));
    if (!enabled) co_return prefixed("enabling " + unit, enabled.error());
    co_return co_await manager->daemon_reload();
}

Task<Result<void>> Units::disable(std::string unit) {
    auto manager = manager_;
    Bus::Write write = [unit](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "asb", 1, unit.c_str(), 0);
    };
    auto method = manager_method("DisableUnitFiles");
    auto disabled = co_await manager->tell(std::move(method), std::move(write));
    if (!disabled) co_return prefixed("disabling " + unit, disabled.error());
    co_return co_await manager->daemon_reload();
}

async::Subscription Units::watch(const std::string& unit, std::function<void()> callback) {
    return manager_->watch(unit, std::move(callback));
}

}  // namespace belay::sys
