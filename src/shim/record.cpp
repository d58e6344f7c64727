#include "record.hpp"

#include <cerrno>
#include <unistd.h>

namespace belay::shim {

std::uint64_t checksum(const char* data, std::size_t length) {
    std::uint64_t sum = 14695981039346656037u;
    for (std::size_t at = 0; at < length; ++at) {
        sum ^= static_cast<unsigned char>(data[at]);
        sum *= 1099511628211u;
    }
    return sum;
}

void write_record(int fd, Text& text, std::size_t size) {
    if (fd < 0) return;
    auto sum = checksum(text.data(), text.length());
    text.add("sum ").add_hex(sum).add("\n");
    while (text.length() < size)
        text.add("\n");
    while (pwrite(fd, text.data(), size, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace belay::shim
