// What a tree holds, entry by entry, and the file that remembers it.
#pragma once

#include "digest.hpp"

#include <belay/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace belay::release {

enum class Kind : char {
    file = 'f',
    link = 'l',
    directory = 'd',
    scratch = 'w',  // a `writable` path: what lies below it is the app's, not the seal's
    other = 'o',    // a device, FIFO or socket
};

struct Entry {
    Kind kind = Kind::other;
    std::uint32_t mode = 0;  // permission bits, of files only
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;  // can't be set by whoever owns the file: equal means untouched
    std::uint64_t inode = 0;
    std::uint64_t links = 1;
    bool hashed = false;
    Digest digest{};   // of a file's content, of a link's target
    std::string path;  // relative to the tree; bytes, not text

    bool operator==(const Entry&) const = default;
};

// Sorted by path, so that a directory comes before what it holds.
using Listing = std::vector<Entry>;

// The entry of that path, or null.
const Entry* find(const Listing& listing, std::string_view path);

// Format: "belay-files 1\n", then for each entry "KIND MODE SIZE MTIME CTIME INODE DIGEST PATH\0"
// (mode octal, digest in hex or "-").
std::string encode(const Listing& listing);
Result<Listing> decode_listing(std::string_view text);

}  // namespace belay::release
