// Bytes on their way: blocks of one size, taken only while there is something to hold.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::proxy {

inline constexpr std::size_t kBlockSize = 16 * 1024;

// Keeps a few blocks, so that a busy loop does not ask the allocator, and an idle one holds little.
class BlockPool {
  public:
    using Block = std::unique_ptr<char[]>;

    Block take() {
        if (free_.empty()) return Block(new char[kBlockSize]);  // not value-initialised
        auto block = std::move(free_.back());
        free_.pop_back();
        return block;
    }
    void give(Block block) {
        if (free_.size() < kKept) free_.push_back(std::move(block));
    }

  private:
    static constexpr std::size_t kKept = 64;
    std::vector<Block> free_;
};

// A block with a part that is filled. Grows beyond a block only where asked (large heads).
class Buffer {
  public:
    explicit Buffer(BlockPool& pool) : pool_(&pool) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { drop(); }

    char* data() { return block_.get() + begin_; }
    std::size_t size() const { return end_ - begin_; }
    bool empty() const { return begin_ == end_; }
    std::string_view view() const { return {block_.get() + begin_, size()}; }

    // Where the next bytes go, at least one; call after reserve().
    char* space() { return block_.get() + end_; }
    std::size_t space_size() const { return capacity_ - end_; }
    void filled(std::size_t bytes) { end_ += bytes; }

    // Makes room at the end: by taking a block, or moving what is there to the front.
    void reserve() {
        if (!block_) {
            block_ = pool_->take();
            capacity_ = kBlockSize;
        } else if (begin_ > 0 && end_ == capacity_) {
            std::memmove(block_.get(), data(), size());
            end_ -= begin_;
            begin_ = 0;
        }
    }
    void grow(std::size_t capacity) {
        BlockPool::Block larger(new char[capacity]);
        auto bytes = size();
        if (bytes > 0) std::memcpy(larger.get(), data(), bytes);
        drop();
        block_ = std::move(larger);
        capacity_ = capacity;
        end_ = bytes;
    }
    void consume(std::size_t bytes) {
        begin_ += bytes;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    // Gives the block back; what is in it is gone.
    void drop() {
        if (block_ && capacity_ == kBlockSize) pool_->give(std::move(block_));
        block_.reset();
        begin_ = end_ = capacity_ = 0;
    }
    void drop_if_empty() {
        if (empty()) drop();
    }

  private:
    BlockPool* pool_;
    BlockPool::Block block_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace belay::proxy
