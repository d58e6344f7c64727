// The shim as a daemon of any version sees it: raw bytes in, raw lines out.
#include "support/eventually.hpp"
#include "support/process_sweep.hpp"
#include "support/temp_directory.hpp"
#include "sys/record.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/sockets.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace belay {
namespace {

using sys::UniqueFd;
using test::eventually;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string spec_of(const Pairs& pairs) {
    auto text = std::string("belay-spec 1") + '\0';
    for (const auto& [key, value] : pairs)
        text += key + '\0' + value + '\0';
    return text + "end" + '\0';
}

Pairs basic(const char* mode, const std::vector<std::string>& argv) {
    Pairs pairs = {
        {"mode", mode}, {"run", "r1"}, {"token", "secret-token"}, {"env", "PATH=/usr/bin:/bin"}};
    for (const auto& argument : argv)
        pairs.emplace_back("arg", argument);
    return pairs;
}

// Lines of a stream, each waited for.
class Lines {
  public:
    explicit Lines(UniqueFd fd) : fd_(std::move(fd)) {}

    std::string next() {
        for (;;) {
            if (auto at = input_.find('\n'); at != std::string::npos) {
                auto line = input_.substr(0, at);
                input_.erase(0, at + 1);
                return line;
            }
            pollfd polled{fd_.get(), POLLIN, 0};
            if (::poll(&polled, 1, 10'000) != 1) return "(nothing)";
            char buffer[4096];
            auto got = ::read(fd_.get(), buffer, sizeof buffer);
            if (got <= 0) return "(end)";
            input_.append(buffer, static_cast<std::size_t>(got));
        }
    }
    void say(const std::string& line) {
        auto text = line + "\n";
        // The shim may be gone, which the next line tells.
        static_cast<void>(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0);
    }
    void close() { fd_.reset(); }
    int fd() const { return fd_.get(); }

  private:
    UniqueFd fd_;
    std::string input_;
};

struct ShimTest : ::testing::Test {
    test::ProcessSweep sweep;
    test::TempDirectory directory;
    pid_t pid = 0;

    // `more` maps descriptors of ours to numbers of its.
    Lines start(const std::string& spec, const std::vector<std::pair<int, int>>& more = {}) {
        UniqueFd memory(::memfd_create("spec", 0));
        EXPECT_EQ(::write(memory.get(), spec.data(), spec.size()),
                  static_cast<ssize_t>(spec.size()));
        ::lseek(memory.get(), 0, SEEK_SET);
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        UniqueFd ours(ends[0]), theirs(ends[1]);
        pid = ::fork();
        if (pid == 0) {
            int high_spec = ::fcntl(memory.get(), F_DUPFD, 100),
                high_control = ::fcntl(theirs.get(), F_DUPFD, 100);
            std::vector<std::pair<int, int>> placed;
            for (auto [from, to] : more)
                placed.emplace_back(::fcntl(from, F_DUPFD, 100), to);
            for (auto [from, to] : placed)
                ::dup2(from, to);
            ::dup2(high_spec, 3);
            ::dup2(high_control, 4);
            ::close_range(100, ~0u, 0);
            ::execl(BELAY_SHIM_PATH, "belay-shim", "run", "r1", nullptr);
            std::_Exit(126);
        }
        ::fcntl(ours.get(), F_SETFD, FD_CLOEXEC);
        return Lines(std::move(ours));
    }
    int exit_code() {
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    UniqueFd file(const char* name) {
        return std::move(*sys::open_file(directory / name, O_RDWR | O_CREAT));
    }

    // A kept one with its files in the directory.
    Lines start_kept(Pairs pairs) {
        auto identity = file("identity"), exit = file("exit"), policy = file("policy"),
             log = file("log");
        auto socket = std::move(*sys::listen_unix(directory.path() / "s"));
        return start(spec_of(pairs), {{log.get(), 1},
                                      {log.get(), 2},
                                      {identity.get(), 5},
                                      {exit.get(), 6},
                                      {policy.get(), 7},
                                      {socket.get(), 8}});
    }
    Lines connect() {
        auto fd = sys::connect_unix(directory.path() / "s");
        if (!fd) throw std::runtime_error(fd.error().message);
        return Lines(std::move(*fd));
    }
    void expect_refused(const std::string& spec, const std::string& why) {
        auto control = start(spec);
        EXPECT_THAT(control.next(), StartsWith("refused " + why));
        EXPECT_EQ(exit_code(), 64);
    }
    long resident_kib(pid_t who) {
        auto status = *sys::read_file("/proc/" + std::to_string(who) + "/status");
        return std::stol(status.substr(status.find("VmRSS:") + 6));
    }
};

TEST_F(ShimTest, RefusesWhatIsNotASpecification) {
    auto good = spec_of(basic("tied", {"true"}));
    expect_refused("", "not a specification");
    expect_refused("belay-spec 2" + good.substr(12), "not a specification");
    expect_refused(std::string(5000, '\0'), "not a specification");
    expect_refused(good.substr(0, good.size() - 1), "specification is cut off");
    expect_refused(good.substr(0, good.size() - 5), "specification is cut off");
    expect_refused(good + "more", "specification goes on");
    expect_refused(spec_of({{"mode", "tied"}, {"token", "x"}}), "specification names no program");
    expect_refused(spec_of({{"mode", "tied"}, {"arg", "true"}}), "specification has no token");
    auto long_one = basic("tied", {"true"});
    long_one.emplace_back("env", "A=" + std::string(2 << 20, 'x'));
    expect_refused(spec_of(long_one), "specification is longer than 1 MiB");
}

TEST_F(ShimTest, RefusesValuesThatMakeNoSense) {
    for (const auto& [key, value] : Pairs{{"mode", "free"},
                                          {"policy", "maybe"},
                                          {"uid", "-1"},
                                          {"uid", "4294967295"},
                                          {"gid", "x"},
                                          {"umask", "999"},
                                          {"cwd", "relative"},
                                          {"stop-signal", "NOPE"},
                                          {"stop-to", "all"},
                                          {"nofile", "99999999999999999999999"},
                                          {"env", "=x"},
                                          {"env", "noequals"},
                                          {"listener", "a:b"},
                                          {"listener", ""},
                                          {"unheard-of", "1"}}) {
        auto pairs = basic("tied", {"true"});
        pairs.emplace_back(key, value);
        expect_refused(spec_of(pairs), key);
    }
    auto half = basic("tied", {"true"});
    half.emplace_back("uid", "52000");
    expect_refused(spec_of(half), "specification has only one of uid and gid");
}

TEST_F(ShimTest, ReportsWhoItIsAndRunsNothingWithoutGo) {
    auto control = start(spec_of(basic("tied", {"touch", directory / "ran"})));
    auto start_time = std::to_string(*sys::start_time(pid));
    EXPECT_EQ(control.next(), "identity 1 " + sys::boot_id() + " " + std::to_string(pid) + " " +
                                  start_time + " secret-token");
    control.close();
    EXPECT_EQ(exit_code(), 1);
    EXPECT_FALSE(std::filesystem::exists(directory / "ran"));
}

TEST_F(ShimTest, IsItsOwnSessionAndOutOfReachOfHangups) {
    auto control = start(spec_of(basic("tied", {"sleep", "100"})));
    control.next();
    control.say("go");
    EXPECT_THAT(control.next(), StartsWith("started "));
    EXPECT_EQ(::getsid(pid), pid);
    auto tree = sys::descendants(pid);
    ASSERT_EQ(tree.size(), 1u);
    EXPECT_EQ(::getsid(tree[0]), tree[0]) << "kill 0 of the program must not reach the shim";
    ::kill(pid, SIGHUP);
    ::kill(pid, SIGPIPE);
    control.say("kill");
    EXPECT_THAT(control.next(), StartsWith("exited 0 9 "));
    EXPECT_EQ(exit_code(), 0);
}

TEST_F(ShimTest, StaysBelowOneMebibyte) {
    auto pairs = basic("kept", {"sleep", "100"});
    for (int at = 0; at < 50; ++at)
        pairs.emplace_back("env", "VARIABLE_" + std::to_string(at) + "=" + std::string(60, 'x'));
    auto control = start_kept(pairs);
    control.next();
    control.say("go");
    EXPECT_THAT(control.next(), StartsWith("started "));
    auto talk = connect();
    talk.say("hello");
    talk.say("sockets");
    talk.say("policy always");
    talk.say("status");
    while (talk.next().find("state=running") == std::string::npos) {
    }
    EXPECT_LT(resident_kib(pid), 1024);
    talk.say("stop");
    EXPECT_EQ(exit_code(), 0);
}

TEST_F(ShimTest, CannotBeLookedInto) {
    auto pairs = basic("tied", {"sleep", "100"});
    bool root = ::geteuid() == 0;
    if (root) pairs.insert(pairs.end(), {{"uid", "52919"}, {"gid", "52919"}});
    auto control = start(spec_of(pairs));
    EXPECT_THAT(control.next(), StartsWith("identity "));
    // What is not dumpable has its files in /proc belong to root, so that its own user can't open
    // them.
    struct stat found{};
    ::stat(("/proc/" + std::to_string(pid) + "/fd").c_str(), &found);
    EXPECT_EQ(found.st_uid, 0u);
    if (!root) {
        EXPECT_EQ(sys::socket_inodes(pid).error().code, Errc::forbidden);
    }
    control.close();
    EXPECT_EQ(exit_code(), 1);
}

TEST_F(ShimTest, SpeaksItsFrozenProtocol) {
    auto control = start_kept(basic("kept", {"sleep", "100"}));
    control.next();
    auto early = connect();
    early.say("status");
    EXPECT_THAT(early.next(), StartsWith("ok state=waiting pid=0 "));
    control.say("go");
    auto started = control.next();
    EXPECT_THAT(started, StartsWith("started "));
    EXPECT_EQ(control.next(), "(end)") << "a kept one lets go of its daemon";

    auto talk = connect(), other = connect();
    other.say("hello");
    EXPECT_EQ(other.next(), "ok belay-shim 1 pid=" + std::to_string(pid) +
                                " start=" + std::to_string(*sys::start_time(pid)) +
                                " token=secret-token run=r1");
    talk.say("stats");
    EXPECT_EQ(talk.next(), "error unknown command");
    talk.say("policy sometimes");
    EXPECT_EQ(talk.next(), "error the policy is never or always");
    talk.say("signal NOPE");
    EXPECT_EQ(talk.next(), "error no such signal");
    talk.say("listeners web");
    EXPECT_EQ(talk.next(), "error not as many descriptors as names");
    talk.say("policy always");
    EXPECT_EQ(talk.next(), "ok");
    EXPECT_EQ(other.next(), "policy always");
    talk.say("\n  \nsignal SIGCONT");
    EXPECT_EQ(talk.next(), "ok");
    talk.say("sockets");
    EXPECT_EQ(talk.next(), "ok");
    talk.say("policy never\nsignal KILL");
    EXPECT_EQ(talk.next(), "ok");
    EXPECT_EQ(other.next(), "policy never");
    EXPECT_EQ(talk.next(), "ok");
    EXPECT_THAT(other.next(), StartsWith("exited 0 9 "));
    EXPECT_EQ(other.next(), "ended");
    EXPECT_EQ(other.next(), "(end)");
    EXPECT_EQ(talk.next(), "(end)") << "no events without hello";
    EXPECT_EQ(exit_code(), 0);
}

TEST_F(ShimTest, EndlessLinesAndTooManyConnectionsHarmNobody) {
    auto control = start_kept(basic("kept", {"sleep", "100"}));
    control.next();
    control.say("go");
    control.next();
    auto rude = connect();
    rude.say(std::string(5000, 'x'));
    EXPECT_EQ(rude.next(), "error line too long");
    std::vector<Lines> crowd;
    for (int at = 0; at < 20; ++at)
        crowd.push_back(connect());
    EXPECT_EQ(crowd.back().next(), "(end)");
    crowd.clear();
    // One that never reads is dropped when its buffer is full, and the others are served.
    auto deaf = connect();
    deaf.say("hello");
    auto talk = connect();
    for (int at = 0; at < 5000; ++at) {
        talk.say("policy always");
        ASSERT_EQ(talk.next(), "ok");
    }
    talk.say("stop");
    EXPECT_EQ(talk.next(), "ok");
    EXPECT_EQ(exit_code(), 0);
}

TEST_F(ShimTest, WritesItsRecordsInOnePieceEach) {
    auto control = start_kept(basic("kept", {"sh", "-c", "exit 7"}));
    control.next();
    control.say("go");
    control.next();
    EXPECT_EQ(exit_code(), 0);
    auto run = std::move(*sys::open_file(directory.path(), O_RDONLY | O_DIRECTORY));
    EXPECT_EQ(sys::read_file(directory / "identity")->size(), 512u);
    EXPECT_EQ(sys::read_file(directory / "exit")->size(), 256u);
    EXPECT_EQ(sys::read_file(directory / "policy")->size(), 128u);
    auto exit = sys::read_exit_record(run.get());
    ASSERT_TRUE(exit);
    EXPECT_TRUE(exit->final);
    EXPECT_EQ(exit->count, 1u);
    EXPECT_EQ(exit->exit.code, 7);
    auto identity = sys::read_identity_record(run.get());
    ASSERT_TRUE(identity);
    EXPECT_EQ(identity->shim.pid, pid);
    EXPECT_EQ(identity->program.pid, 0);
    EXPECT_EQ(identity->token, "secret-token");
    EXPECT_EQ(identity->run_id, "r1");
}

TEST_F(ShimTest, AFailedRestartBacksOffAndGoesOn) {
    auto program = directory / "program";
    ASSERT_TRUE(sys::write_file(program, "#!/bin/sh\nrm -f \"$0\"\nexit 1\n", 0755));
    auto pairs = basic("kept", {program});
    pairs.emplace_back("policy", "always");
    auto control = start_kept(pairs);
    control.next();
    auto talk = connect();
    talk.say("hello");
    talk.next();
    control.say("go");
    EXPECT_THAT(talk.next(), StartsWith("started "));
    EXPECT_THAT(talk.next(), StartsWith("exited 1 0 "));
    EXPECT_EQ(talk.next(), "backoff 1000");
    EXPECT_EQ(talk.next(), "failed exec 2");
    EXPECT_THAT(talk.next(), StartsWith("exited 127 0 "));
    EXPECT_EQ(talk.next(), "backoff 2000");
    talk.say("stop");
    EXPECT_EQ(talk.next(), "ok");
    EXPECT_EQ(talk.next(), "ended");
    EXPECT_EQ(exit_code(), 0);
}

TEST_F(ShimTest, AProgramThatServesForAWhileEachTimeIsNeverKeptWaitingLong) {
    auto pairs = basic("kept", {"/bin/sh", "-c", "sleep 0.5; exit 1"});
    pairs.emplace_back("policy", "always");
    pairs.emplace_back("first-backoff", "20");
    auto control = start_kept(pairs);
    control.next();
    auto talk = connect();
    talk.say("hello");
    talk.next();
    control.say("go");
    for (int times = 0; times < 3; ++times) {
        EXPECT_THAT(talk.next(), StartsWith("started "));
        EXPECT_THAT(talk.next(), StartsWith("exited 1 0 "));
        EXPECT_EQ(talk.next(), "backoff 20");
    }
    talk.say("stop");
    EXPECT_EQ(exit_code(), 0);
}

TEST_F(ShimTest, IsOfNoUseByHand) {
    pid = ::fork();
    if (pid == 0) {
        ::close(2);
        ::execl(BELAY_SHIM_PATH, "belay-shim", nullptr);
        std::_Exit(126);
    }
    EXPECT_EQ(exit_code(), 64);
}

}  // namespace
}  // namespace belay
