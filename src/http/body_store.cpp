#include "body_store.hpp"

#include <belay/async/offload.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace belay::http {
namespace {

// A larger one leaves the budget to the many small ones.
constexpr std::size_t kInMemoryMost = std::size_t{1} << 20;
constexpr std::size_t kFirstReserve = 16 * 1024;

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
    std::string bytes;

    Result<void> operator()() const {
        std::string_view rest = bytes;
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

BodyStore::~BodyStore() {
    budget_.give_back(reserved_);
    if (mapping_) ::munmap(mapping_, size_);
    if (fd_ >= 0) ::close(fd_);
}

bool BodyStore::fits(std::size_t more) {
    auto need = size_ + more;
    if (need <= reserved_) return true;
    if (need > kInMemoryMost) return false;
    auto want = std::max({need, 2 * reserved_, kFirstReserve});
    if (!budget_.take(want - reserved_)) return false;
    reserved_ = want;
    memory_.reserve(want);
    return true;
}

Task<Result<void>> BodyStore::append(std::string_view bytes) {
    if (!spooled() && fits(bytes.size())) {
        memory_.append(bytes);
        size_ += bytes.size();
        co_return Result<void>();
    }
    if (!spooled()) {
        auto spilled = co_await spill();
        if (!spilled) co_return spilled.error();
    }
    size_ += bytes.size();
    co_return co_await write(std::string(bytes));
}

Task<Result<void>> BodyStore::spill() {
    OpenUnlinked open(spool_);
    auto opened = co_await async::offload(pool_, std::move(open));
    if (!opened) co_return opened.error();
    fd_ = *opened;
    auto written = co_await write(std::move(memory_));
    memory_ = std::string();
    budget_.give_back(reserved_);
    reserved_ = 0;
    co_return written;
}

Task<Result<void>> BodyStore::write(std::string bytes) {
    WriteAll all(fd_, std::move(bytes));
    co_return co_await async::offload(pool_, std::move(all));
}

Result<std::string_view> BodyStore::view() {
    if (!spooled()) return std::string_view(memory_);
    if (size_ == 0) return std::string_view();
    if (!mapping_) {
        auto* place = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_, 0);
        if (place == MAP_FAILED) return errno_error(errno, "reading a hook's body");
        mapping_ = place;
    }
    return std::string_view(static_cast<const char*>(mapping_), size_);
}

}  // namespace belay::http
