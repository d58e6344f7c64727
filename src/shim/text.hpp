// Text in fixed buffers, as the shim has neither stdio nor a heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace belay::shim {

// Appends what fits; cut() tells that something didn't.
class Text {
  public:
    Text(char* buffer, std::size_t size) : buffer_(buffer), size_(size) {}
    Text(const Text&) = delete;
    Text& operator=(const Text&) = delete;

    Text& add(const char* text);
    Text& add(const char* text, std::size_t length);
    Text& add(std::uint64_t number);
    Text& add_hex(std::uint64_t number);  // 16 digits
    Text& clear() {
        length_ = 0;
        cut_ = false;
        return *this;
    }

    const char* data() const { return buffer_; }
    std::size_t length() const { return length_; }
    bool cut() const { return cut_; }
    // With a NUL behind it.
    const char* c_str();

  private:
    char* buffer_;
    std::size_t size_;
    std::size_t length_ = 0;
    bool cut_ = false;
};

template <std::size_t Size>
class Line : public Text {
  public:
    Line() : Text(storage_, Size) {}

  private:
    char storage_[Size];
};

inline bool equal(const char* left, const char* right) {
    return std::strcmp(left, right) == 0;
}

// Digits only, no overflow.
bool parse_number(const char* text, std::uint64_t& number, unsigned base = 10);

// All of it, over EINTR and short writes; false where it can't.
bool write_all(int fd, const char* data, std::size_t length);

// Up to size - 1 bytes of a (proc) file, with a NUL; -1 where it can't be opened.
long read_small(const char* path, char* buffer, std::size_t size);

// "TERM", "SIGTERM", "15" → 15; 0 where there is no such signal.
int signal_number(const char* name);

std::uint64_t wall_ms();
std::uint64_t steady_ms();

}  // namespace belay::shim
