#include <belay/sys/open_files.hpp>

#include <algorithm>

namespace belay::sys {
namespace {

constexpr rlim_t kEnough = 65'536;
std::optional<rlimit> before;

}  // namespace

void raise_open_files() {
    rlimit present{};
    if (::getrlimit(RLIMIT_NOFILE, &present) != 0) return;
    auto wanted = std::min(kEnough, present.rlim_max);
    if (wanted <= present.rlim_cur) return;
    const rlimit raised{wanted, present.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) before = present;
}

std::optional<rlimit> open_files_before() {
    return before;
}

}  // namespace belay::sys
