#include "runtime/boot_files.hpp"

#include "support/temp_directory.hpp"

#include <belay/sys/files.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct BootFilesTest : ::testing::Test {
    std::string read(const std::string& name) {
        auto text = sys::read_file(directory.path() / name);
        return text ? *text : "";
    }
    bool linked() {
        return std::filesystem::exists(directory.path() /
                                       "multi-user.target.wants/belay-shop.target");
    }
    static bool is(const Result<bool>& got, bool wanted) { return got && *got == wanted; }

    test::TempDirectory directory;
    BootFiles files{directory.path()};
};

TEST_F(BootFilesTest, ATargetNamesWhatBootsAndIsThereOnlyWhileAnythingDoes) {
    EXPECT_TRUE(is(files.write_target("shop", {}), false));
    EXPECT_TRUE(is(files.write_target("shop", {"shop.1.web.1.1", "shop.1.web.2.1"}), true));
    EXPECT_TRUE(linked());
    EXPECT_TRUE(is(files.write_target("shop", {"shop.1.web.1.1", "shop.1.web.2.1"}), false));
    EXPECT_TRUE(is(files.write_target("shop", {"shop.2.web.1.1"}), true));
    EXPECT_THAT(read("belay-shop.target"), HasSubstr("Wants=belay-shop.2.web.1.1.service\n"));
    EXPECT_THAT(read("belay-shop.target"), Not(HasSubstr("shop.1.web")));
    EXPECT_TRUE(is(files.remove_from_target("shop.1.web.1.1"), false));
    EXPECT_TRUE(is(files.remove_from_target("proxy"), false));
    EXPECT_TRUE(is(files.remove_from_target("shop.2.web.1.1"), true));
    EXPECT_FALSE(linked());
    EXPECT_EQ(read("belay-shop.target"), "");
}

TEST_F(BootFilesTest, ATargetWhoseLinkIsGoneIsLinkedAgain) {
    ASSERT_TRUE(is(files.write_target("shop", {"shop.1.web.1.1"}), true));
    std::filesystem::remove(directory.path() / "multi-user.target.wants/belay-shop.target");
    EXPECT_TRUE(is(files.write_target("shop", {"shop.1.web.1.1"}), true));
    EXPECT_TRUE(linked());
}

TEST_F(BootFilesTest, KnowsItsUnits) {
    EXPECT_FALSE(files.has_unit("shop.1.web.1.1"));
    ASSERT_TRUE(files.write_unit("shop.1.web.1.1", "[Service]\n"));
    EXPECT_TRUE(files.has_unit("shop.1.web.1.1"));
    EXPECT_EQ(read("belay-shop.1.web.1.1.service"), "[Service]\n");
    EXPECT_TRUE(is(files.remove_unit("shop.1.web.1.1"), true));
    EXPECT_TRUE(is(files.remove_unit("shop.1.web.1.1"), false));
}

}  // namespace
}  // namespace belay::runtime
