// A stage's log: as much of the output as its cap allows, the head as it comes, the tail at the
// end.
#pragma once

#include <belay/base/error.hpp>
#include <belay/sys/unique_fd.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace belay::stage {

// What a record keeps of a log.
inline constexpr std::size_t kTailBytes = 16 << 10;
inline constexpr int kTailLines = 50;

class LogFile {
  public:
    // Appends to what is there; 0640. The cap counts what is written by this object, its marker
    // line apart.
    static Result<LogFile> open(const std::string& path, std::uint64_t cap);

    // Errc::disk_full and others, once: from then on nothing is written.
    Result<void> write(std::string_view bytes);
    // Writes "... N bytes left out ..." where that is so, and the tail.
    Result<void> finish();

    // After finish(): how many bytes this object added, and the last lines of them as valid UTF-8
    // without NUL.
    std::int64_t bytes() const { return bytes_; }
    std::string tail() const;

  private:
    LogFile(sys::UniqueFd file, std::string path, std::uint64_t begin, std::uint64_t cap);
    Result<void> put(std::string_view bytes);
    void keep(std::string_view bytes);

    sys::UniqueFd file_;
    std::string path_;
    std::uint64_t begin_;
    std::uint64_t head_left_;
    std::int64_t bytes_ = 0;
    bool broken_ = false;

    // The last bytes beyond the head; its memory is only touched as far as it is filled.
    std::unique_ptr<char[]> ring_;
    std::uint64_t ring_size_;
    std::uint64_t beyond_ = 0;  // how many bytes came after the head
};

// The last lines of a text, at most so many bytes, made valid UTF-8.
std::string last_lines(std::string_view text, int lines, std::size_t bytes);

}  // namespace belay::stage
