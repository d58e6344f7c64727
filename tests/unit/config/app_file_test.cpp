#include "reading.hpp"

#include <belay/config/app_file.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

AppFileDraft draft() {
    AppFileDraft draft;
    draft.name = "shop";
    draft.repo = "https://github.com/acme/shop.git";
    return draft;
}

TEST(AppFile, OfADetectedStackIsValidAndSaysWhatWasFound) {
    auto node = draft();
    node.branch = "trunk";
    node.stack = "Node.js (package.json)";
    node.build = {"npm ci", "npm run build"};
    node.test = {"npm test"};
    node.release = "npm run migrate";
    node.services = {{"web", "node server.js \"--greeting\" '\\o/'"}, {"worker", "node worker.js"}};
    node.health_path = "/healthz";
    node.hosts = {"shop.example.com"};
    node.listen = {"127.0.0.1:3000"};
    node.notes = {"two lines\nin one note"};
    auto file = app_of(write_app_file(node));
    EXPECT_THAT(lines_of(file.complaints), IsEmpty());
    ASSERT_TRUE(file.config);
    const auto& app = *file.config;
    EXPECT_EQ(app.branch, "trunk");
    ASSERT_EQ(app.build.size(), 2u);
    EXPECT_EQ(app.build[1].run.shell, "npm run build");
    EXPECT_EQ(app.test.at(0).run.shell, "npm test");
    EXPECT_EQ(app.release.run.shell, "npm run migrate");
    ASSERT_NE(app.web(), nullptr);
    EXPECT_EQ(app.web()->run.shell, "node server.js \"--greeting\" '\\o/'");
    EXPECT_EQ(app.processes.size(), 2u);
    EXPECT_EQ(app.health.path, "/healthz");
    EXPECT_THAT(app.traffic.hosts, ElementsAre("shop.example.com"));
    EXPECT_THAT(app.traffic.listen, ElementsAre("127.0.0.1:3000"));
}

TEST(AppFile, OfASingleProcessOrStaticSiteIsValid) {
    auto one = draft();
    one.services = {{"web", "bin/web"}};
    EXPECT_THAT(lines_of(app_of(write_app_file(one)).complaints), IsEmpty());
    auto site = draft();
    site.static_root = "public";
    EXPECT_TRUE(app_of(write_app_file(site)).config);
}

TEST(AppFile, WhereNothingWasFoundTheMissingCommandIsComplainedOf) {
    auto text = write_app_file(draft());
    EXPECT_THAT(lines_of(app_of(text).complaints),
                ElementsAre(::testing::HasSubstr(
                    "service.run: is missing: the command that starts the app")));
    // every line that is commented out is a valid example
    auto uncommented = text;
    for (const auto* key : {"run = \"bin/server\""}) {
        auto at = uncommented.find(std::string("# ") + key);
        ASSERT_NE(at, std::string::npos);
        uncommented.erase(at, 2);
    }
    EXPECT_THAT(lines_of(app_of(uncommented).complaints), IsEmpty());
}

}  // namespace
}  // namespace belay::config
