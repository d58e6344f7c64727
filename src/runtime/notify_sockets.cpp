#include <belay/base/log.hpp>
#include <belay/runtime/notify_sockets.hpp>
#include <belay/sys/files.hpp>

#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string_view>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace belay::runtime {
namespace {

using Datagrams = boost::asio::local::datagram_protocol;

// Between two messages of one run: who sends without end waits for us, not we for him.
constexpr std::chrono::milliseconds kPause{20};
// Beside the socket of a run that has spoken and is not ready, so that the next daemon knows.
constexpr std::string_view kMark = ".starting";

enum class Said { nothing, something, ready };

struct Socket : std::enable_shared_from_this<Socket> {
    Socket(const boost::asio::any_io_executor& executor, std::filesystem::path mark_file)
        : datagrams(executor), pause(executor), mark(std::move(mark_file)) {}

    void receive() {
        auto take = [self = shared_from_this()](boost::system::error_code failure,
                                                std::size_t size) {
            if (failure) return;  // closed
            self->hear({self->buffer.data(), size});
            self->pause.expires_after(kPause);
            self->pause.async_wait([self](boost::system::error_code canceled) {
                if (!canceled && self->datagrams.is_open()) self->receive();
            });
        };
        datagrams.async_receive(boost::asio::buffer(buffer), std::move(take));
    }

    void hear(std::string_view message) {
        if (said == Said::ready || message.empty()) return;
        bool ready = false;
        while (!message.empty()) {
            auto line = message.substr(0, message.find('\n'));
            message.remove_prefix(std::min(message.size(), line.size() + 1));
            ready = ready || line == "READY=1";
        }
        const auto before = std::exchange(said, ready ? Said::ready : Said::something);
        if (ready) {
            ::unlink(mark.c_str());
        } else if (before == Said::nothing) {
            auto marked = sys::write_file(mark, "", 0600, false);
            if (!marked)
                log::warning("what a process said is not known after a restart of this daemon",
                             {{"error", marked.error().message}});
        }
    }

    void close() {
        boost::system::error_code ignored;
        datagrams.close(ignored);
        pause.cancel();
    }

    Datagrams::socket datagrams;
    boost::asio::steady_timer pause;
    std::filesystem::path mark;
    std::array<char, 4096> buffer{};  // systemd takes no longer message either
    Said said = Said::nothing;
};

class Sockets final : public NotifySockets {
  public:
    Sockets(boost::asio::any_io_executor executor, std::filesystem::path directory)
        : executor_(std::move(executor)), directory_(std::move(directory)) {}
    ~Sockets() override {
        for (auto& [id, socket] : sockets_)
            socket->close();
    }

    Result<std::string> open(const std::string& run_id, const std::optional<User>& user) override {
        close(run_id);
        // Apps come by it, each to its own.
        if (auto made = sys::make_directories(directory_, 0711); !made) return made.error();
        auto socket = bind(run_id, user);
        if (!socket) return socket.error();
        return (directory_ / run_id).string();
    }

    bool starting(const std::string& run_id) const override {
        auto at = sockets_.find(run_id);
        return at != sockets_.end() && at->second->said == Said::something;
    }

    void close(const std::string& run_id) override {
        auto at = sockets_.find(run_id);
        if (at == sockets_.end()) return;
        at->second->close();
        sockets_.erase(at);
        ::unlink((directory_ / run_id).c_str());
        ::unlink(mark_of(run_id).c_str());
    }

    Result<void> take_over(const std::vector<std::string>& runs) override {
        std::vector<std::filesystem::path> found;
        std::error_code failure;
        for (std::filesystem::directory_iterator at(directory_, failure), end;
             !failure && at != end; at.increment(failure))
            found.push_back(at->path());
        if (failure == std::errc::no_such_file_or_directory) return {};
        if (failure) return errno_error(failure.value(), "reading " + directory_.string());
        for (const auto& path : found) {
            auto name = path.filename().string();
            const bool mark = name.ends_with(kMark);
            if (mark) name.resize(name.size() - kMark.size());
            if (std::find(runs.begin(), runs.end(), name) == runs.end())
                ::unlink(path.c_str());
            else if (!mark)
                take_over_one(name);
        }
        return {};
    }

  private:
    std::filesystem::path mark_of(const std::string& run_id) const {
        return directory_ / (run_id + std::string(kMark));
    }

    void take_over_one(const std::string& run_id) {
        struct stat status{};
        if (::lstat((directory_ / run_id).c_str(), &status) != 0 || !S_ISSOCK(status.st_mode))
            return;
        auto socket = bind(run_id, User{status.st_uid, status.st_gid, {}});
        if (!socket) {
            log::warning("what a process says is not heard any more",
                         {{"run", run_id}, {"error", socket.error().message}});
            return;
        }
        // Whether one without a mark was silent or ready is not known: it is not waited for.
        (*socket)->said = std::filesystem::exists(mark_of(run_id)) ? Said::something : Said::ready;
    }

    Result<std::shared_ptr<Socket>> bind(const std::string& run_id,
                                         const std::optional<User>& user) {
        const auto path = directory_ / run_id;
        if (path.native().size() >= sizeof(sockaddr_un::sun_path))
            return Error{Errc::limit, fmt::format("{} is too long for a socket", path.string())};
        ::unlink(path.c_str());
        auto socket = std::make_shared<Socket>(executor_, mark_of(run_id));
        boost::system::error_code failure;
        socket->datagrams.open(Datagrams(), failure);
        if (!failure) socket->datagrams.bind(Datagrams::endpoint(path.string()), failure);
        if (failure) return errno_error(failure.value(), "making the socket " + path.string());
        if (::chmod(path.c_str(), 0600) != 0 ||
            (user && ::geteuid() == 0 && ::lchown(path.c_str(), user->uid, user->gid) != 0)) {
            auto error = errno_error(errno, "letting the app at its socket " + path.string());
            ::unlink(path.c_str());
            return error;
        }
        socket->receive();
        sockets_[run_id] = socket;
        return socket;
    }

    boost::asio::any_io_executor executor_;
    std::filesystem::path directory_;
    std::map<std::string, std::shared_ptr<Socket>> sockets_;
};

}  // namespace

std::unique_ptr<NotifySockets> make_notify_sockets(boost::asio::any_io_executor executor,
                                                   std::filesystem::path directory) {
    return std::make_unique<Sockets>(std::move(executor), std::move(directory));
}

}  // namespace belay::runtime
