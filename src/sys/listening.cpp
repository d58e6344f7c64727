// Who listens: by sock_diag(7), which gives listeners alone, or by /proc/net/tcp where the kernel
// lacks it.
#include <belay/sys/files.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/sockets.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace belay::sys {

namespace {

std::string address_text(int family, const void* address, std::uint16_t port) {
    char text[INET6_ADDRSTRLEN] = "?";
    ::inet_ntop(family, address, text, sizeof text);
    return family == AF_INET6 ? fmt::format("[{}]:{}", text, port)
                              : fmt::format("{}:{}", text, port);
}

bool ask_diag(const UniqueFd& netlink, int family) {
    struct {
        nlmsghdr header;
        inet_diag_req_v2 query;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.query.sdiag_family = static_cast<__u8>(family);
    request.query.sdiag_protocol = IPPROTO_TCP;
    request.query.idiag_states = 1u << TCP_LISTEN;
    return ::send(netlink.get(), &request, sizeof request, 0) == sizeof request;
}

enum class Dump { more, done, failed };

Dump take_messages(const char* data, std::size_t length, std::vector<ListeningSocket>& found) {
    while (length >= sizeof(nlmsghdr)) {
        nlmsghdr header;
        std::memcpy(&header, data, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > length) return Dump::failed;
        if (header.nlmsg_type == NLMSG_DONE) return Dump::done;
        if (header.nlmsg_type == NLMSG_ERROR) return Dump::failed;
        inet_diag_msg entry;
        if (header.nlmsg_len < NLMSG_HDRLEN + sizeof entry) return Dump::failed;
        std::memcpy(&entry, data + NLMSG_HDRLEN, sizeof entry);
        auto port = ntohs(entry.id.idiag_sport);
        found.push_back(
            {address_text(entry.idiag_family, entry.id.idiag_src, port), port, entry.idiag_inode});
        auto step = std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), length);
        data += step;
        length -= step;
    }
    return Dump::more;
}

bool add_by_diag(int family, std::vector<ListeningSocket>& found) {
    UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink || !ask_diag(netlink, family)) return false;
    std::vector<char> buffer(32 << 10);
    for (;;) {
        auto got = ::recv(netlink.get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        auto dump = take_messages(buffer.data(), static_cast<std::size_t>(got), found);
        if (dump != Dump::more) return dump == Dump::done;
    }
}

// "0100007F:1F90": groups of four bytes, each in the machine's order.
bool add_line(const std::string& line, std::vector<ListeningSocket>& found) {
    std::istringstream fields(line);
    std::string slot, local, remote, state, skipped, inode;
    fields >> slot >> local >> remote >> state;
    if (state != "0A") return false;
    for (int at = 0; at < 5; ++at)
        fields >> skipped;
    fields >> inode;
    auto colon = local.find(':');
    if (colon != 8 && colon != 32) return false;
    std::uint32_t words[4] = {};
    for (std::size_t at = 0; at < colon / 8; ++at)
        std::from_chars(local.data() + at * 8, local.data() + at * 8 + 8, words[at], 16);
    ListeningSocket socket;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), socket.port, 16);
    std::from_chars(inode.data(), inode.data() + inode.size(), socket.inode);
    socket.address = address_text(colon == 8 ? AF_INET : AF_INET6, words, socket.port);
    found.push_back(std::move(socket));
    return true;
}

Result<void> add_by_proc(const char* file, std::vector<ListeningSocket>& found) {
    auto text = read_file(file);
    if (!text) return text.error().code == Errc::not_found ? Result<void>{} : text.error();
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);)
        add_line(line, found);
    return {};
}

// 0 where it is no socket. The errno of a link that is closed to us.
std::uint64_t inode_of_link(const std::filesystem::path& link, int& error) {
    char target[64];
    auto length = ::readlink(link.c_str(), target, sizeof target);
    error = length < 0 ? errno : 0;
    std::string_view text(target, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    constexpr std::string_view kPrefix = "socket:[";
    std::uint64_t inode = 0;
    if (text.starts_with(kPrefix))
        std::from_chars(text.data() + kPrefix.size(), text.data() + text.size(), inode);
    return inode;
}

bool is_closed(int error) {
    return error == EACCES || error == EPERM;
}

}  // namespace

Result<std::vector<ListeningSocket>> listening_sockets() {
    std::vector<ListeningSocket> found;
    if (add_by_diag(AF_INET, found) && add_by_diag(AF_INET6, found)) return found;
    found.clear();
    for (const char* file : {"/proc/self/net/tcp", "/proc/self/net/tcp6"})
        if (auto added = add_by_proc(file, found); !added) return added.error();
    return found;
}

Result<std::vector<std::uint64_t>> socket_inodes(pid_t pid) {
    std::vector<std::uint64_t> inodes;
    std::error_code failure;
    std::filesystem::directory_iterator at(fmt::format("/proc/{}/fd", pid), failure);
    for (; !failure && at != std::filesystem::directory_iterator(); at.increment(failure)) {
        int error = 0;
        if (auto inode = inode_of_link(at->path(), error)) inodes.push_back(inode);
        // CAP_DAC_OVERRIDE lists them, but only CAP_SYS_PTRACE reads them.
        if (is_closed(error)) failure.assign(error, std::generic_category());
        if (failure) break;
    }
    // ESRCH: it ended meanwhile.
    if (failure && failure.value() != ENOENT && failure.value() != ESRCH)
        return errno_error(failure.value(), fmt::format("looking into process {}", pid));
    return inodes;
}

std::string holder_of(std::uint64_t inode) {
    std::error_code failure;
    std::filesystem::directory_iterator at("/proc", failure);
    for (; !failure && at != std::filesystem::directory_iterator(); at.increment(failure)) {
        auto name = at->path().filename().string();
        pid_t pid = 0;
        std::from_chars(name.data(), name.data() + name.size(), pid);
        if (pid <= 0) continue;
        auto inodes = socket_inodes(pid);
        if (inodes && std::find(inodes->begin(), inodes->end(), inode) != inodes->end())
            return fmt::format("{} (pid {})", process_name(pid), pid);
    }
    return {};
}

}  // namespace belay::sys
