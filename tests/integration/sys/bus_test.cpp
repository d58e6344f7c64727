// Against a bus of the test's own: a real dbus-daemon, whose own interface is called and listened
// to.
#include "support/eventually.hpp"
#include "support/private_bus.hpp"
#include "support/test_loop.hpp"

#include <belay/sys/bus.hpp>
#include <belay/sys/units.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

namespace belay::sys {
namespace {

using ::testing::HasSubstr;

class BusTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!test::PrivateBus::possible()) GTEST_SKIP() << "there is no dbus-daemon";
        start();
    }

    std::string address() const { return bus_.address(); }
    void start() { ASSERT_TRUE(bus_.start()); }
    void stop() { bus_.stop(); }

    // A method of the bus itself.
    static BusMethod bus_method(const char* member) {
        return {"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member};
    }
    Result<std::string> identity(Bus& bus) {
        auto reply = loop_.run(bus.call(bus_method("GetId")));
        if (!reply) return reply.error();
        const char* text = nullptr;
        if (::sd_bus_message_read(reply->get(), "s", &text) < 0) return Error{Errc::internal, "?"};
        return std::string(text);
    }

    test::PrivateBus bus_;
    test::TestLoop loop_;
};

TEST_F(BusTest, CallsAndReadsTheAnswer) {
    Bus bus(loop_.executor(), loop_.timers(), address());
    EXPECT_FALSE(bus.connected());
    auto first = identity(bus);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->size(), 32U);
    EXPECT_TRUE(bus.connected());
    EXPECT_EQ(identity(bus).value(), *first);
}

TEST_F(BusTest, SaysWhatWasRefusedAndByWhichName) {
    Bus bus(loop_.executor(), loop_.timers(), address());
    auto unknown = loop_.run(bus.call(bus_method("NoSuchThing")));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Errc::invalid);
    EXPECT_THAT(unknown.error().message, HasSubstr("[org.freedesktop.DBus.Error.UnknownMethod]"));

    auto method = bus_method("GetConnectionUnixUser");
    Bus::Write own_name = [](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "s", "org.freedesktop.DBus");
    };
    auto denied = loop_.run(bus.call(method, own_name));
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code, Errc::forbidden);

    BusMethod nobody{"org.example.Nobody", "/", "org.example", "Hello"};
    auto away = loop_.run(bus.call(nobody));
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().code, Errc::unavailable);
}

TEST_F(BusTest, HearsSignalsUntilItNoLongerWantsTo) {
    Bus bus(loop_.executor(), loop_.timers(), address());
    int heard = 0;
    BusMatch owners{"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                    "NameOwnerChanged"};
    auto subscription = bus.on_signal(owners, [&](sd_bus_message*) { ++heard; });
    ASSERT_TRUE(identity(bus));
    const int before = heard;
    {
        Bus other(loop_.executor(), loop_.timers(), address());
        ASSERT_TRUE(identity(other));
        EXPECT_TRUE(loop_.run_until([&] { return heard > before; }));
    }
    EXPECT_TRUE(loop_.run_until([&] { return heard > before + 1; }));  // it left
    subscription.end();
    const int last = heard;
    Bus third(loop_.executor(), loop_.timers(), address());
    ASSERT_TRUE(identity(third));
    ASSERT_TRUE(identity(bus));  // after whatever the bus had to say before
    EXPECT_EQ(heard, last);
}

TEST_F(BusTest, ComesBackWithItsSignalsWhenTheBusDoes) {
    Bus bus(loop_.executor(), loop_.timers(), address());
    int heard = 0, connected = 0;
    auto standing = bus.on_connected([&] { ++connected; });
    auto subscription = bus.on_signal({"org.freedesktop.DBus", "", "", "NameOwnerChanged"},
                                      [&](sd_bus_message*) { ++heard; });
    ASSERT_TRUE(identity(bus));
    EXPECT_EQ(connected, 1);
    stop();
    ASSERT_TRUE(loop_.run_until([&] { return !bus.connected(); }));
    start();
    ASSERT_TRUE(loop_.run_until([&] { return connected == 2; }));
    ASSERT_TRUE(identity(bus));
    heard = 0;
    Bus other(loop_.executor(), loop_.timers(), address());
    ASSERT_TRUE(identity(other));
    EXPECT_TRUE(loop_.run_until([&] { return heard > 0; }));
}

TEST_F(BusTest, NamesTheSocketAndTheCureWhereThereIsNoBus) {
    stop();
    Bus bus(loop_.executor(), loop_.timers(), address());
    auto away = identity(bus);
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().code, Errc::unavailable);
    EXPECT_THAT(away.error().message, HasSubstr(bus_.socket()));
    EXPECT_THAT(away.error().message, HasSubstr("install `dbus`"));
    start();
    EXPECT_TRUE(identity(bus));
}

TEST_F(BusTest, EndsACallWhoseAnswerDoesNotComeInTime) {
    Bus bus(loop_.executor(), loop_.timers(), address());
    // A connection of ours answers nobody while its loop does not run.
    test::TestLoop still;
    Bus silent(still.executor(), still.timers(), address());
    std::string name = "org.example.Silent";
    Bus::Write own = [&](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "su", name.c_str(), 0U);
    };
    ASSERT_TRUE(still.run(silent.call(bus_method("RequestName"), own)));
    BusMethod asked{name, "/", "org.example", "Hello", Millis{50}};
    auto late = loop_.run(bus.call(asked));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::timeout) << late.error().message;
}

TEST_F(BusTest, EndsCallsUnderWayWhenTheBusDies) {
    Bus bus(loop_.executor(), loop_.timers(), address());
    test::TestLoop still;
    Bus silent(still.executor(), still.timers(), address());
    Bus::Write own = [&](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "su", "org.example.Silent", 0U);
    };
    ASSERT_TRUE(still.run(silent.call(bus_method("RequestName"), own)));
    ASSERT_TRUE(identity(bus));
    auto killed = loop_.timers().after(Millis{20}, [this] { stop(); });
    BusMethod asked{"org.example.Silent", "/", "org.example", "Hello", Millis{20'000}};
    auto lost = loop_.run(bus.call(asked));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Errc::unavailable) << lost.error().message;
}

TEST_F(BusTest, SaysThatSystemdIsNotThere) {
    Units units(loop_.executor(), loop_.timers(), address());
    auto version = loop_.run(units.version());
    ASSERT_FALSE(version);
    EXPECT_EQ(version.error().code, Errc::unavailable) << version.error().message;
}

}  // namespace
}  // namespace belay::sys
