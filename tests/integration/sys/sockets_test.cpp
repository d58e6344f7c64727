#include "support/temp_directory.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/ports.hpp>
#include <belay/sys/sockets.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::sys {
namespace {

std::uint64_t inode_of(const UniqueFd& fd) {
    struct stat found{};
    ::fstat(fd.get(), &found);
    return found.st_ino;
}

TEST(ListenTcp, BindsBothFamiliesToOnePort) {
    auto listeners = listen_tcp(":0");
    ASSERT_TRUE(listeners) << listeners.error().message;
    auto port = listeners->front().port;
    EXPECT_NE(port, 0);
    EXPECT_EQ(listeners->front().address, "0.0.0.0:" + std::to_string(port));
    if (listeners->size() == 2) {
        EXPECT_EQ(listeners->back().address, "[::]:" + std::to_string(port));
    }
    EXPECT_FALSE(port_is_free(port));
}

TEST(ListenTcp, NamesTheHolderOfAPort) {
    auto first = listen_tcp("127.0.0.1:0");
    ASSERT_TRUE(first);
    auto address = first->front().address;
    auto second = listen_tcp(address);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::conflict);
    EXPECT_THAT(second.error().message,
                ::testing::MatchesRegex(address + " is in use by .* \\(pid " +
                                        std::to_string(::getpid()) + "\\)"));
}

TEST(ListenTcp, RefusesWhatIsNoAddress) {
    for (const char* text : {"", "80", "a:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000",
                             "::1:80", "[::1:80", "127.0.0.1:80x", "*:80"})
        EXPECT_EQ(listen_tcp(text).error().code, Errc::invalid) << text;
    EXPECT_THAT(listen_tcp("192.0.2.1:8080").error().message,
                ::testing::HasSubstr("no such address"));
}

TEST(ListeningSockets, KnowsInodesAndHolders) {
    auto listener = std::move(*listen_tcp("127.0.0.1:0"));
    auto sockets = listening_sockets();
    ASSERT_TRUE(sockets);
    auto inode = inode_of(listener[0].fd);
    auto found = std::find_if(sockets->begin(), sockets->end(),
                              [&](const auto& socket) { return socket.inode == inode; });
    ASSERT_NE(found, sockets->end());
    EXPECT_EQ(found->address, listener[0].address);
    EXPECT_EQ(found->port, listener[0].port);
    auto ours = socket_inodes(::getpid());
    ASSERT_TRUE(ours);
    EXPECT_THAT(*ours, ::testing::Contains(inode));
    EXPECT_THAT(holder_of(inode), ::testing::HasSubstr("(pid " + std::to_string(::getpid()) + ")"));
    EXPECT_EQ(holder_of(1), "");
}

TEST(PortPool, AllotsFreePortsAndHoldsThem) {
    auto taken = std::move(*listen_tcp("127.0.0.1:0"));
    auto port = taken[0].port;
    PortPool pool({port, port});
    EXPECT_EQ(pool.allot(0).error().code, Errc::limit)
        << "somebody listens on it, if only on one address";
    taken.clear();
    EXPECT_EQ(*pool.allot(0), port);
    EXPECT_EQ(pool.allot(0).error().code, Errc::limit) << "held";
    pool.release(port);
    EXPECT_EQ(*pool.allot(port), port);
}

TEST(PortPool, PrefersWhatIsAskedForAndElseGoesOn) {
    PortPool pool({21000, 21050});
    auto first = *pool.allot(0);
    auto second = *pool.allot(0);
    EXPECT_NE(first, second);
    auto other = *pool.allot(first);
    EXPECT_NE(other, first);
    pool.release(first);
    EXPECT_EQ(*pool.allot(first), first);
    auto fresh = *pool.allot(0);
    EXPECT_GT(fresh, second) << "a released port rests before it is used again";
}

TEST(PortPool, SeesAListenerOnV6Alone) {
    auto listener = listen_tcp("[::1]:0");
    if (!listener) GTEST_SKIP() << "this machine has no v6: " << listener.error().message;
    EXPECT_FALSE(port_is_free(listener->front().port));
}

TEST(ListenUnix, ReplacesAStaleSocketAndKeepsALivingOne) {
    test::TempDirectory directory;
    auto socket = directory.path() / std::string(150, 'n') / "s";
    ASSERT_TRUE(make_directories(socket.parent_path()));
    {
        auto first = listen_unix(socket, 0660);
        ASSERT_TRUE(first) << first.error().message;
        struct stat found{};
        ::stat(socket.c_str(), &found);
        EXPECT_EQ(found.st_mode & 0777, 0660u);
        EXPECT_TRUE(connect_unix(socket));
        EXPECT_EQ(listen_unix(socket).error().code, Errc::conflict);
    }
    EXPECT_EQ(connect_unix(socket).error().code, Errc::unavailable);
    EXPECT_TRUE(listen_unix(socket));
    std::ofstream(directory.path() / "file") << "x";
    EXPECT_EQ(listen_unix(directory.path() / "file").error().code, Errc::conflict);
    EXPECT_EQ(connect_unix(directory.path() / "none").error().code, Errc::not_found);
}

}  // namespace
}  // namespace belay::sys
