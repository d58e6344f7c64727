#include "support/eventually.hpp"
#include "support/process_sweep.hpp"
#include "support/temp_directory.hpp"
#include "support/test_loop.hpp"
#include "sys/record.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/service.hpp>
#include <belay/sys/sockets.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <fstream>
#include <regex>
#include <signal.h>
#include <sys/socket.h>

namespace belay::sys {
namespace {

using test::eventually;
using namespace std::chrono_literals;

bool is_dead(pid_t pid) {
    return !start_time(pid).has_value();
}

struct ServiceTest : ::testing::Test {
    test::ProcessSweep sweep;
    test::TestLoop loop;
    test::TempDirectory directory;
    std::filesystem::path place = directory.path() / "run-1";
    std::string log = directory / "log";

    ServiceSpec spec(std::vector<std::string> argv) {
        ServiceSpec made;
        made.run_id = "run-1";
        made.log_path = log;
        made.program.argv = std::move(argv);
        made.program.env = {{"PATH", "/usr/bin:/bin"}};
        made.program.cwd = "/";
        made.program.stop.timeout = 300ms;
        return made;
    }
    ServiceSpec shell(const std::string& script) { return spec({"sh", "-c", script}); }

    Result<Service> start(ServiceSpec made) {
        return loop.run(Service::start(loop.executor(), loop.timers(), BELAY_SHIM_PATH, place,
                                       std::move(made)));
    }
    Service started(ServiceSpec made) {
        auto service = start(std::move(made));
        if (!service) throw std::runtime_error(service.error().message);
        auto gone = loop.run(service->go());
        if (!gone) throw std::runtime_error(gone.error().message);
        return std::move(*service);
    }
    Service adopted() {
        auto service = loop.run(Service::adopt(loop.executor(), loop.timers(), place));
        if (!service) throw std::runtime_error(service.error().message);
        return std::move(*service);
    }
    std::string said() {
        auto text = read_file(log);
        return text ? *text : std::string();
    }
    bool says(const std::string& text) {
        return eventually([&] { return said().find(text) != std::string::npos; });
    }
    std::vector<pid_t> pids_said(std::size_t count) {
        std::vector<pid_t> pids;
        eventually([&] {
            std::istringstream lines(said());
            pids.clear();
            for (pid_t pid = 0; lines >> pid;)
                pids.push_back(pid);
            return pids.size() >= count;
        });
        return pids;
    }
};

TEST_F(ServiceTest, SurvivesItsOwnerAndIsAdoptedWithAllThatIsKnown) {
    pid_t pid = 0, shim = 0;
    {
        auto made = shell("exec sleep 100");
        made.port = 20123;
        auto service = started(std::move(made));
        EXPECT_EQ(service.status().state, ServiceState::running);
        pid = service.status().pid;
        shim = service.status().shim.pid;
        EXPECT_TRUE(loop.run_until([&] { return process_name(pid) == "sleep"; }));
    }
    EXPECT_FALSE(is_dead(pid));
    auto service = adopted();
    const auto& status = service.status();
    EXPECT_EQ(service.run_id(), "run-1");
    EXPECT_EQ(status.state, ServiceState::running);
    EXPECT_EQ(status.pid, pid);
    EXPECT_EQ(status.shim.pid, shim);
    EXPECT_EQ(status.port, 20123);
    EXPECT_TRUE(status.adopted);
    EXPECT_TRUE(loop.run(service.stop()));
    EXPECT_EQ(status.state, ServiceState::exited);
    EXPECT_EQ(status.last_exit->signal, SIGTERM);
    EXPECT_TRUE(is_dead(pid));
    EXPECT_TRUE(loop.run(service.stop())) << "once more is fine";
}

TEST_F(ServiceTest, WithoutGoNothingRuns) {
    {
        auto service = start(shell("echo ran"));
        ASSERT_TRUE(service);
        EXPECT_EQ(service->status().state, ServiceState::waiting);
    }
    auto service = adopted();
    ASSERT_TRUE(loop.run_until([&] { return service.status().over(); }));
    EXPECT_EQ(service.status().state, ServiceState::gone);
    EXPECT_EQ(said(), "");
}

TEST_F(ServiceTest, StopBeforeGoEndsIt) {
    auto service = start(shell("echo ran"));
    ASSERT_TRUE(service);
    EXPECT_TRUE(loop.run(service->stop()));
    EXPECT_TRUE(service->status().over());
    EXPECT_EQ(said(), "");
}

TEST_F(ServiceTest, AProgramThatCannotRunIsNamed) {
    auto service = start(spec({"/no/such"}));
    ASSERT_TRUE(service);
    auto gone = loop.run(service->go());
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, Errc::invalid);
    EXPECT_THAT(gone.error().message, ::testing::HasSubstr("no such program: /no/such"));
    EXPECT_TRUE(service->status().over());
    EXPECT_THAT(said(), ::testing::HasSubstr("belay-shim: cannot run /no/such: exec ENOENT"));
}

TEST_F(ServiceTest, RefusesADirectoryThatExists) {
    auto first = started(shell("exec sleep 100"));
    auto second = start(shell("echo ran"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::conflict);
    EXPECT_TRUE(std::filesystem::exists(place / "s"));
}

TEST_F(ServiceTest, ItsExitRecordIsReadAfterItsEnd) {
    pid_t shim = 0;
    {
        auto service = started(shell("sleep 0.1; exit 5"));
        shim = service.status().shim.pid;
    }
    ASSERT_TRUE(eventually([&] { return is_dead(shim); }));
    auto service = adopted();
    EXPECT_EQ(service.status().state, ServiceState::exited);
    EXPECT_EQ(service.status().last_exit->code, 5);
    EXPECT_TRUE(service.status().last_exit->known);
    EXPECT_GT(service.status().last_exit->peak_memory, 0u);
    EXPECT_GT(service.status().last_exit->at.time_since_epoch().count(), 1'600'000'000'000);
}

TEST_F(ServiceTest, AChangedExitRecordIsNotBelieved) {
    {
        auto service = started(shell("exit 5"));
        loop.run(service.wait());
    }
    std::fstream record(place / "exit", std::ios::in | std::ios::out);
    std::string text(std::istreambuf_iterator<char>(record), {});
    record.seekp(static_cast<std::streamoff>(text.find("code 5")) + 5);
    record << '0';
    record.close();
    EXPECT_EQ(adopted().status().state, ServiceState::gone);
}

TEST_F(ServiceTest, PolicyAlwaysRestartsItWithBackoff) {
    auto made = shell("echo start; exit 3");
    made.policy = RestartPolicy::always;
    auto service = started(std::move(made));
    std::vector<ServiceState> seen;
    service.on_change([&] { seen.push_back(service.status().state); });
    ASSERT_TRUE(loop.run_until([&] { return service.status().restarts == 1; }, 5s));
    ASSERT_TRUE(
        loop.run_until([&] { return service.status().state == ServiceState::backing_off; }));
    EXPECT_EQ(service.status().last_exit->code, 3);
    EXPECT_EQ(service.status().pid, 0);
    EXPECT_TRUE(says("exited with code 3; starting it again in 1 s"));
    EXPECT_TRUE(says("exited with code 3; starting it again in 2 s"));
    EXPECT_THAT(seen, ::testing::Contains(ServiceState::running));
    auto restarts = adopted().status().restarts;
    EXPECT_EQ(restarts, 1u);
    EXPECT_TRUE(loop.run(service.stop())) << "also while it backs off";
    EXPECT_EQ(service.status().state, ServiceState::exited);
}

TEST_F(ServiceTest, PolicyIsChangedOnTheRunAndKept) {
    auto service = started(shell("exec sleep 100"));
    EXPECT_TRUE(loop.run(service.set_policy(RestartPolicy::always)));
    EXPECT_EQ(service.status().policy, RestartPolicy::always);
    auto run = std::move(*open_file(place, O_RDONLY | O_DIRECTORY));
    EXPECT_EQ(*read_policy_record(run.get()), RestartPolicy::always);
    ::kill(service.status().pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return service.status().restarts == 1; }, 5s));
    EXPECT_EQ(service.status().state, ServiceState::running);
    EXPECT_EQ(service.status().last_exit->signal, SIGKILL);
    EXPECT_TRUE(loop.run(service.set_policy(RestartPolicy::never)));
    ::kill(service.status().pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return service.status().over(); }));
    auto late = loop.run(service.set_policy(RestartPolicy::always));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::conflict);
}

