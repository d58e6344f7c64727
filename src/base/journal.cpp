#include "journal.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace belay::log {
namespace {

// syslog(3)
int priority_of(Level level) {
    switch (level) {
        case Level::debug:
            return 7;
        case Level::info:
            return 6;
        case Level::warning:
            return 4;
        case Level::error:
            break;
    }
    return 3;
}

// NAME=VALUE and a line break; or, where the value has one itself, the name, a line break, the
// value's length in 64 bits little-endian, the value and a line break.
void append(std::string& entry, std::string_view name, std::string_view value) {
    entry += name;
    if (value.find('\n') == value.npos) {
        entry += '=';
    } else {
        entry += '\n';
        for (unsigned shift = 0; shift < 64; shift += 8)
            entry += static_cast<char>(std::uint64_t{value.size()} >> shift & 0xff);
    }
    entry += value;
    entry += '\n';
}

std::optional<std::string> name_of(std::string_view key) {
    std::string name = "BELAY_";
    for (char c : key) {
        const bool letter = c >= 'a' && c <= 'z';
        if (!letter && c != '_' && (c < '0' || c > '9')) return std::nullopt;
        name += letter ? static_cast<char>(c - 'a' + 'A') : c;
    }
    // The journal takes no longer ones.
    if (key.empty() || name.size() > 64) return std::nullopt;
    return name;
}

}  // namespace

bool leads_to_journal(int descriptor, const char* stream) {
    if (stream == nullptr) return false;
    const std::string_view text(stream);
    const auto colon = text.find(':');
    if (colon == text.npos) return false;
    std::uint64_t device = 0, inode = 0;
    const auto* end = text.data() + text.size();
    auto first = std::from_chars(text.data(), text.data() + colon, device);
    auto second = std::from_chars(text.data() + colon + 1, end, inode);
    struct stat status{};
    return first.ec == std::errc() && first.ptr == text.data() + colon &&
           second.ec == std::errc() && second.ptr == end && ::fstat(descriptor, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

std::string journal_entry(Level level, std::string_view line, Fields fields) {
    std::string entry;
    append(entry, "MESSAGE", line);
    append(entry, "PRIORITY", std::to_string(priority_of(level)));
    append(entry, "SYSLOG_IDENTIFIER", "belay");
    for (const auto& field : fields)
        if (auto name = name_of(field.key)) append(entry, *name, field.value);
    return entry;
}

std::optional<Journal> Journal::at(const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) return std::nullopt;
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return std::nullopt;
    return Journal(socket, path);
}

Journal::Journal(Journal&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), path_(std::move(other.path_)) {}

Journal::~Journal() {
    if (socket_ >= 0) ::close(socket_);
}

// Not connected, so that a journal that is there again is found again.
bool Journal::send(const std::string& entry) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    const auto sent = ::sendto(socket_, entry.data(), entry.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address), sizeof address);
    return sent == static_cast<ssize_t>(entry.size());
}

}  // namespace belay::log
