#include <belay/sys/shim.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace belay::sys {

Result<std::string> find_shim() {
    namespace fs = std::filesystem;
    std::vector<fs::path> places;
    if (const char* named = std::getenv("BELAY_SHIM"); named != nullptr && *named != '\0') {
        places.emplace_back(named);
    } else {
        std::error_code failure;
        auto here = fs::read_symlink("/proc/self/exe", failure).parent_path();
        places.push_back(here / "belay-shim");
        places.push_back(here / "../libexec/belay/belay-shim");
        // A build tree: build/PRESET/src/app/belay, and build/PRESET/tests/KIND/MODULE/program.
        for (auto above = here; above.has_relative_path(); above = above.parent_path())
            places.push_back(above / "src/shim/belay-shim");
    }
    for (const auto& place : places)
        if (::access(place.c_str(), X_OK) == 0) return place.lexically_normal().string();
    std::string looked;
    for (const auto& place : places)
        looked += (looked.empty() ? "" : ", ") + place.lexically_normal().string();
    return Error{Errc::not_found, "belay-shim is missing; looked for " + looked +
                                      " (BELAY_SHIM names another place)"};
}

Result<void> kill_all_of_uid(const std::string& shim_path, uid_t uid, uid_t first, uid_t last) {
    std::string arguments[] = {"belay-shim", "kill-uid", std::to_string(uid), std::to_string(first),
                               std::to_string(last)};
    char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                    arguments[3].data(), arguments[4].data(), nullptr};
    char* env[] = {nullptr};
    // Its complaint comes back as the exit code; its standard error is not ours to write into.
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    pid_t pid = 0;
    int error = ::posix_spawn(&pid, shim_path.c_str(), &actions, nullptr, argv, env);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return errno_error(error, "starting " + shim_path);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    if (WIFEXITED(status) && WEXITSTATUS(status) == 64)
        return Error{
            Errc::invalid,
            fmt::format(
                "processes of uid {} are not ours to kill: it is 0, our own, or outside {}-{}", uid,
                first, last)};
    return Error{
        Errc::forbidden,
        fmt::format("processes of uid {} can't be killed: we can't become that user", uid)};
}

}  // namespace belay::sys
