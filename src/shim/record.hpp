// Fixed-size, checksummed records, each written by one pwrite, so that a reader sees all of one or
// none.
#pragma once

#include "text.hpp"

namespace belay::shim {

// FNV-1a, 64 bits.
std::uint64_t checksum(const char* data, std::size_t length);

// Seals `text` with its sum, pads it to `size` and writes it at the head of `fd`; nothing where fd
// is -1.
void write_record(int fd, Text& text, std::size_t size);

}  // namespace belay::shim
