#include "log_file.hpp"

#include <belay/async/offload.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace belay::http {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

}  // namespace

// The descriptor. Used by one job on the pool at a time; jobs share it, so that it outlives whoever
// stops waiting.
class LogFile::Handle {
  public:
    explicit Handle(std::string path) : path_(std::move(path)) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        if (fd_ >= 0) ::close(fd_);
    }

    // False: there is no such file yet.
    Result<bool> open() {
        if (fd_ >= 0) return true;
        fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd_ >= 0) return true;
        if (errno == ENOENT) return false;
        return errno_error(errno, "reading the log " + path_);
    }

    // App logs lose their head to holes (spec/decisions.md 18): nothing is shown of those.
    std::int64_t skip_hole(std::int64_t at) const {
        auto data = ::lseek(fd_, at, SEEK_DATA);
        return data < 0 ? at : data;
    }

    Result<std::string> read(std::int64_t at, std::size_t most) const {
        std::string bytes(most, '\0');
        auto count = ::pread(fd_, bytes.data(), bytes.size(), at);
        if (count < 0) return errno_error(errno, "reading the log " + path_);
        bytes.resize(static_cast<std::size_t>(count));
        return bytes;
    }

    Result<struct stat> status() const {
        struct stat status{};
        if (::fstat(fd_, &status) != 0) return errno_error(errno, "reading the log " + path_);
        return status;
    }

  private:
    std::string path_;
    int fd_ = -1;
};

namespace {

struct Piece {
    std::int64_t at = 0;
    std::string bytes;
};

struct ReadPiece {
    std::shared_ptr<LogFile::Handle> handle;
    std::int64_t at;
    std::size_t most;

    Result<Piece> operator()() const {
        Piece piece{at, {}};
        auto there = handle->open();
        if (!there) return there.error();
        if (!*there) return piece;
        piece.at = handle->skip_hole(at);
        auto bytes = handle->read(piece.at, most);
        if (!bytes) return bytes.error();
        piece.bytes = std::move(*bytes);
        return piece;
    }
};

struct ReadExtent {
    std::shared_ptr<LogFile::Handle> handle;
    std::int64_t context;  // bytes before the end that are wanted

    struct Found {
        std::int64_t size = 0;
        TimePoint modified_at{};
        std::string tail;
    };
    Result<Found> operator()() const {
        Found found;
        auto there = handle->open();
        if (!there) return there.error();
        if (!*there) return found;
        auto status = handle->status();
        if (!status) return status.error();
        found.size = status->st_size;
        found.modified_at = TimePoint(Millis(std::int64_t{status->st_mtim.tv_sec} * 1000 +
                                             status->st_mtim.tv_nsec / 1'000'000));
        auto from = std::max<std::int64_t>(found.size - context, 0);
        if (found.size == from) return found;
        auto tail = handle->read(from, static_cast<std::size_t>(found.size - from));
        if (!tail) return tail.error();
        found.tail = std::move(*tail);
        return found;
    }
};

}  // namespace

LogFile::LogFile(boost::asio::thread_pool& pool, engine::LogSource source, std::int64_t from)
    : pool_(pool),
      source_(std::move(source)),
      masker_(source_.mask),
      handle_(std::make_shared<Handle>(source_.path)),
      at_(from) {}

LogFile::~LogFile() = default;

// A secret may have begun before the place where reading begins.
Task<Result<void>> LogFile::prime() {
    primed_ = true;
    auto before = std::min<std::int64_t>(at_, static_cast<std::int64_t>(masker_.longest()));
    if (before == 0) co_return Result<void>();
    ReadPiece job(handle_, at_ - before, static_cast<std::size_t>(before));
    auto piece = co_await async::offload(pool_, std::move(job));
    if (!piece) co_return piece.error();
    // Behind a hole, or at its edge, nothing reaches over.
    if (piece->at == at_ - before)
        masker_.prime(std::string_view(piece->bytes).substr(0, static_cast<std::size_t>(before)));
    co_return Result<void>();
}

Task<Result<std::string>> LogFile::read() {
    if (!primed_) {
        auto primed = co_await prime();
        if (!primed) co_return primed.error();
    }
    while (true) {
        auto most = kPiece;
        if (end_ >= 0)
            most = static_cast<std::size_t>(std::clamp<std::int64_t>(end_ - at_, 0, kPiece));
        if (most == 0) co_return std::string();
        ReadPiece job(handle_, at_, most);
        auto piece = co_await async::offload(pool_, std::move(job));
        if (!piece) co_return piece.error();
        if (piece->bytes.empty()) co_return std::string();
        auto gap = piece->at - at_;
        if (end_ >= 0 && piece->at >= end_) co_return std::string();
        auto shown = gap > 0 ? masker_.flush() : std::string();
        at_ = piece->at + static_cast<std::int64_t>(piece->bytes.size());
        shown += masker_.feed(piece->bytes);
        if (!shown.empty()) co_return shown;
    }
}

std::string LogFile::flush() {
    return masker_.flush();
}

Task<Result<Log::Extent>> LogFile::extent() {
    ReadExtent job(handle_, static_cast<std::int64_t>(masker_.longest()));
    auto found = co_await async::offload(pool_, std::move(job));
    if (!found) co_return found.error();
    Masker tail(source_.mask);
    tail.feed(found->tail);
    Extent extent;
    extent.size = found->size;
    extent.shown_to = found->size - static_cast<std::int64_t>(tail.held());
    extent.modified_at = found->modified_at;
    co_return extent;
}

}  // namespace belay::http
