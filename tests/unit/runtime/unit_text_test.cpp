#include "runtime/unit_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace belay::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const sys::UnitSetting* find(const std::vector<sys::UnitSetting>& settings, std::string_view name) {
    auto at = std::find_if(settings.begin(), settings.end(),
                           [&](const auto& setting) { return setting.name == name; });
    return at == settings.end() ? nullptr : &*at;
}

ports::ProcessSpec spec() {
    ports::ProcessSpec made;
    made.run_id = "shop.12.web.1.3";
    made.argv = {"node", "--port", "$PORT"};
    made.env = {{"PORT", "20001"}, {"SHELL", "/bin/false"}};
    made.cwd = "/srv/shop";
    made.log_path = "/var/log/shop";
    return made;
}

TEST(UnitNames, LeadFromARunToItsUnitAndBack) {
    EXPECT_EQ(unit_of("shop.12.web.1.3"), "belay-shop.12.web.1.3.service");
    EXPECT_EQ(run_of("belay-my-app.12.web.1.3.service"), "my-app.12.web.1.3");
    for (const char* stranger : {"belay.service", "belay-proxy.service", "shop.service",
                                 "belay-shop.target", "belay-shop.1.web.1.3.4.service"})
        EXPECT_FALSE(run_of(stranger)) << stranger;
    EXPECT_EQ(app_of("my-app.12.web.1.3"), "my-app");
    EXPECT_EQ(app_of("proxy"), "");
}

TEST(UnitSettings, TheProgramRunsAsItsUserWithoutCapabilities) {
    auto made = spec();
    made.user = User{52002, 52003, {}};
    auto settings = unit_settings(made, "/units/env");
    const auto& command = std::get<sys::UnitCommand>(find(settings, "ExecStart")->value);
    EXPECT_EQ(command.path, "/usr/bin/setpriv");
    EXPECT_THAT(command.argv, ElementsAre("setpriv", "--reuid=52002", "--regid=52003",
                                          "--clear-groups", "--inh-caps=-all",
                                          "--bounding-set=-all", "--", "node", "--port", "$PORT"));
    made.user->groups = {7, 9};
    settings = unit_settings(made, "/units/env");
    EXPECT_THAT(std::get<sys::UnitCommand>(find(settings, "ExecStart")->value).argv,
                ::testing::Contains("--groups=7,9"));
}

TEST(UnitSettings, NoValueOfTheEnvironmentIsAProperty) {
    auto made = spec();
    made.env.emplace_back("TOKEN", "very-secret");
    for (const auto& setting : unit_settings(made, "/units/env")) {
        if (const auto* text = std::get_if<std::string>(&setting.value)) {
            EXPECT_THAT(*text, Not(HasSubstr("very-secret"))) << setting.name;
        }
        if (const auto* list = std::get_if<std::vector<std::string>>(&setting.value)) {
            EXPECT_THAT(*list, Not(::testing::Contains(HasSubstr("very-secret")))) << setting.name;
        }
        EXPECT_NE(setting.name, "Environment");
    }
}

TEST(UnitSettings, WhatSystemdWouldAddToTheEnvironmentIsTakenOutUnlessTheAppHasItItself) {
    auto settings = unit_settings(spec(), "/units/env");
    const auto& unset =
        std::get<std::vector<std::string>>(find(settings, "UnsetEnvironment")->value);
    EXPECT_THAT(unset, ::testing::Contains("INVOCATION_ID"));
    EXPECT_THAT(unset, Not(::testing::Contains("SHELL")));
}

TEST(UnitSettings, LimitsAreThereWhereTheyAreAsked) {
    auto settings = unit_settings(spec(), "/units/env");
    for (const char* name : {"MemoryMax", "MemorySwapMax", "CPUQuotaPerSecUSec", "TasksMax"})
        EXPECT_EQ(find(settings, name), nullptr) << name;
    auto made = spec();
    made.resources.memory = 64u << 20;
    made.resources.cpu = 1.5;
    made.resources.processes = 9;
    settings = unit_settings(made, "/units/env");
    EXPECT_EQ(std::get<std::uint64_t>(find(settings, "MemoryMax")->value), 64u << 20);
    EXPECT_EQ(std::get<std::uint64_t>(find(settings, "MemorySwapMax")->value), 0u);
    EXPECT_EQ(std::get<std::uint64_t>(find(settings, "CPUQuotaPerSecUSec")->value), 1'500'000u);
    EXPECT_EQ(std::get<std::uint64_t>(find(settings, "TasksMax")->value), 9u);
}

TEST(EnvironmentText, IsReadBackByTheManagerAsItWas) {
    // As systemd.exec(5) has it: in double quotes \ escapes " \ ` $, and lines may follow.
    EXPECT_EQ(*environment_text({{"A", "plain"}, {"B", ""}, {"C", "x\"y\\z`$1\n# two\tü"}}),
              "A=\"plain\"\nB=\"\"\nC=\"x\\\"y\\\\z\\`\\$1\n# two\tü\"\n");
}

TEST(EnvironmentText, NamesTheVariableThatItCannotCarryAndNeverItsValue) {
    for (const char* value : {"a\x01z", "a\rz", "a\x1bz", "a\x7fz", "a\xffz", "a\xc3"}) {
        auto refused = environment_text({{"TOKEN", value}});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::invalid);
        EXPECT_THAT(refused.error().message, HasSubstr("TOKEN"));
        EXPECT_THAT(refused.error().message, Not(HasSubstr(value)));
    }
    for (const char* name : {"", "1A", "A-B", "A B", "A.B"})
        EXPECT_FALSE(environment_text({{name, "x"}})) << name;
}

TEST(BootText, IsTheTransientUnitThatComesBackForEver) {
    const auto text = boot_unit_text(
        "# This is a transient unit file, created programmatically via the systemd API.\n"
        "[Unit]\nDescription=x\n\n[Service]\nRestart=no\nExecStart=\nExecStart=@/bin/sh \"sh\"\n");
    EXPECT_THAT(text, Not(HasSubstr("transient")));
    EXPECT_THAT(text, HasSubstr("ExecStart=@/bin/sh \"sh\"\n"));
    EXPECT_THAT(text, HasSubstr("[Unit]\nAfter=network.target local-fs.target\n"
                                "Before=belay.service\n"));
    EXPECT_GT(text.find("Restart=always"), text.find("Restart=no")) << "the last one counts";
    EXPECT_THAT(boot_target_text("shop", {"shop.1.web.1.1", "shop.1.worker.1.1"}),
                HasSubstr("Wants=belay-shop.1.web.1.1.service\n"
                          "Wants=belay-shop.1.worker.1.1.service\n"));
}

}  // namespace
}  // namespace belay::runtime
