#include "text.hpp"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace belay::shim {

Text& Text::add(const char* text) {
    return add(text, std::strlen(text));
}

Text& Text::add(const char* text, std::size_t length) {
    auto room = size_ - length_;
    if (length > room) {
        cut_ = true;
        length = room;
    }
    std::memcpy(buffer_ + length_, text, length);
    length_ += length;
    return *this;
}

Text& Text::add(std::uint64_t number) {
    char digits[20];
    std::size_t at = sizeof digits;
    do {
        digits[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return add(digits + at, sizeof digits - at);
}

Text& Text::add_hex(std::uint64_t number) {
    char digits[16];
    for (std::size_t at = sizeof digits; at-- > 0; number >>= 4)
        digits[at] = "0123456789abcdef"[number & 15];
    return add(digits, sizeof digits);
}

const char* Text::c_str() {
    auto end = length_ < size_ ? length_ : size_ - 1;
    buffer_[end] = '\0';
    return buffer_;
}

bool parse_number(const char* text, std::uint64_t& number, unsigned base) {
    number = 0;
    if (*text == '\0') return false;
    for (; *text != '\0'; ++text) {
        if (*text < '0' || *text >= static_cast<char>('0' + base)) return false;
        auto digit = static_cast<std::uint64_t>(*text - '0');
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    return true;
}

bool write_all(int fd, const char* data, std::size_t length) {
    while (length > 0) {
        auto written = write(fd, data, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        data += written;
        length -= static_cast<std::size_t>(written);
    }
    return true;
}

long read_small(const char* path, char* buffer, std::size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    std::size_t length = 0;
    while (length < size - 1) {
        auto got = read(fd, buffer + length, size - 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        length += static_cast<std::size_t>(got);
    }
    close(fd);
    buffer[length] = '\0';
    return static_cast<long>(length);
}

int signal_number(const char* name) {
    std::uint64_t number = 0;
    if (parse_number(name, number))
        return number >= 1 && number <= 64 ? static_cast<int>(number) : 0;
    if (std::strncmp(name, "SIG", 3) == 0) name += 3;
    static const struct {
        char name[8];
        int number;
    } kSignals[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},   {"ABRT", SIGABRT},
                    {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},   {"ALRM", SIGALRM},
                    {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"STOP", SIGSTOP},   {"TSTP", SIGTSTP},
                    {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"WINCH", SIGWINCH}, {"PWR", SIGPWR}};
    for (const auto& entry : kSignals)
        if (equal(entry.name, name)) return entry.number;
    return 0;
}

static std::uint64_t clock_ms(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000000;
}

std::uint64_t wall_ms() {
    return clock_ms(CLOCK_REALTIME);
}
std::uint64_t steady_ms() {
    return clock_ms(CLOCK_MONOTONIC);
}

}  // namespace belay::shim
