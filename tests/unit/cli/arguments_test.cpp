#include "cli/command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace belay::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string complaint(std::vector<std::string> arguments) {
    auto parsed = parse_arguments(std::move(arguments));
    return parsed ? std::string("accepted") : parsed.error().message;
}

TEST(Arguments, AreReadInAnyOrder) {
    for (const auto& line : std::vector<std::vector<std::string>>{
             {"deploy", "shop", "--ref", "v2", "--wait", "--json"},
             {"--json", "deploy", "--wait", "--ref=v2", "shop"},
             {"--socket", "/x", "deploy", "--ref", "v2", "shop", "--wait", "--json"}}) {
        auto parsed = parse_arguments(line);
        ASSERT_TRUE(parsed) << parsed.error().message;
        EXPECT_EQ(parsed->command->name, "deploy");
        EXPECT_EQ(parsed->positional("APP"), "shop");
        EXPECT_EQ(parsed->value("ref"), "v2");
        EXPECT_TRUE(parsed->flag("wait"));
        EXPECT_TRUE(parsed->flag("json"));
        EXPECT_FALSE(parsed->flag("force"));
    }
}

TEST(Arguments, OfASubcommandFollowItsTwoWords) {
    auto parsed = parse_arguments({"secret", "--config", "/c", "set", "shop", "TOKEN"});
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->command->name, "secret set");
    EXPECT_EQ(parsed->positional("APP"), "shop");
    EXPECT_EQ(parsed->positional("NAME"), "TOKEN");
    EXPECT_EQ(parsed->value("config"), "/c");
}

TEST(Arguments, BehindTwoDashesAreTheCommandsOwn) {
    auto parsed = parse_arguments({"run", "shop", "--", "ls", "-l", "--json", "--"});
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_THAT(parsed->rest, ElementsAre("ls", "-l", "--json", "--"));
    EXPECT_FALSE(parsed->flag("json"));
    parsed = parse_arguments({"run", "shop", "ls", "--", "-l"});
    ASSERT_TRUE(parsed);
    EXPECT_THAT(parsed->rest, ElementsAre("ls", "-l"));
}

TEST(Arguments, ThatAreWrongAreNamedWithTheNearestRightOnes) {
    EXPECT_EQ(complaint({"depoly", "shop"}),
              "there is no command \"depoly\"; did you mean deploy?\nSee `belay help`.");
    EXPECT_EQ(complaint({"secret", "ste", "shop"}),
              "belay secret has no command \"ste\"; did you mean set?\nSee `belay help`.");
    EXPECT_EQ(
        complaint({"deploy", "shop", "--forse"}),
        "belay deploy has no option \"--forse\"; did you mean --force?\nSee `belay help deploy`.");
    EXPECT_EQ(complaint({"deploy"}), "belay deploy: APP is missing\nSee `belay help deploy`.");
    EXPECT_EQ(complaint({"deploy", "shop", "blog"}),
              "belay deploy has no use for \"blog\"\nSee `belay help deploy`.");
    EXPECT_EQ(complaint({"deploy", "shop", "--", "blog"}),
              "belay deploy has no use for \"blog\"\nSee `belay help deploy`.");
    EXPECT_EQ(complaint({"deploy", "shop", "--ref"}),
              "belay deploy: --ref needs a value\nSee `belay help deploy`.");
    EXPECT_EQ(complaint({"deploy", "shop", "--force=false"}),
              "belay deploy: --force takes no value\nSee `belay help deploy`.");
    EXPECT_EQ(complaint({"secret"}), "belay secret: a subcommand is missing\nSee `belay help`.");
    EXPECT_EQ(complaint({"--json"}), "a command is missing\nSee `belay help`.");
    EXPECT_THAT(complaint({"xyzzy"}), Not(HasSubstr("did you mean")));
}

TEST(Commands, AreEachNamedOnceAndHaveAFunction) {
    std::set<std::string_view> names;
    for (const auto& command : commands()) {
        EXPECT_TRUE(names.insert(command.name).second) << command.name;
        EXPECT_NE(command.run, nullptr) << command.name;
        EXPECT_FALSE(command.summary.empty()) << command.name;
    }
    for (std::string_view name :
         {"serve",       "init",       "check",    "status", "deploy",       "rollback",
          "cancel",      "approve",    "reject",   "hold",   "resume",       "history",
          "show",        "why",        "releases", "logs",   "restart",      "stop",
          "start",       "reload",     "remove",   "run",    "deliveries",   "redeliver",
          "shutdown",    "secret set", "version",  "help",   "hook install", "completion",
          "notify test", "backup",     "restore",  "gc",     "doctor"})
        EXPECT_TRUE(names.count(name)) << name;
    for (std::string_view later : {"try", "token", "rename"})
        EXPECT_FALSE(names.count(later)) << later;
}

TEST(Help, ShowsWhatBelayStartsForItselfOnlyWhenAskedForAll) {
    EXPECT_THAT(render_help(false), Not(HasSubstr("\n  proxy ")));
    EXPECT_THAT(render_help(true), HasSubstr("\n  proxy         the data plane\n"));
    EXPECT_THAT(render_help(false), HasSubstr("\n  deploy     deploy an app by hand\n"));
}

TEST(Help, OfOneCommandNamesItsOptionsAndAnExample) {
    EXPECT_EQ(render_help_of("hold"),
              "stop automatic deployments; pushes are recorded\n"
              "\n"
              "Usage: belay hold APP [OPTIONS]\n"
              "\n"
              "Options\n"
              "  -m, --message WHY  the reason, for the record\n"
              "\n"
              "Example\n"
              "  belay hold shop -m 'release freeze'\n");
    EXPECT_THAT(render_help_of("secret"), HasSubstr("belay secret rm APP NAME"));
    EXPECT_EQ(render_help_of("nonsense"), "");
}

TEST(Completion, KnowsEveryCommandInEveryShell) {
    for (std::string_view shell : {"bash", "zsh", "fish"}) {
        auto script = render_completion(shell);
        for (const auto& command : commands()) {
            auto word = std::string(command.name.substr(0, command.name.find(' ')));
            EXPECT_TRUE(command.hidden || script.find(word) != std::string::npos)
                << shell << ' ' << word;
        }
        EXPECT_THAT(script, Not(HasSubstr("stage\n")));
        EXPECT_THAT(script, HasSubstr("no-hold")) << shell;
    }
    EXPECT_EQ(render_completion("csh"), "");
}

TEST(Nearest, IsSilentWhereAllAreFar) {
    std::vector<std::string> names{"deploy", "status", "stop", "start"};
    EXPECT_EQ(nearest("stauts", names), "status");
    EXPECT_EQ(nearest("sotp", names), "stop");
    EXPECT_EQ(nearest("deplyo", names), "deploy");
    EXPECT_EQ(nearest("quux", names), std::nullopt);
    EXPECT_EQ(nearest("", names), std::nullopt);
}

}  // namespace
}  // namespace belay::cli
