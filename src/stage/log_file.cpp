#include "log_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::stage {
namespace {

// Length of the well-formed UTF-8 character at the front, NUL apart; 0: none.
std::size_t character_length(std::string_view text) {
    auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    auto first = byte(0);
    if (first < 0x80) return first == 0 ? 0 : 1;
    std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    auto second = byte(1);
    bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    bool outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    return overlong || outside ? 0 : length;
}

std::string valid_text(std::string_view bytes) {
    std::string text;
    while (!bytes.empty()) {
        auto length = character_length(bytes);
        if (length > 0)
            text += bytes.substr(0, length);
        else if (bytes.front() != '\0')
            text += '?';
        bytes.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return text;
}

}  // namespace

std::string last_lines(std::string_view text, int lines, std::size_t bytes) {
    bool cut = text.size() > bytes;
    if (cut) text.remove_prefix(text.size() - bytes);
    auto at = text.ends_with('\n') ? text.size() - 1 : text.size();
    for (int line = 0; line < lines && at != text.npos; ++line)
        at = at == 0 ? text.npos : text.rfind('\n', at - 1);
    if (at != text.npos) return valid_text(text.substr(at + 1));
    // Half a line at the front tells less than none, unless it is all there is.
    auto first = text.find('\n');
    if (cut && first != text.npos && first + 1 < text.size()) text.remove_prefix(first + 1);
    return valid_text(text);
}

LogFile::LogFile(sys::UniqueFd file, std::string path, std::uint64_t begin, std::uint64_t cap)
    : file_(std::move(file)),
      path_(std::move(path)),
      begin_(begin),
      head_left_(cap / 2),
      ring_size_(std::max<std::uint64_t>(cap - cap / 2, 1)) {}

Result<LogFile> LogFile::open(const std::string& path, std::uint64_t cap) {
    sys::UniqueFd file(::open(
        path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0640));
    if (!file) return errno_error(errno, "opening the log " + path);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return errno_error(errno, "opening the log " + path);
    if (S_ISREG(status.st_mode)) ::fchmod(file.get(), 0640);
    return LogFile(std::move(file), path, static_cast<std::uint64_t>(status.st_size), cap);
}

Result<void> LogFile::put(std::string_view bytes) {
    while (!bytes.empty() && !broken_) {
        auto written = ::write(file_.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            broken_ = true;
            return errno_error(errno, "writing the log " + path_);
        }
        bytes_ += written;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> LogFile::write(std::string_view bytes) {
    auto head = bytes.substr(0, std::min<std::uint64_t>(bytes.size(), head_left_));
    head_left_ -= head.size();
    bytes.remove_prefix(head.size());
    keep(bytes);
    return put(head);
}

void LogFile::keep(std::string_view bytes) {
    if (bytes.empty()) return;
    if (!ring_) ring_.reset(new char[ring_size_]);
    beyond_ += bytes.size();
    if (bytes.size() > ring_size_) bytes.remove_prefix(bytes.size() - ring_size_);
    auto at = (beyond_ - bytes.size()) % ring_size_;
    auto first = std::min<std::uint64_t>(bytes.size(), ring_size_ - at);
    std::memcpy(ring_.get() + at, bytes.data(), first);
    std::memcpy(ring_.get(), bytes.data() + first, bytes.size() - first);
}

Result<void> LogFile::finish() {
    if (beyond_ == 0) return {};
    auto kept = std::min(beyond_, ring_size_);
    if (beyond_ > kept)
        if (auto done = put(fmt::format("\n... {} bytes left out ...\n", beyond_ - kept)); !done)
            return done;
    auto at = (beyond_ - kept) % ring_size_;
    auto first = std::min(kept, ring_size_ - at);
    if (auto done = put({ring_.get() + at, first}); !done) return done;
    return put({ring_.get(), kept - first});
}

std::string LogFile::tail() const {
    auto size = static_cast<std::uint64_t>(bytes_);
    auto wanted = std::min<std::uint64_t>(size, kTailBytes + 1);
    std::string text(wanted, '\0');
    auto got =
        ::pread(file_.get(), text.data(), text.size(), static_cast<off_t>(begin_ + size - wanted));
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return last_lines(text, kTailLines, kTailBytes);
}

}  // namespace belay::stage
