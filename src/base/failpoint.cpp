#include <belay/base/failpoint.hpp>

#ifdef BELAY_FAILPOINTS
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace belay {
namespace {

struct Aim {
    std::string name;
    int passing = 1;
};

Aim read_aim() {
    Aim aim;
    const char* text = std::getenv("BELAY_FAILPOINT");
    if (!text) return aim;
    aim.name = text;
    if (auto colon = aim.name.rfind(':'); colon != std::string::npos) {
        std::from_chars(aim.name.data() + colon + 1, aim.name.data() + aim.name.size(),
                        aim.passing);
        aim.name.resize(colon);
    }
    return aim;
}

void note(std::string_view name) {
    static const char* path = std::getenv("BELAY_FAILPOINT_LOG");
    if (!path) return;
    int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    std::string line(name);
    line += '\n';
    [[maybe_unused]] auto written = ::write(fd, line.data(), line.size());
    ::close(fd);
}

}  // namespace

void failpoint(std::string_view name) {
    static const Aim aim = read_aim();
    static int passed = 0;
    note(name);
    if (aim.name.empty() || (aim.name != "*" && aim.name != name)) return;
    if (++passed == aim.passing) ::kill(::getpid(), SIGKILL);
}

}  // namespace belay
#endif
