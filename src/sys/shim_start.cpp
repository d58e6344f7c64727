#include "shim_start.hpp"

#include "shim/protocol.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/open_files.hpp>
#include <belay/sys/pipes.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace belay::sys {

namespace {

// Collects KEY, VALUE pairs ended by NULs.
class SpecText {
  public:
    SpecText() { field(shim::kSpecMagic); }

    void add(std::string_view key, std::string_view value) {
        if (value.find('\0') != std::string_view::npos) has_nul_ = true;
        field(key);
        field(value);
    }
    void add(std::string_view key, std::uint64_t value) { add(key, std::to_string(value)); }
    void add(std::string_view key, const std::optional<std::uint64_t>& value) {
        if (value) add(key, *value);
    }
    Result<std::string> finish() {
        field("end");
        if (has_nul_)
            return Error{Errc::invalid,
                         "a program, its environment or its directory holds a NUL byte"};
        if (text_.size() > shim::kMaxSpec)
            return Error{Errc::invalid,
                         fmt::format("arguments and environment are {} bytes, more than 1 MiB",
                                     text_.size())};
        return std::move(text_);
    }

  private:
    void field(std::string_view text) {
        text_ += text;
        text_ += '\0';
    }

    std::string text_;
    bool has_nul_ = false;
};

void add_user(SpecText& text, const User& user) {
    text.add("uid", std::uint64_t{user.uid});
    text.add("gid", std::uint64_t{user.gid});
    for (auto group : user.groups)
        text.add("group", std::uint64_t{group});
}

void add_program(SpecText& text, const Program& program) {
    for (const auto& argument : program.argv)
        text.add("arg", argument);
    for (const auto& [name, value] : program.env)
        text.add("env", name + "=" + value);
    text.add("cwd", program.cwd);
    if (program.user) add_user(text, *program.user);
    text.add("nofile", program.limits.open_files);
    // It sets the limit on itself: from outside that takes CAP_SYS_RESOURCE once it has another
    // user.
    if (auto before = open_files_before(); before && !program.limits.open_files)
        text.add("nofile-soft", std::uint64_t{before->rlim_cur});
    text.add("nproc", program.limits.processes);
    text.add("fsize", program.limits.file_size);
    text.add("as", program.limits.address_space);
    text.add("umask", fmt::format("{:o}", program.umask));
    for (const auto& directory : program.group.directories())
        text.add("cgroup", directory);
    text.add("stop-signal", static_cast<std::uint64_t>(program.stop.signal));
    text.add("stop-to", program.stop.to == StopTo::tree ? "tree" : "main");
    text.add("stop-timeout", static_cast<std::uint64_t>(program.stop.timeout.count()));
    text.add("first-backoff", static_cast<std::uint64_t>(program.first_backoff.count()));
    for (const auto& listener : program.listeners)
        text.add("listener", listener.name);
}

Result<UniqueFd> spec_file(const ShimStart& start) {
    SpecText text;
    text.add("mode", start.kept ? "kept" : "tied");
    if (!start.run_id.empty()) text.add("run", start.run_id);
    text.add("token", start.token);
    text.add("policy", start.policy == RestartPolicy::always ? "always" : "never");
    add_program(text, *start.program);
    auto content = text.finish();
    if (!content) return content.error();
    // Memory, as it holds secrets; of any size without a reader, unlike a pipe.
    UniqueFd fd(::memfd_create("belay-spec", MFD_CLOEXEC));
    if (!fd) return errno_error(errno, "making the specification");
    for (std::string_view rest = *content; !rest.empty();) {
        auto written = ::write(fd.get(), rest.data(), rest.size());
        if (written < 0 && errno != EINTR) return errno_error(errno, "writing the specification");
        if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
    }
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

constexpr int kAboveTargets = 64;

// The sources are lifted above all targets first, so that no dup2 overwrites a later one's source.
class FileActions {
  public:
    FileActions() { ::posix_spawn_file_actions_init(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

    Result<void> place(int from, int to) {
        UniqueFd lifted(::fcntl(from, F_DUPFD_CLOEXEC, kAboveTargets));
        if (!lifted) return errno_error(errno, fmt::format("passing descriptor {}", from));
        ::posix_spawn_file_actions_adddup2(&actions_, lifted.get(), to);
        lifted_.push_back(std::move(lifted));
        return {};
    }
    const posix_spawn_file_actions_t* finish() {
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, kAboveTargets);
        return &actions_;
    }

  private:
    posix_spawn_file_actions_t actions_;
    std::vector<UniqueFd> lifted_;
};

class SpawnAttributes {
  public:
    SpawnAttributes() {
        ::posix_spawnattr_init(&attributes_);
        sigset_t all, none;
        ::sigfillset(&all);
        ::sigemptyset(&none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;
    ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
    const posix_spawnattr_t* get() const { return &attributes_; }

  private:
    posix_spawnattr_t attributes_;
};

Result<StartedShim> spawn(const ShimStart& start, FileActions& actions) {
    SpawnAttributes attributes;
    std::string name = "belay-shim", verb = "run", label = start.run_id;
    char* argv[] = {name.data(), verb.data(), label.empty() ? nullptr : label.data(), nullptr};
    char* env[] = {nullptr};
    StartedShim shim;
    int error = ::posix_spawn(&shim.pid, start.shim_path.c_str(), actions.finish(),
                              attributes.get(), argv, env);
    if (error != 0) return errno_error(error, "starting " + start.shim_path);
    shim.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, shim.pid, 0)));
    if (shim.pidfd) return shim;
    // It waits for "go" on a socket that closes now, so it ends by itself.
    error = errno;
    return errno_error(error, "holding the shim's process");
}

Result<void> place_all(const ShimStart& start, FileActions& actions) {
    for (auto [from, to] : start.fds)
        if (auto placed = actions.place(from, to); !placed) return placed;
    int target = shim::kFirstListenerFd;
    for (const auto& listener : start.program->listeners)
        if (auto placed = actions.place(listener.fd, target++); !placed) return placed;
    return {};
}

}  // namespace

Result<StartedShim> start_shim(const ShimStart& start) {
    if (start.program->argv.empty()) return Error{Errc::invalid, "no program is named"};
    if (start.program->listeners.size() > shim::kMaxListeners)
        return Error{Errc::limit, fmt::format("more than {} listeners", shim::kMaxListeners)};
    auto spec = spec_file(start);
    if (!spec) return spec.error();
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return errno_error(errno, "making the shim's control socket");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    FileActions actions;
    if (auto placed = place_all(start, actions); !placed) return placed.error();
    if (auto placed = actions.place(spec->get(), shim::kSpecFd); !placed) return placed.error();
    if (auto placed = actions.place(theirs.get(), shim::kControlFd); !placed) return placed.error();
    auto shim = spawn(start, actions);
    if (shim) shim->control = std::move(ours);
    return shim;
}

Error start_failure(const Program& program, std::string_view step, int error_number) {
    const auto& name = program.argv.front();
    if (step == "cwd")
        return prefixed("directory " + program.cwd, {Errc::invalid, ::strerror(error_number)});
    if (step == "exec" && error_number == ENOENT)
        return {Errc::invalid,
                fmt::format("no such program: {} (in the PATH and the directory given)", name)};
    if (step == "exec" && error_number == ENOEXEC)
        return {Errc::invalid, name + " is neither a program nor a script with a first line #!"};
    if (step == "exec")
        return {Errc::invalid,
                fmt::format("{} can't be executed: {}", name, ::strerror(error_number))};
    return errno_error(error_number, fmt::format("{} can't be started ({})", name, step));
}

}  // namespace belay::sys
