#include "reading.hpp"

#include <belay/config/differences.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kRepo = "repo = \"https://github.com/acme/shop.git\"\n";

domain::AppConfig config_of(const std::string& text) {
    return read_app(kRepo + text, "shop", "/nowhere/apps/shop.toml", server_of(), root_user())
        .config;
}

TEST(Differences, NameTheKeysThatChanged) {
    auto before =
        config_of("[service]\nrun = \"a\"\n[env]\nA = \"1\"\nB = \"1\"\n[build]\nrun = \"x\"\n");
    auto after = config_of(
        "[service]\nrun = \"b\"\n[env]\nA = \"2\"\nC = \"1\"\n[build]\nrun = "
        "\"y\"\n[traffic]\nbake = \"1m\"\nhosts = [\"a.example\"]\n");
    EXPECT_THAT(differences(before, before), IsEmpty());
    EXPECT_THAT(differences(before, after),
                ElementsAre("build.run", "env.A", "env.B", "env.C", "service.web.run",
                            "traffic.bake", "traffic.hosts"));
}

TEST(Differences, WholeTablesThatComeAndGoAreOneDifference) {
    auto before =
        config_of("[service.web]\nrun = \"a\"\n[[build]]\nrun = \"x\"\n[[build]]\nrun = \"y\"\n");
    auto after = config_of(
        "[service.web]\nrun = \"a\"\n[service.worker]\nrun = \"b\"\n[[build]]\nrun = "
        "\"x\"\n[[build]]\nrun = \"z\"\n");
    EXPECT_THAT(differences(before, after), ElementsAre("build[2].run", "service.worker"));
    EXPECT_THAT(differences(after, config_of("[static]\nroot = \"dist\"\n[build]\nrun = \"x\"\n")),
                ElementsAre("build", "service", "static"));
}

TEST(Differences, SeeSecretsWithoutShowingThem) {
    auto before = config_of(
        "[service]\nrun = \"a\"\n[secrets]\nA = \"one\"\nB = { file = \"/b\" }\n[webhook]\nsecret "
        "= \"one\"\n");
    auto after = config_of(
        "[service]\nrun = \"a\"\n[secrets]\nA = \"two\"\nB = { env = \"B\" }\n[webhook]\nsecret = "
        "[\"one\", \"two\"]\n");
    EXPECT_THAT(differences(before, after),
                ElementsAre("secrets.A", "secrets.B", "webhook.secret"));
}

TEST(Differences, OfTheServerToo) {
    auto before = server_of("[notify.ops]\ntype = \"slack\"\nurl = \"https://a\"\n").config;
    auto after = server_of(
                     "[server]\nlisten = \"127.0.0.1:9090\"\n[notify.ops]\ntype = \"slack\"\nurl = "
                     "\"https://b\"\n")
                     .config;
    EXPECT_THAT(differences(before, after), ElementsAre("notify.ops.url", "server.listen"));
}

}  // namespace
}  // namespace belay::config
