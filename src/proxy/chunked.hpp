// The chunked coding (RFC 9112 §7.1), followed while it passes through. Strict: CR LF only, bounded
// sizes and extensions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace belay::proxy {

// Works in place on bytes as they come. Trailers are dropped; nothing past the body's end is
// touched.
class ChunkScanner {
  public:
    struct Progress {
        std::size_t consumed = 0;  // of the input
        std::size_t kept = 0;      // to forward, moved to the front of the input
        bool done = false;
        bool bad = false;
    };

    // `strip`: keeps the data alone, without the coding (for HTTP/1.0 clients).
    explicit ChunkScanner(bool strip = false) : strip_(strip) {}

    Progress scan(char* bytes, std::size_t size);

  private:
    enum class State : std::uint8_t {
        size_first,
        size,
        extension,
        size_end,
        data,
        data_cr,
        data_lf,
        line,
        trailer,
        line_end,
        last_end,
        done
    };

    static constexpr std::size_t kLineMax = 4096;  // of extensions or trailers, per body part

    bool step(char c, bool& keep);
    bool end_size_line();

    State state_ = State::size_first;
    bool strip_;
    std::uint64_t left_ = 0;
    std::uint8_t digits_ = 0;
    std::size_t line_bytes_ = 0;
};

}  // namespace belay::proxy
