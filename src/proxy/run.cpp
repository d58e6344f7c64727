#include "control_server.hpp"
#include "listeners.hpp"
#include "plane.hpp"
#include "routes_file.hpp"
#include "session.hpp"

#include <belay/base/log.hpp>
#include <belay/proxy/run.hpp>

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

// SIGTERM and SIGINT as readiness. They stay blocked: a second one must not spoil an end in good
// order.
class Signals final : Watcher {
  public:
    Signals(Loop& loop, std::function<void()> on_signal)
        : loop_(loop), on_signal_(std::move(on_signal)) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
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
            on_signal_();
    }

    Loop& loop_;
    Fd fd_;
    std::function<void()> on_signal_;
};

// The whole process.
class Proxy {
  public:
    explicit Proxy(ProxyOptions options)
        : plane_(std::move(options)),
          listeners_(plane_),
          writer_(plane_.loop, plane_.options.directory),
          signals_(plane_.loop, [this] { leave(plane_.options.stop_timeout); }) {}

    void run() {
        load();
        open_control();
        listeners_.adopt_from_environment();
        log::info("the proxy serves", {{"listeners", std::to_string(listeners_.addresses().size())},
                                       {"apps", std::to_string(plane_.routing.serving().size())}});
        plane_.loop.run();
        end_everything();
    }

  private:
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
        ControlServer::Parts parts{plane_, listeners_, writer_, self,
                                   [this](Millis timeout) { leave(timeout); }};
        control_ = std::make_unique<ControlServer>(std::move(parts));
        auto path = plane_.options.control;
        if (path.empty()) path = plane_.options.directory + "/control.sock";
        if (auto done = control_->listen(path); !done) throw ErrorException(done.error());
    }

    void leave(Millis timeout) {
        if (plane_.leaving) {
            plane_.loop.stop();  // asked twice: at once
            return;
        }
        plane_.leaving = true;
        listeners_.clear();
        leave_within(timeout).start();
    }

    Flow<> leave_within(Millis timeout) {
        auto begun = plane_.loop.now_us();
        auto spent = [this, begun] { return Millis{(plane_.loop.now_us() - begun) / 1000}; };
        while ((!plane_.sessions.empty() && spent() < timeout) || writer_.busy()) {
            if (spent() >= kIdleGrace)
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
};

}  // namespace

int run(const ProxyOptions& options) {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        Proxy proxy(options);
        proxy.run();
    } catch (const ErrorException& failure) {
        log::error("the proxy can't start", {{"error", failure.error().message}});
        return 1;
    }
    return 0;
}

}  // namespace belay::proxy
