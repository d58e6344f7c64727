#include "control.hpp"

#include "protocol.hpp"
#include "spec.hpp"
#include "supervisor.hpp"
#include "tree.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace belay::shim {

namespace {

struct Connection {
    int fd = -1;
    bool subscribed = false;
    unsigned length = 0;
    char input[kMaxLine + 1];
    unsigned passed_count = 0;
    int passed[kMaxListeners];
};
Connection connections[kMaxConnections];
Line<384> greeting;

void drop_passed(Connection& connection) {
    for (unsigned at = 0; at < connection.passed_count; ++at)
        close(connection.passed[at]);
    connection.passed_count = 0;
}

void drop(Connection& connection) {
    drop_passed(connection);
    close(connection.fd);
    connection.fd = -1;
    connection.subscribed = false;
    connection.length = 0;
}

// A reader that lets its buffer fill up is not worth waiting for.
void send_line(Connection& connection, const char* data, std::size_t length) {
    if (connection.fd < 0) return;
    auto sent = send(connection.fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != static_cast<long>(length)) drop(connection);
}

void reply(Connection& connection, const char* text) {
    Line<kMaxLine> line;
    line.add(text).add("\n");
    send_line(connection, line.data(), line.length());
}

void accept_one(int socket) {
    int fd = accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    for (auto& connection : connections) {
        if (connection.fd >= 0) continue;
        connection.fd = fd;
        return;
    }
    close(fd);
}

// Splits off the next word of a line.
char* next_word(char*& rest) {
    while (*rest == ' ')
        ++rest;
    if (*rest == '\0') return nullptr;
    char* word = rest;
    rest = strchrnul(rest, ' ');
    if (*rest == ' ') *rest++ = '\0';
    return word;
}

void take_listeners(Connection& connection, char* rest, Supervisor& supervisor) {
    const char* names[kMaxListeners];
    unsigned count = 0;
    while (const char* name = next_word(rest)) {
        if (count == kMaxListeners || !listener_name_is_valid(name)) {
            reply(connection, "error such a listener has no valid name");
            return;
        }
        names[count++] = name;
    }
    if (count == 0 || count != connection.passed_count) {
        reply(connection, "error not as many descriptors as names");
        return;
    }
    unsigned taken = 0;
    while (taken < count && supervisor.add_listener(connection.passed[taken], names[taken]))
        ++taken;
    for (unsigned at = taken; at < count; ++at)
        close(connection.passed[at]);
    connection.passed_count = 0;
    if (taken < count) {
        reply(connection, "error too many listeners");
        return;
    }
    Line<32> line;
    line.add("ok ").add(std::uint64_t{count}).add("\n");
    send_line(connection, line.data(), line.length());
}

struct SocketWalk {
    Connection* connection;
    Line<kMaxLine - 32> inodes;
};

void flush_inodes(SocketWalk& walk, const char* word) {
    Line<kMaxLine> line;
    line.add(word).add(walk.inodes.data(), walk.inodes.length()).add("\n");
    send_line(*walk.connection, line.data(), line.length());
    walk.inodes.clear();
}

void add_inode(SocketWalk& walk, int directory, const char* name) {
    char target[64];
    auto length = readlinkat(directory, name, target, sizeof target - 1);
    if (length <= 0) return;
    target[length] = '\0';
    if (std::strncmp(target, "socket:[", 8) != 0) return;
    *strchrnul(target, ']') = '\0';
    std::uint64_t inode = 0;
    if (!parse_number(target + 8, inode)) return;
    walk.inodes.add(" ").add(inode);
    if (walk.inodes.length() > kMaxLine - 32 - 24) flush_inodes(walk, "more");
}

void add_sockets_of(pid_t pid, void* context) {
    auto& walk = *static_cast<SocketWalk*>(context);
    Line<64> path;
    path.add("/proc/").add(static_cast<std::uint64_t>(pid)).add("/fd");
    int directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    each_name(
        directory,
        [](int at, const char* name, void* into) {
            add_inode(*static_cast<SocketWalk*>(into), at, name);
        },
        &walk);
    close(directory);
}

void list_sockets(Connection& connection) {
    SocketWalk walk{&connection, {}};
    each_descendant(add_sockets_of, &walk);
    flush_inodes(walk, "ok");
}

void set_policy(Connection& connection, const char* word, Supervisor& supervisor) {
    bool always = word != nullptr && equal(word, "always");
    if (!always && (word == nullptr || !equal(word, "never"))) {
        reply(connection, "error the policy is never or always");
        return;
    }
    supervisor.set_policy(always);
    reply(connection, "ok");
}

void send_signal(Connection& connection, const char* word, Supervisor& supervisor) {
    int number = word == nullptr ? 0 : signal_number(word);
    if (number == 0)
        reply(connection, "error no such signal");
    else
        reply(connection, supervisor.signal_program(number) ? "ok" : "error not running");
}

void obey(Connection& connection, char* line, Supervisor& supervisor) {
    char* rest = line;
    const char* command = next_word(rest);
    if (command == nullptr) return;
    if (equal(command, "hello")) {
        connection.subscribed = true;
        send_line(connection, greeting.data(), greeting.length());
    } else if (equal(command, "status")) {
        Line<kMaxLine> text;
        supervisor.describe(text);
        send_line(connection, text.data(), text.length());
    } else if (equal(command, "policy")) {
        set_policy(connection, next_word(rest), supervisor);
    } else if (equal(command, "signal")) {
        send_signal(connection, next_word(rest), supervisor);
    } else if (equal(command, "stop")) {
        reply(connection, "ok");
        supervisor.stop();
    } else if (equal(command, "listeners")) {
        take_listeners(connection, rest, supervisor);
    } else if (equal(command, "sockets")) {
        list_sockets(connection);
    } else {
        reply(connection, "error unknown command");
    }
    drop_passed(connection);
}

void keep_passed(Connection& connection, msghdr& message) {
    for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t at = 0; at < count; ++at) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + at * sizeof(int), sizeof fd);
            // Above all numbers that a program's own listeners get.
            int high =
                connection.passed_count < kMaxListeners ? fcntl(fd, F_DUPFD_CLOEXEC, 64) : -1;
            close(fd);
            if (high >= 0) connection.passed[connection.passed_count++] = high;
        }
    }
}

