// belay.toml and apps/ in a real directory: what is read, what is passed over, what a reload finds.
#include "config_directory.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string app(const std::string& host) {
    return "repo = \"https://a.example/b\"\n[service]\nrun = \"x\"\n[traffic]\nhosts = [\"" + host +
           "\"]\n";
}

class Directory : public ConfigDirectory {};

TEST_F(Directory, WithoutAnyFileEverythingHasItsDefault) {
    std::filesystem::remove_all(at("apps"));
    auto loaded = source()->load();
    EXPECT_EQ(loaded.file, config());
    ASSERT_TRUE(loaded.server);
    EXPECT_EQ(*loaded.server, default_server(who_, config()));
    EXPECT_THAT(loaded.apps, IsEmpty());
    EXPECT_THAT(loaded.complaints, IsEmpty());
    EXPECT_THAT(complaints(), IsEmpty());
}

TEST_F(Directory, EditorsLeftoversArePassedOver) {
    write("apps/shop.toml", app("shop.example"));
    for (const auto* leftover : {"apps/shop.toml~", "apps/.shop.toml.swp", "apps/shop.swp",
                                 "apps/shop.toml.bak", "apps/.hidden.toml"})
        write(leftover, "rubbish");
    write("apps/notes.txt", "x");
    std::filesystem::create_directories(at("apps/dir.toml"));
    EXPECT_THAT(
        complaints(),
        ElementsAre(
            "DIR/apps/dir.toml: warning: is passed over: apps are files called NAME.toml",
            "DIR/apps/notes.txt: warning: is passed over: apps are files called NAME.toml"));
    auto loaded = source()->load();
    ASSERT_EQ(loaded.apps.size(), 1u);
    EXPECT_EQ(loaded.apps[0].name, "shop");
    EXPECT_EQ(loaded.apps[0].file, at("apps/shop.toml"));
    EXPECT_TRUE(loaded.apps[0].config);
    EXPECT_TRUE(loaded.server);
}

TEST_F(Directory, ABadAppIsItsOwnAffair) {
    write("apps/bad.toml", "repo = main\n");
    write("apps/Shop.toml", app("a.example"));
    write("apps/shop.toml", app("shop.example"));
    auto loaded = source()->load();
    ASSERT_EQ(loaded.apps.size(), 3u);
    EXPECT_EQ(loaded.apps[0].name, "Shop");
    EXPECT_EQ(plain(loaded.apps[0].complaints.at(0).to_string()),
              "DIR/apps/Shop.toml: app name \"Shop\" must start with a letter a-z; it is the "
              "file's name without .toml: rename the file");
    EXPECT_FALSE(loaded.apps[0].config);
    EXPECT_FALSE(loaded.apps[1].config);
    EXPECT_EQ(plain(loaded.apps[1].complaints.at(0).to_string()),
              "DIR/apps/bad.toml:1:8: repo: a string needs quotes: repo = \"...\"");
    EXPECT_TRUE(loaded.apps[2].config);
}

TEST_F(Directory, FilesThatAreNoneAreNamed) {
    write("apps/large.toml", std::string(10u << 20, '#'));
    ASSERT_EQ(::mkfifo(at("apps/pipe.toml").c_str(), 0644), 0);
    std::filesystem::create_symlink("/nonexistent", at("apps/gone.toml"));
    EXPECT_THAT(complaints(),
                ElementsAre("DIR/apps/gone.toml: does not exist",
                            "DIR/apps/large.toml: is larger than 1 MiB: is this the right file?",
                            "DIR/apps/pipe.toml: is no regular file"));
}

TEST_F(Directory, ABadBelayTomlLeavesItsLastValidDefaultsInForce) {
    write("belay.toml", "[defaults]\nbranch = \"stable\"\n");
    write("apps/shop.toml", app("shop.example"));
    auto from = source();
    EXPECT_EQ(from->load().apps.at(0).config.value().branch, "stable");
    write("belay.toml", "[defaults\n");
    auto broken = from->load();
    EXPECT_FALSE(broken.server);
    EXPECT_EQ(plain(broken.complaints.at(0).to_string()),
              "DIR/belay.toml:1:10: a table's head reads [name], that of one of several steps "
              "[[name]]; this one does not");
    EXPECT_EQ(broken.apps.at(0).config.value().branch, "stable");
    write("belay.toml", "");
    EXPECT_EQ(from->load().apps.at(0).config.value().branch, "main");
}

