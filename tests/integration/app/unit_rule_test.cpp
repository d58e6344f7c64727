#include "support/temp_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <app/unit_rule.hpp>
#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class UnitRuleTest : public ::testing::Test {
  protected:
    UnitRuleTest() {
        std::filesystem::create_directory(rules());
        std::ofstream(path("belay.toml")) << "[paths]\nstate = \"" << path("state") << "\"\n";
        std::filesystem::create_directory(path("state"));
    }
    std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
    std::string rules() const { return path("rules.d"); }
    cli::UnitOptions options(const std::string& unit, const std::string& user) const {
        return {path("belay.toml"), unit, user, false};
    }
    std::string content(const std::string& file) const {
        std::ifstream stream(file);
        std::stringstream text;
        text << stream.rdbuf();
        return text.str();
    }
    std::string someone() const { return ::getpwnam("nobody") != nullptr ? "nobody" : "daemon"; }

    test::TempDirectory folder_;
};

TEST_F(UnitRuleTest, LetsOneUserActOnOneUnit) {
    auto allowed = allow_unit(options("shop@1.service", someone()), rules());
    ASSERT_TRUE(allowed) << allowed.error().message;
    EXPECT_EQ(allowed->file, rules() + "/50-belay-shop@1.service.rules");
    EXPECT_THAT(allowed->text, HasSubstr("from now on"));
    const auto text = content(allowed->file);
    EXPECT_THAT(text, HasSubstr("action.id == \"org.freedesktop.systemd1.manage-units\""));
    EXPECT_THAT(text, HasSubstr("action.lookup(\"unit\") == \"shop@1.service\""));
    EXPECT_THAT(text, HasSubstr("subject.user == \"" + someone() + "\""));
    struct stat status{};
    ASSERT_EQ(::stat(allowed->file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0644u) << "polkitd is not root";
}

TEST_F(UnitRuleTest, MayBeSaidAgain) {
    auto first = allow_unit(options("shop.service", someone()), rules());
    ASSERT_TRUE(first);
    const auto written = std::filesystem::last_write_time(first->file);
    auto again = allow_unit(options("shop.service", someone()), rules());
    ASSERT_TRUE(again);
    EXPECT_THAT(again->text, HasSubstr("already"));
    EXPECT_EQ(std::filesystem::last_write_time(first->file), written);
    auto other = allow_unit(options("shop.service", "daemon"), rules());
    ASSERT_TRUE(other);
    EXPECT_THAT(content(first->file), HasSubstr("\"daemon\"")) << "and nobody else any more";
}

TEST_F(UnitRuleTest, ABackslashInANameIsNoneOfTheScripts) {
    EXPECT_THAT(unit_rule("srv-a\\x2db.service", "ada"), HasSubstr(R"("srv-a\\x2db.service")"));
}

TEST_F(UnitRuleTest, TheDaemonsUserIsWhoOwnsItsState) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
    auto nothing = allow_unit(options("shop.service", ""), rules());
    ASSERT_TRUE(nothing) << nothing.error().message;
    EXPECT_EQ(nothing->file, "");
    EXPECT_THAT(nothing->text, HasSubstr("nothing is needed"));
    EXPECT_TRUE(std::filesystem::is_empty(rules()));
    const auto* user = ::getpwnam(someone().c_str());
    ASSERT_EQ(::chown(path("state").c_str(), user->pw_uid, user->pw_gid), 0);
    auto allowed = allow_unit(options("shop.service", ""), rules());
    ASSERT_TRUE(allowed) << allowed.error().message;
    EXPECT_EQ(allowed->user, someone());
}

TEST_F(UnitRuleTest, IsTakenAwayAgain) {
    ASSERT_TRUE(allow_unit(options("shop.service", someone()), rules()));
    auto denied = deny_unit(options("shop.service", ""), rules());
    ASSERT_TRUE(denied) << denied.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(rules()));
    EXPECT_EQ(deny_unit(options("shop.service", ""), rules()).error().code, Errc::not_found);
}

TEST_F(UnitRuleTest, RefusesWhatIsNoUnitAndNoUserAndSaysWhatIsMissing) {
    EXPECT_EQ(allow_unit(options("shop", someone()), rules()).error().code, Errc::invalid);
    EXPECT_EQ(allow_unit(options("../x.service", someone()), rules()).error().code, Errc::invalid);
    EXPECT_EQ(allow_unit(options("a.service", "no-such-user"), rules()).error().code,
              Errc::not_found);
    auto none = allow_unit(options("a.service", someone()), path("none"));
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr(::geteuid() == 0 ? "apt install polkitd" : "root"));
}

}  // namespace
}  // namespace belay::app