// False when the connection is done.
bool receive(Connection& connection) {
    iovec buffer{connection.input + connection.length, kMaxLine - connection.length};
    alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int) * kMaxListeners)];
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    message.msg_control = ancillary;
    message.msg_controllen = sizeof ancillary;
    auto got = recvmsg(connection.fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    keep_passed(connection, message);
    connection.length += static_cast<unsigned>(got);
    return got > 0;
}

void serve(Connection& connection, Supervisor& supervisor) {
    if (!receive(connection)) {
        drop(connection);
        return;
    }
    for (;;) {
        auto* end = static_cast<char*>(std::memchr(connection.input, '\n', connection.length));
        if (end == nullptr) break;
        *end = '\0';
        auto used = static_cast<unsigned>(end + 1 - connection.input);
        char line[kMaxLine + 1];
        std::memcpy(line, connection.input, used);
        connection.length -= used;
        std::memmove(connection.input, end + 1, connection.length);
        obey(connection, line, supervisor);
        if (connection.fd < 0) return;
    }
    if (connection.length < kMaxLine) return;
    reply(connection, "error line too long");
    if (connection.fd >= 0) drop(connection);
}

}  // namespace

unsigned poll_control(int socket, pollfd* polled) {
    unsigned count = 0;
    polled[count++] = {socket, POLLIN, 0};
    for (const auto& connection : connections)
        if (connection.fd >= 0) polled[count++] = {connection.fd, POLLIN, 0};
    return count;
}

void serve_control(int socket, const pollfd* polled, unsigned count, Supervisor& supervisor) {
    for (unsigned at = 1; at < count; ++at)
        for (auto& connection : connections)
            if (polled[at].revents != 0 && connection.fd == polled[at].fd)
                serve(connection, supervisor);
    if (count > 0 && polled[0].revents != 0) accept_one(socket);
}

void tell_all(const Text& line) {
    for (auto& connection : connections)
        if (connection.subscribed) send_line(connection, line.data(), line.length());
}

void set_greeting(const char* token, const char* run) {
    greeting.add("ok belay-shim 1 pid=").add(static_cast<std::uint64_t>(getpid()));
    greeting.add(" start=").add(start_time(getpid())).add(" token=").add(token);
    greeting.add(" run=").add(run).add("\n");
}

}  // namespace belay::shim