TEST_F(Directory, WithoutAValidBelayTomlNoAppIsTakenForWhatItMayNotBe) {
    write("belay.toml", "[defaults]\napproval = \"manul\"\n");
    write("apps/shop.toml", app("shop.example"));
    auto loaded = source()->load();
    EXPECT_FALSE(loaded.server);
    EXPECT_FALSE(loaded.apps.at(0).config);
    EXPECT_EQ(plain(loaded.apps[0].complaints.at(0).to_string()),
              "DIR/apps/shop.toml: waits for DIR/belay.toml, which has errors");
    EXPECT_THAT(complaints(), ElementsAre("DIR/belay.toml:2:12: approval: must be \"manual\" or "
                                          "\"none\", not \"manul\"; did you mean \"manual\"?"));
}

TEST_F(Directory, TwoAppsOfOneHostAreBothNamed) {
    write("apps/blog.toml", app("a.example"));
    write("apps/shop.toml", app("a.example"));
    EXPECT_THAT(complaints(), ElementsAre("DIR/apps/blog.toml:5:9: traffic.hosts: a.example is of "
                                          "the app shop too (DIR/apps/shop.toml)",
                                          "DIR/apps/shop.toml:5:9: traffic.hosts: a.example is of "
                                          "the app blog too (DIR/apps/blog.toml)"));
    // one file alone is still judged among its neighbours
    EXPECT_THAT(complaints({at("apps/shop.toml")}),
                ElementsAre("DIR/apps/shop.toml:5:9: traffic.hosts: a.example is of the app blog "
                            "too (DIR/apps/blog.toml)"));
}

TEST_F(Directory, SingleFilesCanBeChecked) {
    write("belay.toml", "[server]\nlistn = \"x\"\n");
    write("apps/shop.toml", "pol = \"5m\"\n" + app("a.example"));
    write("other.toml", "repo = 5\n[service]\nrun = \"x\"\n");
    EXPECT_THAT(
        complaints({config()}),
        ElementsAre("DIR/belay.toml:2:1: server.listn: unknown key; did you mean \"listen\"?"));
    EXPECT_THAT(complaints({at("apps/shop.toml")}),
                ElementsAre("DIR/apps/shop.toml:1:1: pol: unknown key; did you mean \"poll\"?"));
    EXPECT_THAT(complaints({at("other.toml")}),
                ElementsAre("DIR/other.toml:1:8: repo: wants an address such as "
                            "\"git@github.com:acme/shop.git\", not the number 5"));
    EXPECT_THAT(complaints({at("none.toml")}), ElementsAre("DIR/none.toml: does not exist"));
    std::filesystem::create_directories(at("x"));
    EXPECT_THAT(complaints({at("x/belay.toml")}), ElementsAre("DIR/x/belay.toml: does not exist"));
    EXPECT_EQ(complaints().size(), 2u);
}

TEST_F(Directory, AnAppsFileIsReadWhereverItLies) {
    write("belay.toml", "[defaults]\nbranch = \"stable\"\n");
    write("work.toml", app("a.example"));
    auto file = load_app_file(config(), at("work.toml"), who_);
    ASSERT_TRUE(file.config);
    EXPECT_EQ(file.config->name, "work");
    EXPECT_EQ(file.config->branch, "stable");
}

TEST_F(Directory, TheHashTellsWhetherAnythingChanged) {
    write("apps/shop.toml", app("a.example"));
    auto from = source();
    auto hash = [&] { return from->hash(from->encode(from->load().apps.at(0).config.value())); };
    auto before = hash();
    EXPECT_EQ(before.size(), 64u);
    write("apps/shop.toml", "# a comment\nbranch = \"main\"\n" + app("a.example"));
    EXPECT_EQ(hash(), before);
    write("apps/shop.toml", app("b.example"));
    EXPECT_NE(hash(), before);
}

}  // namespace
}  // namespace belay::config
