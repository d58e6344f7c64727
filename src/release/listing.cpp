#include "listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

namespace belay::release {
namespace {

constexpr std::string_view kHeader = "belay-files 1\n";

std::string_view next_word(std::string_view& rest) {
    auto end = std::min(rest.find(' '), rest.size());
    auto word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return word;
}

template <class Number>
bool read_number(std::string_view& rest, Number& value, int base = 10) {
    auto word = next_word(rest);
    auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), value, base);
    return failure == std::errc() && end == word.data() + word.size();
}

bool is_kind(char letter) {
    return std::string_view("fldwo").find(letter) != std::string_view::npos;
}

std::optional<Entry> read_entry(std::string_view line) {
    Entry entry;
    auto kind = next_word(line);
    if (kind.size() != 1 || !is_kind(kind[0])) return std::nullopt;
    entry.kind = static_cast<Kind>(kind[0]);
    if (!read_number(line, entry.mode, 8) || !read_number(line, entry.size) ||
        !read_number(line, entry.mtime_ns) || !read_number(line, entry.ctime_ns) ||
        !read_number(line, entry.inode))
        return std::nullopt;
    if (auto digest = next_word(line); digest != "-") {
        auto value = parse_hex(digest);
        if (!value) return std::nullopt;
        entry.digest = *value;
        entry.hashed = true;
    }
    if (line.empty()) return std::nullopt;
    entry.path = line;
    return entry;
}

}  // namespace

const Entry* find(const Listing& listing, std::string_view path) {
    auto at = std::lower_bound(
        listing.begin(), listing.end(), path,
        [](const Entry& entry, std::string_view sought) { return entry.path < sought; });
    return at != listing.end() && at->path == path ? &*at : nullptr;
}

std::string encode(const Listing& listing) {
    std::string text(kHeader);
    text.reserve(listing.size() * 160);
    for (const auto& entry : listing) {
        fmt::format_to(std::back_inserter(text), "{} {:o} {} {} {} {} ",
                       static_cast<char>(entry.kind), entry.mode, entry.size, entry.mtime_ns,
                       entry.ctime_ns, entry.inode);
        text += entry.hashed ? to_hex(entry.digest) : "-";
        text += ' ';
        text += entry.path;
        text += '\0';
    }
    return text;
}

Result<Listing> decode_listing(std::string_view text) {
    if (!text.starts_with(kHeader)) return Error{Errc::invalid, "not a file list of this version"};
    text.remove_prefix(kHeader.size());
    Listing listing;
    while (!text.empty()) {
        auto end = text.find('\0');
        auto entry = end == text.npos ? std::nullopt : read_entry(text.substr(0, end));
        if (!entry)
            return Error{Errc::invalid, fmt::format("entry {} is damaged", listing.size() + 1)};
        listing.push_back(std::move(*entry));
        text.remove_prefix(end + 1);
    }
    return listing;
}

}  // namespace belay::release
