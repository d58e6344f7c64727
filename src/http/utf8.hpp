// Text that is cut only between code points.
#pragma once

#include <string>
#include <utility>

namespace belay::http {

class Utf8Pieces {
  public:
    // What is complete; the beginning of a code point at the end is kept for the next piece.
    std::string feed(std::string bytes) {
        bytes = std::exchange(kept_, std::string()) + bytes;
        auto keep = unfinished(bytes);
        kept_ = bytes.substr(bytes.size() - keep);
        bytes.resize(bytes.size() - keep);
        return bytes;
    }
    std::string flush() { return std::exchange(kept_, std::string()); }

  private:
    // RFC 3629: the first byte tells how many follow.
    static std::size_t unfinished(const std::string& bytes) {
        for (std::size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
            auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
            if ((byte & 0xc0u) == 0x80u) continue;
            std::size_t length = byte >= 0xf0u ? 4 : byte >= 0xe0u ? 3 : byte >= 0xc0u ? 2 : 1;
            return length > back ? back : 0;
        }
        return 0;
    }

    std::string kept_;
};

}  // namespace belay::http
