#include "cli/client.hpp"

#include "command_run.hpp"
#include "fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sys/stat.h>

namespace belay::cli {
namespace {

using ::testing::HasSubstr;

TEST(Client, ReachesASocketWhosePathIsTooLongForTheKernel) {
    TemporaryFolder folder;
    auto deep = folder.path(std::string(100, 'a') + "/" + std::string(100, 'b'));
    std::filesystem::create_directories(deep);
    FakeDaemon daemon(deep + "/belay.sock",
                      [](const Seen&, Answer& answer) { answer.json(200, "{}"); });
    auto body = Client(deep + "/belay.sock").get("/api/v1/status");
    ASSERT_TRUE(body) << body.error().message;
    EXPECT_EQ(*body, "{}");
}

TEST(Client, NamesTheSocketAndTheCureWhereNoDaemonIs) {
    CommandRun belay;
    auto outcome = belay({"status"});
    EXPECT_EQ(outcome.code, kNoDaemon);
    EXPECT_THAT(outcome.err, HasSubstr(belay.socket() + ": No such file or directory"));
    EXPECT_THAT(outcome.err, HasSubstr("belay serve"));
    // a socket that nobody listens on any more
    std::ofstream(belay.socket()).put('x');
    EXPECT_EQ(belay({"status"}).code, kNoDaemon);
}

TEST(Client, IsNotAllowedWhereTheDirectoryIsClosed) {
    CommandRun belay;
    if (::geteuid() == 0) {
        // Root is let in everywhere: the same answer, given by the daemon.
        FakeDaemon daemon(belay.socket(), [](const Seen&, Answer& answer) {
            answer.problem(403, "members of belay may");
        });
        auto outcome = belay({"status"});
        EXPECT_EQ(outcome.code, kNotAllowed);
        EXPECT_THAT(outcome.err, HasSubstr("members of belay may"));
        return;
    }
    FakeDaemon daemon(belay.socket(), [](const Seen&, Answer& answer) { answer.json(200, "{}"); });
    ::chmod(belay.socket().c_str(), 0);
    auto outcome = belay({"status"});
    EXPECT_EQ(outcome.code, kNotAllowed);
    EXPECT_THAT(outcome.err, HasSubstr("[server] group"));
}

TEST(Client, TakesABrokenAnswerForAnError) {
    for (std::string raw :
         {"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
          "no HTTP at all\r\n\r\n"}) {
        TemporaryFolder folder;
        FakeDaemon daemon(folder.path("s"), [&](const Seen&, Answer& answer) { answer.raw(raw); });
        auto body = Client(folder.path("s")).get("/x");
        ASSERT_FALSE(body) << raw;
        EXPECT_EQ(body.error().code, Errc::unavailable) << raw;
    }
}

TEST(Client, ReadsAnswersThatEndWithTheConnection) {
    TemporaryFolder folder;
    FakeDaemon daemon(folder.path("s"), [&](const Seen&, Answer& answer) {
        answer.raw("HTTP/1.1 200 OK\r\n\r\nall of it");
    });
    auto body = Client(folder.path("s")).get("/x");
    ASSERT_TRUE(body) << body.error().message;
    EXPECT_EQ(*body, "all of it");
}

TEST(Client, ReadsALargeAnswerWhole) {
    TemporaryFolder folder;
    std::string large(3'000'000, 'x');
    FakeDaemon daemon(folder.path("s"), [&](const Seen&, Answer& answer) {
        answer.begin("text/plain");
        for (std::size_t at = 0; at < large.size(); at += 100'000)
            answer.chunk(large.substr(at, 100'000));
        answer.end();
    });
    auto body = Client(folder.path("s")).get("/x");
    ASSERT_TRUE(body) << body.error().message;
    EXPECT_EQ(body->size(), large.size());
}

}  // namespace
}  // namespace belay::cli
