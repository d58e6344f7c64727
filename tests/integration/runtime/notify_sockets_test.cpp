#include "support/temp_directory.hpp"
#include "support/test_loop.hpp"

#include <belay/runtime/notify_sockets.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace belay::runtime {
namespace {

constexpr const char* kRun = "shop.1.web.1.1";

// As sd_notify(3) does it, and with a descriptor as sd_notify_barrier(3).
bool say(const std::string& path, std::string text, int with = -1) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    iovec content{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    if (with >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        auto* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &with, sizeof with);
    }
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool sent = ::sendmsg(fd, &message, 0) >= 0;
    ::close(fd);
    return sent;
}

struct NotifySocketsTest : ::testing::Test {
    test::TestLoop loop;
    test::TempDirectory directory;
    std::filesystem::path place = directory.path() / "notify";
    std::unique_ptr<NotifySockets> sockets = make();

    std::unique_ptr<NotifySockets> make() { return make_notify_sockets(loop.executor(), place); }
    bool becomes(bool starting) {
        return loop.run_until([&] { return sockets->starting(kRun) == starting; },
                              std::chrono::seconds(5));
    }
    // All that was said before has been heard.
    bool heard(const std::string& path) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
        const bool sent = say(path, "BARRIER=1", ends[1]);
        ::close(ends[1]);
        pollfd end{ends[0], 0, 0};
        const bool closed = sent && loop.run_until([&] { return ::poll(&end, 1, 0) == 1; });
        ::close(ends[0]);
        return closed;
    }
    std::size_t files() {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(place),
                                                      std::filesystem::directory_iterator()));
    }
};

TEST_F(NotifySocketsTest, WhoIsSilentIsNotWaitedForAndWhoSpokeUntilItIsReady) {
    auto path = sockets->open(kRun, std::nullopt);
    ASSERT_TRUE(path) << path.error().message;
    EXPECT_FALSE(sockets->starting(kRun));
    ASSERT_TRUE(say(*path, "STATUS=READY=1 comes later\nMAINPID=1"));
    ASSERT_TRUE(becomes(true));
    ASSERT_TRUE(say(*path, "STATUS=now\nREADY=1\n"));
    ASSERT_TRUE(becomes(false));
    ASSERT_TRUE(say(*path, "STATUS=serving"));
    ASSERT_TRUE(say(*path, "WATCHDOG=1"));
    ASSERT_TRUE(heard(*path));
    EXPECT_FALSE(sockets->starting(kRun)) << "ready is ready";
    EXPECT_EQ(files(), 1U);
    sockets->close(kRun);
    sockets->close(kRun);
    EXPECT_EQ(files(), 0U);
    EXPECT_FALSE(say(*path, "READY=1"));
}

TEST_F(NotifySocketsTest, TheNextDaemonKnowsWhoIsStillStarting) {
    auto path = *sockets->open(kRun, std::nullopt);
    auto other = *sockets->open("shop.1.web.2.1", std::nullopt);
    auto gone = *sockets->open("shop.0.web.1.1", std::nullopt);
    ASSERT_TRUE(say(path, "STATUS=loading"));
    ASSERT_TRUE(say(gone, "STATUS=loading"));
    ASSERT_TRUE(becomes(true));
    ASSERT_TRUE(loop.run_until([&] { return files() == 5; }, std::chrono::seconds(5)));
    sockets = make();
    EXPECT_FALSE(sockets->starting(kRun));
    ASSERT_TRUE(sockets->take_over({kRun, "shop.1.web.2.1"}));
    EXPECT_EQ(files(), 3U);
    EXPECT_TRUE(sockets->starting(kRun));
    EXPECT_FALSE(sockets->starting("shop.1.web.2.1"));
    ASSERT_TRUE(say(other, "STATUS=serving as ever")) << "it may have been ready before";
    ASSERT_TRUE(heard(other));
    EXPECT_FALSE(sockets->starting("shop.1.web.2.1"));
    ASSERT_TRUE(say(path, "READY=1"));
    ASSERT_TRUE(becomes(false));
    EXPECT_EQ(files(), 2U);
}

TEST_F(NotifySocketsTest, OnlyTheAppsUserMayWrite) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give a socket away";
    auto path = sockets->open(kRun, User{4242, 4243, {}});
    ASSERT_TRUE(path);
    struct stat status{};
    ASSERT_EQ(::lstat(path->c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
    EXPECT_EQ(status.st_uid, 4242U);
    EXPECT_EQ(status.st_gid, 4243U);
    sockets = make();
    ASSERT_TRUE(sockets->take_over({kRun}));
    ASSERT_EQ(::lstat(path->c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 4242U) << "the next daemon leaves it to the same";
    ASSERT_EQ(::lstat(place.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0711U);
}

TEST_F(NotifySocketsTest, APathThatIsTooLongIsSaid) {
    auto refused = sockets->open(std::string(120, 'x'), std::nullopt);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::limit);
    EXPECT_EQ(files(), 0U);
}

TEST_F(NotifySocketsTest, NothingToTakeOverIsNoError) {
    EXPECT_TRUE(sockets->take_over({kRun}));
}

}  // namespace
}  // namespace belay::runtime
