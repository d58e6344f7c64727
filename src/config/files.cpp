#include "config/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <pwd.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace belay::config {
namespace {

constexpr std::size_t kFileMax = 1u << 20;
constexpr mode_t kOthersMask = S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;

class Descriptor {
  public:
    explicit Descriptor(const std::string& path)
        : value_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)) {}
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return value_; }

  private:
    int value_;
};

std::string user_name(uid_t uid) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    return found == nullptr ? std::to_string(uid) : found->pw_name;
}

Error without_colon(int error_number, const std::string& what) {
    auto error = errno_error(error_number, "");
    error.message = what + error.message;
    return error;
}

Result<std::string> read_open(const Descriptor& file) {
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return without_colon(errno, "can't be read");
    if (S_ISDIR(status.st_mode)) return Error{Errc::invalid, "is a directory"};
    if (!S_ISREG(status.st_mode)) return Error{Errc::invalid, "is no regular file"};
    std::string content;
    std::array<char, 65'536> block{};
    while (true) {
        auto count = ::read(file.get(), block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return without_colon(errno, "can't be read");
        if (count == 0) return content;
        content.append(block.data(), static_cast<std::size_t>(count));
        if (content.size() > kFileMax)
            return Error{Errc::limit, "is larger than 1 MiB: is this the right file?"};
    }
}

// "'/a b'" where a shell would take it apart.
std::string shell_word(const std::string& path) {
    bool plain = std::all_of(path.begin(), path.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("/._-+@:").find(c) != std::string_view::npos;
    });
    if (plain) return path;
    std::string quoted = "'";
    for (char c : path)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

Error open_failure(int error_number, const std::string& path, const Surroundings& surroundings) {
    auto error = errno_error(error_number, "");
    auto word = shell_word(path);
    if (error_number == ENOENT)
        error.message = fmt::format(
            "{} does not exist; `install -m 600 -o {} /dev/null {}` makes an empty one to write it "
            "into",
            path, surroundings.user, word);
    else if (error_number == EACCES && exists(path))
        error.message = fmt::format("{0} can't be read by {1}: `chown {1} {2} && chmod 600 {2}`",
                                    path, surroundings.user, word);
    else if (error_number == EACCES)
        error.message = fmt::format(
            "{} can't be reached by {}: a directory above it is closed (chmod o+x, or chown)", path,
            surroundings.user);
    else
        error.message = path + " can't be read" + error.message;
    return error;
}

}  // namespace

Result<std::string> read_text_file(const std::string& path) {
    Descriptor file(path);
    if (file.get() < 0) {
        auto number = errno;
        if (number == ENOENT) return Error{Errc::not_found, "does not exist"};
        return without_colon(number, "can't be read");
    }
    return read_open(file);
}

Result<std::string> read_secret_file(const std::string& path, const Surroundings& surroundings) {
    Descriptor file(path);
    if (file.get() < 0) return open_failure(errno, path, surroundings);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return without_colon(errno, path + " can't be read");
    auto word = shell_word(path);
    if (status.st_uid != 0 && status.st_uid != surroundings.uid)
        return Error{
            Errc::forbidden,
            fmt::format("{0} belongs to {1}, who could read and change it: `chown {2} {3}`", path,
                        user_name(status.st_uid), surroundings.user, word)};
    if (S_ISREG(status.st_mode) && (status.st_mode & kOthersMask) != 0)
        return Error{Errc::forbidden,
                     fmt::format("{} is open to others (mode {:04o}): `chmod 600 {}`", path,
                                 status.st_mode & 07777, word)};
    auto content = read_open(file);
    if (!content) return prefixed(path, content.error());
    if (content->ends_with('\n')) content->pop_back();
    if (content->ends_with('\r')) content->pop_back();
    return content;
}

std::optional<std::string> open_to_others(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0 || (status.st_mode & kOthersMask) == 0)
        return std::nullopt;
    return fmt::format("{:04o}", status.st_mode & 07777);
}

bool exists(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0;
}

std::optional<uid_t> owner_of(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    return status.st_uid;
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    std::error_code failure;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator at(path, failure), end; !failure && at != end;
         at.increment(failure))
        names.push_back(at->path().filename().string());
    if (failure) return without_colon(failure.value(), "can't be read");
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace belay::config
