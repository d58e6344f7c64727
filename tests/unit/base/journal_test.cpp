// The journal's native protocol, against a real datagram socket.
#include "base/journal.hpp"

#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace belay::log {
namespace {

// What journald's own parser makes of a datagram; a field that comes twice counts once here.
std::map<std::string, std::string> parse(const std::string& entry) {
    std::map<std::string, std::string> fields;
    std::size_t at = 0;
    while (at < entry.size()) {
        const auto end = entry.find('\n', at);
        if (end == entry.npos) {
            ADD_FAILURE() << "a field does not end";
            break;
        }
        const auto line = entry.substr(at, end - at);
        const auto equals = line.find('=');
        if (equals != line.npos) {
            fields[line.substr(0, equals)] = line.substr(equals + 1);
            at = end + 1;
            continue;
        }
        std::uint64_t length = 0;
        for (unsigned i = 0; i < 8; ++i)
            length |= std::uint64_t{static_cast<unsigned char>(entry.at(end + 1 + i))} << 8 * i;
        fields[line] = entry.substr(end + 9, length);
        if (entry.at(end + 9 + length) != '\n') ADD_FAILURE() << line << " is longer than it says";
        at = end + 9 + length + 1;
    }
    return fields;
}

class JournalTest : public testing::Test {
  protected:
    JournalTest() { bind(); }
    ~JournalTest() override { ::close(socket_); }
    void bind() {
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        timeval patience{10, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    std::string received() {
        std::string datagram(1 << 16, '\0');
        const auto size = ::recv(socket_, datagram.data(), datagram.size(), 0);
        datagram.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return datagram;
    }

    test::TempDirectory directory_;
    std::string path_ = directory_ / "socket";
    int socket_ = -1;
};

TEST_F(JournalTest, GetsEachFieldByItself) {
    auto journal = Journal::at(path_);
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->send(journal_entry(Level::warning, "it failed app=shop",
                                            {{"app", "shop"}, {"deployment", "d12"}})));
    EXPECT_EQ(parse(received()),
              (std::map<std::string, std::string>{{"MESSAGE", "it failed app=shop"},
                                                  {"PRIORITY", "4"},
                                                  {"SYSLOG_IDENTIFIER", "belay"},
                                                  {"BELAY_APP", "shop"},
                                                  {"BELAY_DEPLOYMENT", "d12"}}));
}

// Else a value could bring fields of its own along.
TEST_F(JournalTest, GetsAValueWithLineBreaksByItsLength) {
    auto journal = Journal::at(path_);
    const std::string forged = "x\nBELAY_APP=bank\nPRIORITY=0\n";
    ASSERT_TRUE(journal->send(journal_entry(Level::error, "two\nlines",
                                            {{"detail", forged}, {"app", "shop"}, {"end", ""}})));
    const auto datagram = received();
    EXPECT_NE(datagram.find(std::string("MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n", 26)),
              datagram.npos);
    const auto fields = parse(datagram);
    EXPECT_EQ(fields.at("MESSAGE"), "two\nlines");
    EXPECT_EQ(fields.at("BELAY_DETAIL"), forged);
    EXPECT_EQ(fields.at("BELAY_APP"), "shop");
    EXPECT_EQ(fields.at("BELAY_END"), "");
    EXPECT_EQ(fields.at("PRIORITY"), "3");
}

TEST_F(JournalTest, TakesNoKeyThatIsNoName) {
    const auto entry = journal_entry(
        Level::info, "x", {{"a b", "1"}, {"", "2"}, {std::string(80, 'a'), "3"}, {"run_2", "4"}});
    const auto fields = parse(entry);
    EXPECT_EQ(fields.size(), 4u);
    EXPECT_EQ(fields.at("BELAY_RUN_2"), "4");
}

TEST_F(JournalTest, IsFoundAgainWhenItWasAway) {
    auto journal = Journal::at(path_);
    ::close(socket_);
    ::unlink(path_.c_str());
    EXPECT_FALSE(journal->send(journal_entry(Level::info, "lost", {})));
    bind();
    EXPECT_TRUE(journal->send(journal_entry(Level::info, "found", {})));
    EXPECT_EQ(parse(received()).at("MESSAGE"), "found");
}

TEST_F(JournalTest, IsNotGivenWhatIsTooLongForIt) {
    auto journal = Journal::at(path_);
    EXPECT_FALSE(journal->send(journal_entry(Level::info, std::string(8 << 20, 'x'), {})));
}

TEST_F(JournalTest, IsUsedOnlyWhereTheStreamIsItsOwn) {
    struct stat status{};
    ASSERT_EQ(::fstat(socket_, &status), 0);
    const auto own = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    EXPECT_TRUE(leads_to_journal(socket_, own.c_str()));
    EXPECT_FALSE(leads_to_journal(socket_, (own + "1").c_str()));
    EXPECT_FALSE(leads_to_journal(socket_, ("1" + own).c_str()));
    EXPECT_FALSE(leads_to_journal(-1, own.c_str()));
    for (const char* odd : {static_cast<const char*>(nullptr), "", ":", "1", "1:", "x:y"})
        EXPECT_FALSE(leads_to_journal(socket_, odd));
}

}  // namespace
}  // namespace belay::log
