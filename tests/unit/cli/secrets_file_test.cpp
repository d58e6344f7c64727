#include "cli/secrets_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::cli {
namespace {

using ::testing::ElementsAre;

TEST(SecretsFile, KeepsWhatItDoesNotChange) {
    std::string content =
        "# mail\nexport MAIL_KEY=abc\n\nDB = \"two\nlines \\\" too\nand more\"\nLAST='x'";
    EXPECT_THAT(secret_names(content), ElementsAre("MAIL_KEY", "DB", "LAST"));
    EXPECT_EQ(*with_secret(content, "NEW", Secret("v")), content + "\nNEW=v\n");
    EXPECT_EQ(*with_secret(content, "DB", Secret("v")),
              "# mail\nexport MAIL_KEY=abc\n\nDB=v\nLAST='x'");
    EXPECT_EQ(*without_secret(content, "DB"), "# mail\nexport MAIL_KEY=abc\n\nLAST='x'");
}

TEST(SecretsFile, QuotesWhatAReaderCouldMistake) {
    auto line = [](std::string value) { return *with_secret("", "A", Secret(std::move(value))); };
    EXPECT_EQ(line("https://u:p@h/x?"), "A='https://u:p@h/x?'\n");
    EXPECT_EQ(line("plain/._:@%+,=-9"), "A=plain/._:@%+,=-9\n");
    EXPECT_EQ(line("two words # $x"), "A='two words # $x'\n");
    EXPECT_EQ(line("it's \"$x\"\n`\\"), "A=\"it's \\\"\\$x\\\"\\n`\\\\\"\n");
    EXPECT_FALSE(with_secret("", "A", Secret(std::string("a\0b", 3))));
}

TEST(SecretsFile, SetTwiceHoldsOneLine) {
    auto once = *with_secret("A=1\nB=2\nA=3\n", "A", Secret("4"));
    EXPECT_EQ(once, "A=4\nB=2\n");
}

TEST(SecretsFile, CanNotLoseWhatItDoesNotHold) {
    auto gone = without_secret("A=1\n#B=2\n", "B");
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, Errc::not_found);
}

TEST(SecretName, IsOneThatAnEnvironmentCanHold) {
    EXPECT_TRUE(is_variable_name("_A9"));
    for (auto bad : {"", "9A", "A-B", "A B", "A=B", "Ä"})
        EXPECT_FALSE(is_variable_name(bad)) << bad;
}

}  // namespace
}  // namespace belay::cli
