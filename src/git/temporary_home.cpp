#include "temporary_home.hpp"

#include "connection.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::git {
namespace {

// Plain arrays, as a signal handler reads them.
std::array<char, 64> home_path{};
std::array<char, 96> ssh_path{};
std::array<char, 128> file_path{};

}  // namespace

TemporaryHome::TemporaryHome(const std::vector<std::string>& lines) {
    ::setenv("HOME", "/nonexistent", 1);
    if (lines.empty()) return;
    std::array<char, 64> name{"/tmp/belay-git-XXXXXX"};
    if (::mkdtemp(name.data()) == nullptr) return;
    std::snprintf(ssh_path.data(), ssh_path.size(), "%s/.ssh", name.data());
    std::snprintf(file_path.data(), file_path.size(), "%s/.ssh/known_hosts", name.data());
    home_path = name;
    ::mkdir(ssh_path.data(), 0700);
    std::ofstream file(file_path.data());
    for (const auto& line : lines)
        file << line << '\n';
    ::setenv("HOME", home_path.data(), 1);
}

TemporaryHome::~TemporaryHome() {
    remove_temporary_home();
}

void remove_temporary_home() {
    if (home_path[0] == '\0') return;
    ::unlink(file_path.data());
    ::rmdir(ssh_path.data());
    ::rmdir(home_path.data());
    home_path[0] = '\0';
}

}  // namespace belay::git
