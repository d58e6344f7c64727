#include "runtime_world.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/ports.hpp>
#include <belay/sys/sockets.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace belay::runtime {
namespace {

using ports::RunInfo;
using ports::RunState;
using test::eventually;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct RuntimeTest : ::testing::Test, RuntimeWorld {
    RuntimeTest() : RuntimeWorld("process") {}
};

TEST_F(RuntimeTest, WhatADeadDaemonHadOnlyHalfMadeIsNotInTheWay) {
    for (const char* torn : {"", "identity", "spec"}) {
        auto place = runs / kRun;
        ASSERT_TRUE(sys::make_directories(place, 0700));
        ASSERT_TRUE(sys::make_directories(runs / "stages", 0700));
        ASSERT_TRUE(sys::write_file(runs / "stages/shop.lock", "", 0600));
        if (*torn != 0) {
            ASSERT_TRUE(sys::write_file(place / "identity", "", 0600));
        }
        if (std::string(torn) == "spec") {
            ASSERT_TRUE(sys::write_file(place / "spec", "belay-run 1\nrun=sh", 0600));
        }
        EXPECT_TRUE(adopt().empty());
        auto started = start(shell("exec sleep 100"));
        ASSERT_TRUE(started) << torn << ": " << started.error().message;
        EXPECT_TRUE(stop());
        EXPECT_TRUE(loop.run(runtime->forget(kRun)));
        EXPECT_TRUE(std::filesystem::exists(runs / "stages/shop.lock"));
    }
}

// Whichever of its files a removal had come to when it was cut off.
TEST_F(RuntimeTest, WhatADeadDaemonHadOnlyHalfRemovedIsNotInTheWay) {
    const std::vector<std::string> files{"identity", "exit", "policy", "s", "spec"};
    for (unsigned removed = 1; removed < 1U << files.size(); ++removed) {
        ASSERT_TRUE(start(shell("exit 0"))) << removed;
        ASSERT_TRUE(loop.run_until([&] { return info().state == RunState::exited; }));
        for (std::size_t at = 0; at < files.size(); ++at)
            if (removed >> at & 1U) std::filesystem::remove(runs / kRun / files[at]);
        adopt();
        auto left = loop.run(runtime->forget(kRun));
        EXPECT_TRUE(left || left.error().code == Errc::not_found) << removed;
        EXPECT_FALSE(std::filesystem::exists(runs / kRun)) << removed;
    }
}

TEST_F(RuntimeTest, ATornDirectoryOfSomethingThatLivesIsLeftAlone) {
    auto started = start(shell("exec sleep 100"));
    ASSERT_TRUE(started) << started.error().message;
    auto spec_file = runs / kRun / "spec";
    auto whole = sys::read_file(spec_file);
    ASSERT_TRUE(whole);
    ASSERT_TRUE(sys::write_file(spec_file, "", 0600));
    EXPECT_TRUE(adopt().empty());
    EXPECT_TRUE(std::filesystem::exists(runs / kRun));
    EXPECT_FALSE(is_dead(started->pid));
    ASSERT_TRUE(sys::write_file(spec_file, *whole, 0600));
    EXPECT_EQ(adopt().size(), 1U);
    EXPECT_TRUE(stop());
}

TEST_F(RuntimeTest, ARunThatNobodyWillLetGoIsNotAdopted) {
    std::unique_ptr<ports::Runtime> next;
    std::size_t found = 99;
    auto next_daemon = [&]() -> Task<Result<void>> {
        next = make();
        auto adopting = next->adopt();
        auto adopted = co_await std::move(adopting);
        found = adopted->size();
        co_return Error{Errc::internal, "the daemon is dead"};
    };
    ports::BeforeGo die = [&](const RunInfo&) { return next_daemon(); };
    EXPECT_FALSE(start(shell("echo ran"), die));
    EXPECT_EQ(found, 0U);
    EXPECT_EQ(said(), "");
    EXPECT_FALSE(std::filesystem::exists(runs / kRun));
}

// Wants 256 MiB once it is told to by a file, and no more than that.
std::string hog_when(const std::string& file) {
    return "while [ ! -e " + file +
           " ]; do sleep 0.01; done; head -c 268435456 /dev/zero | tail -n 1 > /dev/null";
}

struct GroupsTest : RuntimeTest {
    std::vector<std::pair<std::string, sys::Cgroup>> left() { return groups->existing("run-"); }
    void touch(const std::string& file) { ASSERT_TRUE(sys::write_file(file, "")); }
};

TEST_F(GroupsTest, ARunHasAGroupWhileItIsKnownAndNoneAfterwards) {
    if (!groups->support().groups) GTEST_SKIP() << groups->support().why;
    ASSERT_TRUE(start(shell("exec sleep 100")));
    ASSERT_EQ(left().size(), 1u);
    EXPECT_EQ(left()[0].first, std::string("run-") + kRun);
    EXPECT_TRUE(left()[0].second.has_processes());
    ASSERT_TRUE(stop());
    ASSERT_TRUE(loop.run(runtime->forget(kRun)));
    EXPECT_TRUE(left().empty());
    EXPECT_FALSE(start(spec({"npn"})));
    EXPECT_FALSE(start(shell("true"), refuse_to_go));
    EXPECT_TRUE(left().empty()) << "a start that fails leaves none";
}

TEST_F(GroupsTest, ARunThatTakesTooMuchMemoryIsNamedSoAndStartedAgain) {
    NEEDS_LIMIT(groups, memory);
    auto made = shell(hog_when(directory / "eat"));
    made.resources.memory = 48 << 20;
    made.policy = RestartPolicy::always;
    made.first_backoff = 50ms;
    ASSERT_TRUE(start(std::move(made)));
    touch(directory / "eat");
    ASSERT_TRUE(loop.run_until([&] { return info().last_exit.has_value(); }));
    EXPECT_TRUE(info().last_exit->oom) << describe(*info().last_exit);
    EXPECT_EQ(info().last_exit->memory_limit, 48u << 20);
    std::filesystem::remove(directory / "eat");
    ASSERT_TRUE(loop.run_until([&] { return info().restarts == 1 && info().pid > 1; }));
    // The next end has nothing to do with memory, whatever was counted before.
    ::kill(-info().pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return info().restarts == 2; }));
    EXPECT_EQ(info().last_exit->signal, SIGKILL);
    EXPECT_FALSE(info().last_exit->oom);
}

