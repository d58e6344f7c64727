// Where a hook's body lies until it is read: in memory within a common budget, else in an unlinked
// file.
#pragma once

#include <belay/async/task.hpp>
#include <belay/base/error.hpp>

#include <boost/asio/thread_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace belay::http {

// Loop thread only.
class MemoryBudget {
  public:
    explicit MemoryBudget(std::size_t bytes) : bytes_(bytes) {}
    bool take(std::size_t bytes) {
        if (bytes > bytes_ - used_) return false;
        used_ += bytes;
        return true;
    }
    void give_back(std::size_t bytes) { used_ -= bytes; }
    std::size_t used() const { return used_; }
    std::size_t left() const { return bytes_ - used_; }

  private:
    std::size_t bytes_;
    std::size_t used_ = 0;
};

// Bytes that are put behind each other, without zeros written first to where they will lie.
class Pile {
  public:
    void reserve(std::size_t bytes);
    // What begins where room() began is there already.
    void append(std::string_view bytes);
    std::span<char> room() { return {place_.get() + size_, capacity_ - size_}; }
    std::string_view view() const { return {place_.get(), size_}; }
    std::size_t size() const { return size_; }

  private:
    std::unique_ptr<char[]> place_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

// Files are written on the pool.
class BodyStore {
  public:
    // `announced`: its length by the head, when that says one.
    BodyStore(MemoryBudget& budget, boost::asio::thread_pool& pool, std::string spool,
              std::optional<std::uint64_t> announced)
        : budget_(budget), pool_(pool), spool_(std::move(spool)), announced_(announced) {}
    BodyStore(const BodyStore&) = delete;
    BodyStore& operator=(const BodyStore&) = delete;
    ~BodyStore();

    // Where the next bytes can be put, so that append() need not copy them; may be empty. Until the
    // next append().
    std::span<char> room() { return spooled() ? std::span<char>() : memory_.room(); }
    // Takes the bytes before it waits for anything.
    Task<Result<void>> append(std::string_view bytes);
    // After the last append, before view().
    Task<Result<void>> finish();
    std::size_t size() const { return size_; }
    // How much to bring at once: little where all memory is taken, as each piece is held until it
    // is written.
    std::size_t convenient() const;
    bool spooled() const { return fd_ >= 0; }
    // Of a spooled one a mapping: to be touched on the pool only, as it may have to be read from
    // the disk.
    Result<std::string_view> view();

  private:
    bool fits();
    Task<Result<void>> spill();
    Task<Result<void>> write(Pile bytes);
    void give_back();

    MemoryBudget& budget_;
    boost::asio::thread_pool& pool_;
    std::string spool_;
    std::optional<std::uint64_t> announced_;
    Pile memory_;  // of a spooled one what is not written yet
    std::size_t reserved_ = 0;
    std::size_t size_ = 0;
    int fd_ = -1;
    void* mapping_ = nullptr;
};

}  // namespace belay::http