TEST_F(ServiceTest, SignalsReachTheProgram) {
    auto service = started(shell("trap 'echo again' HUP; echo up; while :; do sleep 0.01; done"));
    ASSERT_TRUE(says("up"));
    EXPECT_TRUE(loop.run(service.signal(SIGHUP)));
    EXPECT_TRUE(says("again"));
    EXPECT_TRUE(loop.run(service.stop()));
}

TEST_F(ServiceTest, StopToMainLeavesTheTreeToItsMaster) {
    auto made = shell(
        "trap '' HUP; sh -c 'trap \"echo worker got it\" TERM; while :; do sleep 0.01; done' & "
        "trap 'echo master got it; exit 0' TERM; echo up; while :; do sleep 0.01; done");
    made.program.stop.to = StopTo::main;
    auto service = started(std::move(made));
    ASSERT_TRUE(says("up"));
    EXPECT_TRUE(loop.run(service.stop()));
    EXPECT_THAT(said(), ::testing::HasSubstr("master got it"));
    EXPECT_THAT(said(), ::testing::Not(::testing::HasSubstr("worker got it")));
}

TEST_F(ServiceTest, ATreeThatIgnoresTermIsKilledAtItsTimeout) {
    auto service = started(spec({BELAY_TEST_PROGRAM, "stubborn"}));
    auto pids = pids_said(3);
    ASSERT_EQ(pids.size(), 3u);
    EXPECT_TRUE(loop.run(service.stop()));
    EXPECT_EQ(service.status().last_exit->signal, SIGKILL);
    for (auto pid : pids)
        EXPECT_TRUE(is_dead(pid)) << pid;
}