TEST_F(GroupsTest, AnAdoptedRunKeepsItsGroupAndItsLimits) {
    NEEDS_LIMIT(groups, memory);
    auto made = shell(hog_when(directory / "eat"));
    made.resources.memory = 48 << 20;
    ASSERT_TRUE(start(std::move(made)));
    auto pid = info().pid;
    ASSERT_EQ(adopt().size(), 1u);
    ASSERT_EQ(left().size(), 1u);
    EXPECT_FALSE(is_dead(pid));
    touch(directory / "eat");
    ASSERT_TRUE(loop.run_until([&] { return info().state == RunState::exited; }));
    EXPECT_TRUE(info().last_exit->oom) << describe(*info().last_exit);
    ASSERT_TRUE(loop.run(runtime->forget(kRun)));
    EXPECT_TRUE(left().empty());
}

TEST_F(GroupsTest, WhatAKilledDaemonLeftEmptyGoesAndWhatLivesStays) {
    if (!groups->support().groups) GTEST_SKIP() << groups->support().why;
    auto empty = groups->make("run-shop.1.web.2.1", {});
    auto strange = groups->make("run-shop.1.web.3.1", {});
    ASSERT_TRUE(empty && strange);
    auto stranger = ::fork();
    if (stranger == 0) {
        for (const auto& place : strange->directories())
            if (auto file = sys::open_file(place + "/cgroup.procs", O_WRONLY);
                ::write(file->get(), "0", 1) != 1)
                std::_Exit(1);
        ::pause();
        std::_Exit(0);
    }
    ASSERT_TRUE(eventually([&] { return strange->has_processes(); }));
    ASSERT_TRUE(start(shell("exec sleep 100")));
    adopt();
    EXPECT_FALSE(std::filesystem::exists(empty->directories()[0]));
    ASSERT_EQ(left().size(), 2u);
    EXPECT_FALSE(is_dead(stranger));
    ::kill(stranger, SIGKILL);
    ::waitpid(stranger, nullptr, 0);
}

