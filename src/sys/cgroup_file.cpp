#include "cgroup_file.hpp"

#include <belay/sys/files.hpp>

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>

namespace belay::sys {

namespace {

std::uint64_t number_at(std::string_view text, std::size_t at) {
    std::uint64_t value = 0;
    std::from_chars(text.data() + at, text.data() + text.size(), value);
    return value;
}

}  // namespace

Result<void> write_control(const std::string& file, std::string_view value) {
    UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), value.data(), value.size()) < 0)
        return errno_error(errno, "writing " + file);
    return {};
}

std::uint64_t read_number(const std::string& file) {
    auto content = read_file(file);
    return content ? number_at(*content, 0) : 0;
}

std::uint64_t read_keyed(const std::string& file, std::string_view key) {
    auto content = read_file(file);
    if (!content) return 0;
    auto line = "\n" + *content;
    auto at = line.find("\n" + std::string(key) + " ");
    return at == line.npos ? 0 : number_at(line, at + key.size() + 2);
}

std::vector<pid_t> read_processes(const std::string& directory) {
    std::vector<pid_t> all;
    auto content = read_file(directory + "/cgroup.procs");
    if (!content) return all;
    for (std::size_t at = 0; at < content->size(); at = content->find('\n', at) + 1) {
        all.push_back(static_cast<pid_t>(number_at(*content, at)));
        if (content->find('\n', at) == content->npos) break;
    }
    return all;
}

}  // namespace belay::sys
