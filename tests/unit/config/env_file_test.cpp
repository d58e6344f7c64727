#include <belay/config/env_file.hpp>

#include <gtest/gtest.h>

namespace belay::config {
namespace {

std::string value(const std::string& text, const std::string& name) {
    auto parsed = parse_env_text(text);
    EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().message);
    return parsed && parsed->contains(name) ? parsed->at(name).reveal() : "(none)";
}

TEST(EnvFile, ReadsWhatDotenvFilesHave) {
    EXPECT_EQ(value("# c\n\nA=b\n", "A"), "b");
    EXPECT_EQ(value("export A = b c # d\r\n", "A"), "b c");
    EXPECT_EQ(value("A=b#c", "A"), "b#c");
    EXPECT_EQ(value("A=", "A"), "");
    EXPECT_EQ(value("A='$x \\n # y' # z", "A"), "$x \\n # y");
    EXPECT_EQ(value("A=\"a\\n\\\"b\\\" \\$c\\d\"", "A"), "a\n\"b\" $c\\d");
    EXPECT_EQ(value("A=\"-----BEGIN\nxyz\n-----END\"\nB=2\n", "A"), "-----BEGIN\nxyz\n-----END");
    EXPECT_EQ(value("A=\"x\ny\"\nB=2\n", "B"), "2");
    EXPECT_EQ(value("A=1\nA=2\n", "A"), "2");
    EXPECT_EQ(value("A=$HOME", "A"), "$HOME");
}

TEST(EnvFile, NamesTheLineAndNeverTheValue) {
    auto message = [](const std::string& text) { return parse_env_text(text).error().message; };
    EXPECT_EQ(message("A=1\nhunter2\n"), "line 2: is no NAME=value");
    EXPECT_EQ(message("hunter-2=x"), "line 1: before the \"=\" stands no name of a variable");
    EXPECT_EQ(message("A=\"x\ny\"\nB='hunter2\n\n"),
              "line 3: the quote that begins the value is never closed");
    EXPECT_EQ(message("A='x' hunter2"), "line 1: something stands behind the closing quote");
    EXPECT_EQ(message("PORT=1"),
              "line 1: PORT is set by Belay itself, for each process; leave it out");
    EXPECT_EQ(message(std::string("A=\0b", 4)), "is no text file: it has zero bytes");
}

TEST(EnvFile, WritesWhatItReadsBack) {
    std::map<std::string, Secret> secrets{{"A", Secret("plain")},
                                          {"B", Secret("a\nb\r\n\"q\" 'x' \\n $HOME #c")},
                                          {"C", Secret("")},
                                          {"D", Secret("  spaces  ")},
                                          {"E", Secret("tab\t\xc3\xa4")}};
    auto text = format_env_text(secrets);
    ASSERT_TRUE(text);
    auto back = parse_env_text(*text);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(back->size(), secrets.size());
    for (const auto& [name, secret] : secrets)
        EXPECT_EQ(back->at(name).reveal(), secret.reveal()) << name;
    EXPECT_FALSE(format_env_text({{"a b", Secret("x")}}));
    EXPECT_FALSE(format_env_text({{"A", Secret(std::string("x\0y", 3))}}));
}

}  // namespace
}  // namespace belay::config