TEST_F(ServiceTest, AProgramThatDaemonisesRunsUntilItsTreeIsEmpty) {
    auto service = started(spec({BELAY_TEST_PROGRAM, "daemonise"}));
    auto pids = pids_said(1);
    ASSERT_EQ(pids.size(), 1u);
    ASSERT_TRUE(loop.run_until([&] { return service.status().pid == pids[0]; }));
    EXPECT_EQ(service.status().state, ServiceState::running);
    EXPECT_TRUE(loop.run(service.stop()));
    EXPECT_TRUE(is_dead(pids[0]));
    EXPECT_EQ(service.status().last_exit->code, 0);
}

TEST_F(ServiceTest, AKilledShimLeavesItsProgramRunningAndStoppable) {
    auto service = started(shell("sleep 100 & echo $! $$; wait"));
    auto pids = pids_said(2);
    ASSERT_EQ(pids.size(), 2u);
    ::kill(service.status().shim.pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return !service.status().shim_alive; }));
    EXPECT_EQ(service.status().state, ServiceState::running);
    EXPECT_EQ(service.status().pid, pids[1]);
    EXPECT_EQ(loop.run(service.set_policy(RestartPolicy::always)).error().code, Errc::conflict);
    auto second = adopted();
    EXPECT_EQ(second.status().state, ServiceState::running);
    EXPECT_FALSE(second.status().shim_alive);
    EXPECT_EQ(second.status().pid, pids[1]);
    EXPECT_TRUE(loop.run(second.stop()));
    EXPECT_EQ(second.status().state, ServiceState::gone);
    EXPECT_FALSE(second.status().last_exit->known);
    // Both are this test's zombies now, which nobody has reaped.
    for (auto pid : pids)
        EXPECT_TRUE(is_dead(pid)) << pid;
}

TEST_F(ServiceTest, TheEndOfAProgramWithoutShimIsNoticed) {
    auto service = started(shell("exec sleep 100"));
    auto pid = service.status().pid;
    ::kill(service.status().shim.pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return !service.status().shim_alive; }));
    ::kill(pid, SIGKILL);
    ASSERT_TRUE(loop.run_until([&] { return service.status().over(); }));
    EXPECT_EQ(service.status().state, ServiceState::gone);
    EXPECT_FALSE(service.status().last_exit->known);
}

TEST_F(ServiceTest, AStoppedShimCannotPreventAStop) {
    auto service = started(spec({BELAY_TEST_PROGRAM, "stubborn"}));
    auto pids = pids_said(3);
    ASSERT_EQ(pids.size(), 3u);
    ::kill(service.status().shim.pid, SIGSTOP);
    EXPECT_TRUE(loop.run(service.stop()));
    for (auto pid : pids)
        EXPECT_TRUE(is_dead(pid)) << pid;
}