TEST_F(GroupsTest, WhatGotOutOfATreeWhoseShimWasKilledEndsWithItsRun) {
    if (!groups->support().groups) GTEST_SKIP() << groups->support().why;
    ASSERT_TRUE(start(shell("(setsid sleep 100 & echo $! >&2); exec sleep 101")));
    ASSERT_TRUE(says("\n"));
    auto away = static_cast<pid_t>(std::stol(said()));
    ::kill(info().shim_pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return !info().shim_alive; }));
    EXPECT_FALSE(is_dead(away));
    ASSERT_TRUE(stop());
    EXPECT_TRUE(eventually([&] { return is_dead(away); }));
}

using AdoptionTest = RuntimeTest;

TEST_F(AdoptionTest, WhatEndedMeanwhileIsToldWithItsExit) {
    auto made = shell("read line < " + (directory / "fifo") + "; exit 6");
    ::mkfifo((directory / "fifo").c_str(), 0600);
    ASSERT_TRUE(start(std::move(made)));
    auto shim = info().shim_pid;
    runtime.reset();
    auto fifo = sys::open_file(directory / "fifo", O_WRONLY);
    ASSERT_EQ(::write(fifo->get(), "x\n", 2), 2);
    ASSERT_TRUE(eventually([&] { return is_dead(shim); }));
    auto found = adopt();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].state, RunState::exited);
    EXPECT_EQ(found[0].last_exit->code, 6);
}

TEST_F(AdoptionTest, DirectoriesThatAreNoRunsAreLeftAlone) {
    ASSERT_TRUE(start(shell("exec sleep 100")));
    std::filesystem::create_directories(runs / "stray");
    ASSERT_TRUE(sys::write_file(runs / "file", "x"));
    std::filesystem::create_directory_symlink(runs / kRun, runs / "link");
    std::filesystem::copy(runs / kRun / "spec", runs / "stray" / "spec");
    auto found = adopt();
    EXPECT_EQ(found.size(), 1u);
    EXPECT_TRUE(std::filesystem::exists(runs / "stray"));
    EXPECT_TRUE(stop());
}

TEST_F(AdoptionTest, AnotherBootMeansThatAllIsGone) {
    ASSERT_TRUE(start(shell("exec sleep 100")));
    auto pid = info().pid;
    auto identity = *sys::read_file(runs / kRun / "identity");
    runtime.reset();
    // Its sum is made anew, as the kernel's other boot would have.
    auto at = identity.find("boot ") + 5;
    identity[at] = identity[at] == '0' ? '1' : '0';
    auto body = identity.substr(0, identity.find("sum "));
    std::uint64_t sum = 14695981039346656037u;
    for (auto character : body)
        sum = (sum ^ static_cast<unsigned char>(character)) * 1099511628211u;
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016lx", static_cast<unsigned long>(sum));
    ASSERT_TRUE(
        sys::write_file(runs / kRun / "identity", body + "sum " + digits + "\n", 0600, false));
    auto found = adopt();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].state, RunState::gone);
    EXPECT_TRUE(stop());
    EXPECT_FALSE(is_dead(pid));
}

TEST_F(RuntimeTest, AKilledShimIsToldAndItsProgramCanStillBeStopped) {
    ASSERT_TRUE(start(shell("sleep 100 & echo $!; wait")));
    ASSERT_TRUE(says("\n"));
    auto child = static_cast<pid_t>(std::stol(said()));
    auto pid = info().pid;
    ::kill(info().shim_pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return !info().shim_alive; }));
    EXPECT_EQ(changes.back().state, RunState::running);
    EXPECT_FALSE(changes.back().shim_alive);
    EXPECT_FALSE(is_dead(pid));
    EXPECT_TRUE(stop());
    EXPECT_EQ(info().state, RunState::gone);
    EXPECT_FALSE(info().last_exit->known);
    EXPECT_TRUE(is_dead(pid));
    EXPECT_TRUE(is_dead(child));
}

