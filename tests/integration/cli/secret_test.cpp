#include "cli/whole_file.hpp"
#include "command_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

namespace belay::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

mode_t mode_of(const std::string& path) {
    struct stat facts{};
    return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777 : 0;
}

TEST(Secret, IsSetFromStandardInputAndNeverShown) {
    CommandRun belay;
    belay.input = "s3cr3t value\n";
    auto outcome = belay({"secret", "set", "shop", "TOKEN"});
    ASSERT_EQ(outcome.code, kDone) << outcome.err;
    EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("s3cr3t")));
    auto file = belay.folder.path("secrets/shop.env");
    EXPECT_EQ(*read_file(file), "TOKEN='s3cr3t value'\n");
    EXPECT_EQ(mode_of(file), mode_t{0600});
    EXPECT_EQ(mode_of(belay.folder.path("secrets")), mode_t{0700});

    belay.input = "two";
    ASSERT_EQ(belay({"secret", "set", "shop", "OTHER"}).code, kDone);
    auto list = belay({"secret", "list", "shop"});
    EXPECT_EQ(list.out, "TOKEN\nOTHER\n");
    EXPECT_EQ(belay({"secret", "list", "shop", "--json"}).out,
              "{\"items\":[\"TOKEN\",\"OTHER\"]}\n");

    ASSERT_EQ(belay({"secret", "rm", "shop", "TOKEN"}).code, kDone);
    EXPECT_EQ(*read_file(file), "OTHER=two\n");
    EXPECT_EQ(belay({"secret", "rm", "shop", "TOKEN"}).code, kNoSuchThing);
    for (const auto& entry : std::filesystem::directory_iterator(belay.folder.path("secrets")))
        EXPECT_EQ(entry.path().filename(), "shop.env");  // no temporary file is left
}

TEST(Secret, NeedsAnAppANameAndAValue) {
    CommandRun belay;
    belay.input = "x";
    EXPECT_EQ(belay({"secret", "set", "blog", "TOKEN"}).code, kNoSuchThing);
    for (std::string name : {"1X", "A-B", "PORT", "HOST", "BELAY_APP"})
        EXPECT_EQ(belay({"secret", "set", "shop", name}).code, kUsage) << name;
    belay.input = "\n";
    EXPECT_EQ(belay({"secret", "set", "shop", "TOKEN"}).code, kUsage);
    EXPECT_FALSE(std::filesystem::exists(belay.folder.path("secrets")));
    EXPECT_EQ(belay({"secret", "list", "shop"}).out, "");
}

}  // namespace
}  // namespace belay::cli
