#include <belay/sys/files.hpp>
#include <belay/sys/identity.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <map>
#include <poll.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace belay::sys {

namespace {

struct Stat {
    char state = 0;
    pid_t parent = 0;
    std::uint64_t start = 0;
};

template <class Number>
Number to_number(std::string_view text) {
    Number number{};
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// The name in field 2 may hold anything, so fields are counted from its last parenthesis.
Result<Stat> read_stat(pid_t pid) {
    auto text = read_file(fmt::format("/proc/{}/stat", pid), 64 << 10);
    if (!text) return Error{Errc::not_found, fmt::format("there is no process {}", pid)};
    Stat stat;
    std::string_view rest = *text;
    rest.remove_prefix(std::min(rest.size(), rest.rfind(')') + 1));
    for (int field = 3; field <= 22 && !rest.empty(); ++field) {
        rest.remove_prefix(1);
        auto value = rest.substr(0, rest.find(' '));
        rest.remove_prefix(value.size());
        if (field == 3 && !value.empty()) stat.state = value.front();
        if (field == 4) stat.parent = to_number<pid_t>(value);
        if (field == 22) stat.start = to_number<std::uint64_t>(value);
    }
    if (stat.start == 0 && pid != 1)
        return Error{Errc::internal, fmt::format("/proc/{}/stat can't be read", pid)};
    return stat;
}

bool is_dead(const Stat& stat) {
    return stat.state == 'Z' || stat.state == 'X';
}

int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

std::vector<pid_t> numbers_in(const std::string& directory) {
    std::vector<pid_t> numbers;
    std::error_code failure;
    for (std::filesystem::directory_iterator at(directory, failure), end; !failure && at != end;
         at.increment(failure)) {
        auto name = at->path().filename().string();
        if (auto number = to_number<pid_t>(name); number > 0) numbers.push_back(number);
    }
    return numbers;
}

// False where the kernel was built without CONFIG_PROC_CHILDREN.
bool add_listed_children(pid_t process, std::vector<pid_t>& found) {
    bool supported = false;
    for (auto task : numbers_in(fmt::format("/proc/{}/task", process))) {
        auto text = read_file(fmt::format("/proc/{}/task/{}/children", process, task));
        if (!text) continue;
        supported = true;
        for (std::string_view rest = *text; !rest.empty();) {
            auto word = rest.substr(0, rest.find(' '));
            if (auto pid = to_number<pid_t>(word); pid > 0) found.push_back(pid);
            rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        }
    }
    return supported;
}

std::multimap<pid_t, pid_t> everybodys_children() {
    std::multimap<pid_t, pid_t> children;
    for (auto pid : numbers_in("/proc"))
        if (auto stat = read_stat(pid)) children.emplace(stat->parent, pid);
    return children;
}

void add_searched_children(pid_t process, std::vector<pid_t>& found) {
    auto children = everybodys_children();
    auto [from, to] = children.equal_range(process);
    for (; from != to; ++from)
        found.push_back(from->second);
}

}  // namespace

const std::string& boot_id() {
    static const std::string id = [] {
        auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
        if (!text) throw ErrorException(text.error());
        return text->substr(0, text->find('\n'));
    }();
    return id;
}

Result<std::uint64_t> start_time(pid_t pid) {
    auto stat = read_stat(pid);
    if (!stat) return stat.error();
    if (is_dead(*stat)) return Error{Errc::not_found, fmt::format("process {} has ended", pid)};
    return stat->start;
}

Result<ProcessIdentity> identify(pid_t pid) {
    auto start = start_time(pid);
    if (!start) return start.error();
    return ProcessIdentity{boot_id(), pid, *start};
}

Result<UniqueFd> open_process(const ProcessIdentity& identity) {
    Error gone{Errc::not_found, fmt::format("process {} has ended", identity.pid)};
    if (identity.pid <= 0 || identity.boot != boot_id()) return gone;
    UniqueFd fd(open_pidfd(identity.pid));
    if (!fd && (errno == ESRCH || errno == EINVAL)) return gone;
    if (!fd) return errno_error(errno, fmt::format("holding process {}", identity.pid));
    auto start = start_time(identity.pid);
    if (!start || *start != identity.start || has_ended(fd)) return gone;
    return fd;
}

Result<void> send_signal(const UniqueFd& pidfd, int number) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) == 0) return {};
    if (errno == ESRCH) return Error{Errc::not_found, "the process has ended"};
    return errno_error(errno, "sending a signal");
}

bool has_ended(const UniqueFd& pidfd) {
    pollfd polled{pidfd.get(), POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1;
}

std::vector<pid_t> descendants(pid_t root) {
    std::vector<pid_t> found;
    bool listed = add_listed_children(root, found);
    if (!listed) add_searched_children(root, found);
    // Grows while it is walked. A pid reused meanwhile could make a circle.
    constexpr std::size_t kMost = 1 << 16;
    for (std::size_t at = 0; at < found.size() && found.size() < kMost; ++at) {
        auto pid = found[at];
        if (listed)
            add_listed_children(pid, found);
        else
            add_searched_children(pid, found);
    }
    return found;
}

std::string process_name(pid_t pid) {
    auto text = read_file(fmt::format("/proc/{}/comm", pid), 64);
    return text ? text->substr(0, text->find('\n')) : std::string();
}

std::string random_token() {
    unsigned char bytes[16];
    // Up to 256 bytes come whole, never interrupted, once the source is seeded [getrandom(2)].
    if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        throw ErrorException(errno_error(errno, "asking for random bytes"));
    std::string token;
    for (auto byte : bytes)
        token += fmt::format("{:02x}", byte);
    return token;
}

}  // namespace belay::sys