TEST_F(ServiceTest, AShimThatGetsTermStopsItsProgramForGood) {
    auto made = shell("exec sleep 100");
    made.policy = RestartPolicy::always;
    auto service = started(std::move(made));
    auto pid = service.status().pid;
    ::kill(service.status().shim.pid, SIGHUP);
    ::kill(service.status().shim.pid, SIGTERM);
    ASSERT_TRUE(loop.run_until([&] { return service.status().over(); }));
    EXPECT_EQ(service.status().last_exit->signal, SIGTERM);
    EXPECT_TRUE(is_dead(pid));
}

struct ForgedTest : ServiceTest {
    // A run whose shim and program were killed, with a stranger in place of what the rewrite names.
    pid_t stranger = 0;

    void SetUp() override {
        {
            auto service = started(shell("exec sleep 100"));
            ::kill(service.status().shim.pid, SIGKILL);
            ::kill(service.status().pid, SIGKILL);
            loop.run(service.wait());
        }
        stranger = ::fork();
        if (stranger == 0) {
            ::execlp("sleep", "sleep", "100", nullptr);
            std::_Exit(127);
        }
        ASSERT_TRUE(eventually([&] { return process_name(stranger) == "sleep"; }));
    }
    void rewrite(const char* boot, std::uint64_t start) {
        auto run = std::move(*open_file(place, O_RDONLY | O_DIRECTORY));
        auto text = *read_file(place / "identity");
        auto fields = *parse_record(text, "belay-identity 1");
        auto who = std::to_string(stranger) + " " + std::to_string(start);
        fields["shim"] = who;
        fields["program"] = who;
        if (boot != nullptr) fields["boot"] = boot;
        ASSERT_TRUE(
            write_file(place / "identity", make_record("belay-identity 1", fields), 0600, false));
    }
    void expect_untouched() {
        auto service = adopted();
        EXPECT_EQ(service.status().state, ServiceState::gone);
        EXPECT_TRUE(loop.run(service.stop()));
        EXPECT_FALSE(is_dead(stranger));
    }
};

TEST_F(ForgedTest, AReusedPidIsNeverSignalled) {
    rewrite(nullptr, *start_time(stranger) - 1);
    expect_untouched();
}

TEST_F(ForgedTest, AnIdentityOfAnotherBootIsNeverSignalled) {
    rewrite("00000000-0000-0000-0000-000000000000", *start_time(stranger));
    expect_untouched();
}

TEST_F(ForgedTest, AForgedIdentityWithTheRightStartTimeWouldBeTaken) {
    // The two tests above would pass for nothing if adoption failed for another reason.
    rewrite(nullptr, *start_time(stranger));
    auto service = adopted();
    EXPECT_EQ(service.status().state, ServiceState::running);
    EXPECT_EQ(service.status().pid, stranger);
}

TEST_F(ServiceTest, AnswersOfAnotherShimAreNotBelieved) {
    auto service = started(shell("exec sleep 100"));
    // As if its socket were another run's: all but the token fits.
    for (auto [name, magic] :
         {std::pair{"spec", "belay-run 1"}, {"identity", "belay-identity 1"}}) {
        auto text = *read_file(place / name);
        auto fields = *parse_record(text, magic);
        fields["token"] = std::string(32, '0');
        ASSERT_TRUE(write_file(place / name, make_record(magic, fields), 0600, false));
    }
    auto second = adopted();
    EXPECT_EQ(second.status().state, ServiceState::gone);
    EXPECT_TRUE(loop.run(second.stop()));
    EXPECT_FALSE(is_dead(service.status().pid));
    EXPECT_TRUE(loop.run(service.stop()));
}

TEST_F(ServiceTest, AGarbledSpecIsRefusedAndNothingIsSignalled) {
    auto service = started(shell("exec sleep 100"));
    ASSERT_TRUE(write_file(place / "spec", "belay-run 1\nnonsense\n", 0600, false));
    auto second = loop.run(Service::adopt(loop.executor(), loop.timers(), place));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::invalid);
    EXPECT_FALSE(is_dead(service.status().pid));
    EXPECT_TRUE(loop.run(service.stop()));
}

TEST_F(ServiceTest, AVeryLongDirectoryIsNoObstacle) {
    place = directory.path() / std::string(120, 'x') / std::string(120, 'y');
    ASSERT_TRUE(make_directories(place.parent_path()));
    auto service = started(shell("exec sleep 100"));
    EXPECT_TRUE(loop.run(service.set_policy(RestartPolicy::always)));
    EXPECT_TRUE(loop.run(service.stop()));
}

