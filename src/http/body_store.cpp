#include "body_store.hpp"

#include <belay/async/offload.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace belay::http {
namespace {

// A larger one leaves the budget to the many small ones, from its first byte on if it says so.
constexpr std::size_t kInMemoryMost = std::size_t{256} * 1024;
constexpr std::size_t kFirstReserve = 16 * 1024;
// So many times what has come is reserved for what was announced: most are moved once at most.
constexpr std::size_t kAhead = 8;
constexpr std::size_t kBatch = 128 * 1024;

Result<int> open_unlinked(const std::string& directory) {
    int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    // Not every file system can do it.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return errno_error(errno, "making a file for a hook's body in " + directory);
    auto name = directory + "/hook-body-XXXXXX";
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) return errno_error(errno, "making a file for a hook's body in " + directory);
    ::unlink(name.c_str());
    return fd;
}

struct WriteAll {
    int fd;
    Pile bytes;

    Result<void> operator()() const {
        auto rest = bytes.view();
        while (!rest.empty()) {
            auto count = ::write(fd, rest.data(), rest.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return errno_error(errno, "keeping a hook's body");
            rest.remove_prefix(static_cast<std::size_t>(count));
        }
        return {};
    }
};

struct OpenUnlinked {
    std::string directory;
    Result<int> operator()() const { return open_unlinked(directory); }
};

}  // namespace

void Pile::reserve(std::size_t bytes) {
    if (bytes <= capacity_) return;
    auto larger = std::make_unique_for_overwrite<char[]>(bytes);
    std::copy_n(place_.get(), size_, larger.get());
    place_ = std::move(larger);
    capacity_ = bytes;
}

void Pile::append(std::string_view bytes) {
    if (bytes.empty()) return;
    if (bytes.size() > capacity_ - size_) reserve(std::max(size_ + bytes.size(), 2 * capacity_));
    if (bytes.data() != room().data()) std::copy_n(bytes.data(), bytes.size(), room().data());
    size_ += bytes.size();
}

BodyStore::~BodyStore() {
    give_back();
    if (mapping_) ::munmap(mapping_, size_);
    if (fd_ >= 0) ::close(fd_);
}

bool BodyStore::fits() {
    if (size_ <= reserved_) return true;
    if (std::max<std::uint64_t>(size_, announced_.value_or(0)) > kInMemoryMost) return false;
    // A head can announce anything: what has come says how much of it is believed.
    std::uint64_t want = announced_ ? std::min<std::uint64_t>(kAhead * size_, *announced_)
                                    : std::max(2 * reserved_, kFirstReserve);
    want = std::max<std::uint64_t>(size_, std::min<std::uint64_t>(want, kInMemoryMost));
    if (!budget_.take(want - reserved_)) {
        want = size_;
        if (!budget_.take(want - reserved_)) return false;
    }
    reserved_ = want;
    memory_.reserve(want);
    return true;
}

std::size_t BodyStore::convenient() const {
    bool has_room = spooled() ? reserved_ > 0 : budget_.left() >= kBatch;
    return has_room ? kBatch / 2 : kBatch / 16;
}

Task<Result<void>> BodyStore::append(std::string_view bytes) {
    size_ += bytes.size();
    const bool spills = !spooled() && !fits();
    memory_.append(bytes);  // before anything is waited for: the bytes are only lent
    if (spills) co_return co_await spill();
    if (!spooled() || memory_.size() < reserved_) co_return Result<void>();
    co_return co_await finish();
}

Task<Result<void>> BodyStore::finish() {
    if (!spooled() || memory_.size() == 0) co_return Result<void>();
    co_return co_await write(std::exchange(memory_, Pile()));
}

Task<Result<void>> BodyStore::spill() {
    OpenUnlinked open(spool_);
    auto opened = co_await async::offload(pool_, std::move(open));
    if (!opened) co_return opened.error();
    fd_ = *opened;
    auto written = co_await finish();
    give_back();
    // Few large writes where there is room to collect them.
    if (budget_.take(kBatch)) reserved_ = kBatch;
    co_return written;
}

void BodyStore::give_back() {
    budget_.give_back(std::exchange(reserved_, 0));
}

Task<Result<void>> BodyStore::write(Pile bytes) {
    WriteAll all(fd_, std::move(bytes));
    co_return co_await async::offload(pool_, std::move(all));
}

Result<std::string_view> BodyStore::view() {
    if (!spooled()) return memory_.view();
    if (size_ == 0) return std::string_view();
    if (!mapping_) {
        auto* place = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_, 0);
        if (place == MAP_FAILED) return errno_error(errno, "reading a hook's body");
        mapping_ = place;
    }
    return std::string_view(static_cast<const char*>(mapping_), size_);
}

}  // namespace belay::http
