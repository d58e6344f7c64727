#include "control_server.hpp"
#include "listeners.hpp"
#include "plane.hpp"
#include "routes_file.hpp"
#include "session.hpp"
#include "successor.hpp"

#include <belay/base/log.hpp>
#include <belay/proxy/run.hpp>
#include <belay/sys/service_manager.hpp>

#include <csignal>
#include <functional>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::proxy {
namespace {

std::string random_id() {
    unsigned char bytes[8] = {};
    if (::getrandom(bytes, sizeof bytes, 0) < 0)
        throw ErrorException(errno_error(errno, "getting random bytes"));
    std::string text;
    for (auto byte : bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

// How long a successor may take to serve.
constexpr Millis kSuccession{10'000};

// SIGTERM, SIGINT and SIGHUP as readiness. They stay blocked: a second one must not spoil an end in
// good order.
class Signals final : Watcher {
  public:
    Signals(Loop& loop, std::function<void(std::uint32_t)> on_signal)
        : loop_(loop), on_signal_(std::move(on_signal)) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
        fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        loop_.watch(fd_.get(), *this, EPOLLIN);
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals() override { loop_.forget(fd_.get(), *this); }

  private:
    void on_events(std::uint32_t) override {
        signalfd_siginfo info{};
        while (::read(fd_.get(), &info, sizeof info) == sizeof info)
            on_signal_(info.ssi_signo);
    }

    Loop& loop_;
    Fd fd_;
    std::function<void(std::uint32_t)> on_signal_;
};

// The whole process.
class Proxy {
  public:
    explicit Proxy(ProxyOptions options)
        : plane_(std::move(options)),
          listeners_(plane_),
          writer_(plane_.loop, plane_.options.directory),
          signals_(plane_.loop, [this](std::uint32_t signal) { on_signal(signal); }) {}

    // The exit code.
    int run() {
        load();
        open_control();
        listeners_.adopt_from_environment();
        log::info("the proxy serves", {{"listeners", std::to_string(listeners_.addresses().size())},
                                       {"apps", std::to_string(plane_.routing.serving().size())}});
        tell_predecessor();
        sys::notify_ready("serves");
        plane_.loop.run();
        end_everything();
        return for_good_ ? sys::exit_status_for_good() : 0;
    }

  private:
    void on_signal(std::uint32_t signal) {
        if (signal != SIGHUP) return leave(plane_.options.stop_timeout);
        // Under a shim it is the shim that must know its program.
        if (sys::is_managed() && !plane_.leaving && !succeeding_) hand_over().start();
    }

    void load() {
        struct stat status{};
        const auto& directory = plane_.options.directory;
        if (::stat(directory.c_str(), &status) != 0)
            throw ErrorException(errno_error(errno, "the proxy's directory " + directory));
        auto loaded = load_routes(directory);
        if (!loaded) throw ErrorException(loaded.error());
        if (!loaded->warning.empty())
            log::error("the newest routes can't be read, the previous generation is served",
                       {{"error", loaded->warning}});
        warning_ = loaded->warning;
        plane_.routing.restore(loaded->state);
    }

    void open_control() {
        ports::TrafficHello self;
        self.version = BELAY_VERSION;
        self.pid = ::getpid();
        self.instance = random_id();
        self.started_at = std::chrono::floor<Millis>(std::chrono::system_clock::now());
        self.warning = warning_;
        ControlServer::Parts parts{plane_, listeners_, writer_, self, [this](Millis timeout) {
                                       for_good_ = true;
                                       leave(timeout);
                                   }};
        control_ = std::make_unique<ControlServer>(std::move(parts));
        if (auto done = control_->listen(control_path()); !done) throw ErrorException(done.error());
    }

    std::string control_path() const {
        const auto& options = plane_.options;
        return options.control.empty() ? options.directory + "/control.sock" : options.control;
    }

    // The daemon is let go first, so that no route comes after the successor has read them.
    Flow<> hand_over() {
        succeeding_ = true;
        control_->unlisten();
        while (writer_.busy() && !plane_.loop.stopping())
            co_await Sleep(plane_.loop, Millis{20});
        auto successor = start_successor(plane_.options, listeners_.sockets());
        bool serves = false, overdue = false;
        if (successor) {
            auto deadline = plane_.loop.now_us() + std::chrono::microseconds(kSuccession).count();
            char word = 0;
            ssize_t got = -1;
            while (got < 0 && plane_.loop.now_us() < deadline && !plane_.loop.stopping()) {
                co_await Sleep(plane_.loop, Millis{20});
                got = ::read(successor->ready.get(), &word, 1);
            }
            serves = got == 1;
            overdue = got < 0;
        }
        if (plane_.loop.stopping()) co_return;
        succeeding_ = false;
        if (!serves) {
            stay(successor, overdue);
            co_return;
        }
        log::info("another proxy took over; this one answers what it has begun",
                  {{"pid", std::to_string(successor->pid)}});
        sys::notify_successor(successor->pid);
        plane_.leaving = true;
        listeners_.clear();
        leave_within(plane_.options.stop_timeout, plane_.options.stop_timeout).start();
    }

    void stay(const Result<Successor>& successor, bool overdue) {
        log::error("no other proxy took over; this one serves on",
                   {{"error", successor ? "it did not start to serve; see its log above"
                                        : successor.error().message}});
        // One that has ended may have left its number to somebody else.
        if (successor && overdue) ::kill(successor->pid, SIGKILL);
        if (auto done = control_->listen(control_path()); !done)
            log::error("the daemon can't reach the proxy", {{"error", done.error().message}});
    }

    void leave(Millis timeout) {
        if (plane_.leaving) {
            plane_.loop.stop();  // asked twice: at once
            return;
        }
        plane_.leaving = true;
        sys::notify_stopping();
        listeners_.clear();
        leave_within(timeout, kIdleGrace).start();
    }

    Flow<> leave_within(Millis timeout, Millis idle_grace) {
        auto begun = plane_.loop.now_us();
        auto spent = [this, begun] { return Millis{(plane_.loop.now_us() - begun) / 1000}; };
        while ((!plane_.sessions.empty() && spent() < timeout) || writer_.busy()) {
            if (spent() >= idle_grace)
                while (!plane_.idle.empty())
                    plane_.idle.front()->end_if_idle();
            co_await Sleep(plane_.loop, Millis{20});
            if (plane_.loop.stopping()) co_return;
        }
        plane_.loop.stop();
    }

    // Flows hold what they use: all must end before it goes.
    void end_everything() {
        listeners_.clear();
        control_->close();
        while (!plane_.sessions.empty()) {
            auto count = plane_.sessions.size();
            plane_.sessions.front()->cancel();
            if (plane_.sessions.size() == count) plane_.loop.expire_all();
        }
        plane_.loop.expire_all();
    }

    Plane plane_;
    Listeners listeners_;
    RoutesWriter writer_;
    Signals signals_;
    std::unique_ptr<ControlServer> control_;
    std::string warning_;
    bool succeeding_ = false;
    bool for_good_ = false;  // asked to end by the op `stop`
};

}  // namespace

int run(const ProxyOptions& options) {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        Proxy proxy(options);
        return proxy.run();
    } catch (const ErrorException& failure) {
        log::error("the proxy can't start", {{"error", failure.error().message}});
        return 1;
    }
}

}  // namespace belay::proxy