TEST_F(ServiceTest, NeitherEnvironmentNorSecretsAreWrittenAnywhere) {
    auto made = shell("exec sleep 100");
    made.program.env.emplace_back("DATABASE_URL", "hunter2-secret");
    auto service = started(std::move(made));
    for (const char* name : {"spec", "identity", "exit", "policy"})
        EXPECT_THAT(*read_file(place / name), ::testing::Not(::testing::HasSubstr("hunter2")))
            << name;
    auto arguments = *read_file("/proc/" + std::to_string(service.status().shim.pid) + "/cmdline");
    EXPECT_THAT(arguments, ::testing::Not(::testing::HasSubstr("hunter2")));
    EXPECT_TRUE(loop.run(service.stop()));
}

std::string ask(const UniqueFd& listener) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
    UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return "refused";
    timeval patience{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char text[64];
    auto got = ::read(fd.get(), text, sizeof text);
    return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : "nothing";
}

TEST_F(ServiceTest, ListenersOutliveTheProgramAndMoreCanBeAdded) {
    auto first = std::move(*listen_tcp("127.0.0.1:0"));
    auto second = std::move(*listen_tcp("127.0.0.1:0"));
    auto made = spec({BELAY_TEST_PROGRAM, "activated"});
    made.policy = RestartPolicy::always;
    made.program.listeners = {{first[0].fd.get(), "web"}};
    auto service = started(std::move(made));
    ASSERT_TRUE(says("web\n"));
    EXPECT_EQ(ask(first[0].fd), std::to_string(service.status().pid));
    EXPECT_TRUE(loop.run(service.add_listeners({{second[0].fd.get(), "tls"}})));
    ::kill(service.status().pid, SIGKILL);
    // Nobody serves now, yet the connection waits in the listener's queue.
    auto queued = ask(first[0].fd);
    ASSERT_TRUE(loop.run_until([&] { return service.status().restarts == 1; }));
    EXPECT_EQ(queued, std::to_string(service.status().pid));
    ASSERT_TRUE(says("web:tls\n"));
    EXPECT_EQ(ask(second[0].fd), std::to_string(service.status().pid));
    std::vector<NamedFd> bad = {{second[0].fd.get(), "a:b"}};
    EXPECT_EQ(loop.run(service.add_listeners(bad)).error().code, Errc::conflict);
    EXPECT_TRUE(loop.run(service.stop()));
}

TEST_F(ServiceTest, AListenerThatItsProgramShutsDownIsFreeAndNotHandedOverAgain) {
    // By its number, as the kernel takes back a port that it chose itself as soon as listening
    // ends.
    const auto address = listen_tcp("127.0.0.1:0")->front().address;
    auto first = std::move(*listen_tcp(address));
    auto second = std::move(*listen_tcp("127.0.0.1:0"));
    auto made = spec({BELAY_TEST_PROGRAM, "activated"});
    made.policy = RestartPolicy::always;
    made.program.listeners = {{first[0].fd.get(), "web"}, {second[0].fd.get(), "tls"}};
    auto service = started(std::move(made));
    ASSERT_TRUE(says("web:tls\n"));
    // As the proxy does it: by its own descriptor, of which ours is a copy.
    ASSERT_EQ(::shutdown(first[0].fd.get(), SHUT_RD), 0);
    first.clear();
    ::kill(service.status().pid, SIGKILL);  // the program's copy goes with it
    ASSERT_TRUE(loop.run_until([&] { return service.status().restarts == 1; }));
    ASSERT_TRUE(says("\ntls\n"));
    EXPECT_EQ(ask(second[0].fd), std::to_string(service.status().pid));
    // Without SO_REUSEADDR, which would hide a copy that somebody still holds.
    UniqueFd plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in wanted{};
    wanted.sin_family = AF_INET;
    wanted.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wanted.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(::bind(plain.get(), reinterpret_cast<sockaddr*>(&wanted), sizeof wanted), 0)
        << "the shim still holds " << address;
    EXPECT_TRUE(loop.run(service.stop()));
}

TEST_F(ServiceTest, KnowsTheSocketsOfItsTree) {
    auto service =
        started(shell(std::string("sh -c '" BELAY_TEST_PROGRAM " listen 127.0.0.1 0'; true")));
    ASSERT_TRUE(says("listening"));
    auto inodes = loop.run(service.socket_inodes());
    ASSERT_TRUE(inodes);
    EXPECT_EQ(inodes->size(), 1u);
    EXPECT_TRUE(loop.run(service.stop()));
}

}  // namespace
}  // namespace belay::sys