struct PortTest : RuntimeTest {
    std::uint16_t port = *runtime->allot_port(0);

    ports::ProcessSpec listening(std::uint16_t on) {
        auto made = spec({BELAY_TEST_PROGRAM, "listen", "127.0.0.1", std::to_string(on)});
        made.port = port;
        return made;
    }
    ports::ListenerReport report() { return *loop.run(runtime->listeners(kRun, port)); }
};

TEST_F(PortTest, OneForeignListenerBesideOursIsNotOwnership) {
    auto other = sys::listen_tcp("[::1]:" + std::to_string(port));
    if (!other) GTEST_SKIP() << "this machine has no v6: " << other.error().message;
    other->clear();
    ASSERT_TRUE(start(listening(port)));
    ASSERT_TRUE(says("listening"));
    other = sys::listen_tcp("[::1]:" + std::to_string(port));
    ASSERT_TRUE(other);
    EXPECT_FALSE(report().owned());
    EXPECT_TRUE(stop());
}

TEST_F(PortTest, SocketActivationHandsOverTheListener) {
    auto made = spec({BELAY_TEST_PROGRAM, "activated"});
    made.port = port;
    made.socket_activation = true;
    ASSERT_TRUE(start(std::move(made)));
    ASSERT_TRUE(says("http\n"));
    EXPECT_TRUE(report().owned()) << ports::explain(report(), port);
    EXPECT_TRUE(stop());
}

// As root in a container usually is. Of this thread alone, and given back.
class WithoutPtrace {
  public:
    WithoutPtrace() { set(false); }
    WithoutPtrace(const WithoutPtrace&) = delete;
    WithoutPtrace& operator=(const WithoutPtrace&) = delete;
    ~WithoutPtrace() { set(true); }

  private:
    static void set(bool on) {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct data[2] = {};
        ::syscall(SYS_capget, &header, data);
        auto bit = 1u << CAP_SYS_PTRACE;
        data[0].effective =
            on ? data[0].effective | (data[0].permitted & bit) : data[0].effective & ~bit;
        ::syscall(SYS_capset, &header, data);
    }
};

TEST_F(PortTest, TheTreeOfAnotherUserIsLookedIntoToo) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "can't change users here; KnowsItsOwnListener is the check as this user";
    auto made = listening(port);
    made.user = User{52918, 52918, {}};
    ASSERT_TRUE(start(std::move(made)));
    ASSERT_TRUE(says("listening"));
    EXPECT_TRUE(report().owned());
    {
        WithoutPtrace dropped;
        ASSERT_EQ(sys::socket_inodes(info().pid).error().code, Errc::forbidden);
        EXPECT_TRUE(report().owned()) << "asked of the shim, which is of that user";
    }
    EXPECT_TRUE(stop());
    EXPECT_EQ(info().last_exit->signal, SIGTERM) << "the shim, being that user, can signal it";
}

TEST_F(RuntimeTest, AddsListenersForTheNextStart) {
    auto first = std::move(*sys::listen_tcp("127.0.0.1:0"));
    auto second = std::move(*sys::listen_tcp("127.0.0.1:0"));
    auto made = spec({BELAY_TEST_PROGRAM, "activated"});
    made.policy = RestartPolicy::always;
    made.listeners = {{first[0].fd.get(), "p80"}};
    ASSERT_TRUE(start(std::move(made)));
    ASSERT_TRUE(says("p80\n"));
    std::vector<ports::Listener> more = {{second[0].fd.get(), "p443"}};
    EXPECT_TRUE(loop.run(runtime->add_listeners(kRun, more)));
    EXPECT_TRUE(loop.run(runtime->signal(kRun, SIGTERM)));
    ASSERT_TRUE(loop.run_until([&] { return info().restarts == 1; }, 5s));
    EXPECT_TRUE(says("p80:p443\n"));
    EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace belay::runtime
