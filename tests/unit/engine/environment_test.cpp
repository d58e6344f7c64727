#include "engine/environment.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace belay::engine {
namespace {

std::string value(const EnvironmentList& list, const std::string& name) {
    std::string found = "(unset)";
    int times = 0;
    for (const auto& [key, text] : list)
        if (key == name) {
            found = text;
            ++times;
        }
    EXPECT_LE(times, 1) << name;
    return found;
}

EnvironmentFacts facts() {
    EnvironmentFacts facts;
    facts.app = "shop";
    facts.deployment = DeploymentId{7};
    facts.release = 12;
    facts.commit = std::string(40, 'a');
    facts.ref = "refs/heads/main";
    facts.home = "/home/x";
    facts.timezone = "UTC";
    return facts;
}

TEST(Environment, IsMadeFromNothingButWhatTheDocumentSays) {
    auto list = compose(facts(), {}, {});
    EXPECT_EQ(value(list, "PATH"), "/usr/local/bin:/usr/bin:/bin");
    EXPECT_EQ(value(list, "BELAY_RELEASE"), "12");
    EXPECT_EQ(value(list, "BELAY_DEPLOYMENT"), "d7");
    EXPECT_EQ(value(list, "BELAY_BRANCH"), "main");
    EXPECT_EQ(value(list, "BELAY_TAG"), "");
    EXPECT_EQ(value(list, "BELAY_SHARED"), "(unset)");
    EXPECT_EQ(value(list, "PORT"), "(unset)");
    EXPECT_EQ(list.size(), 15u);
}

TEST(Environment, SecretsWinOverEnvAndNothingWinsOverBelays) {
    auto with_path = facts();
    with_path.path = {"/opt/node/bin"};
    with_path.ref = "refs/tags/v1";
    auto list =
        compose(with_path, {{"KEY", "open"}, {"BELAY_APP", "other"}}, {{"KEY", Secret("closed")}});
    EXPECT_EQ(value(list, "KEY"), "closed");
    EXPECT_EQ(value(list, "BELAY_APP"), "shop");
    EXPECT_EQ(value(list, "PATH"), "/opt/node/bin:/usr/local/bin:/usr/bin:/bin");
    EXPECT_EQ(value(list, "BELAY_TAG"), "v1");
    add_instance(list, "web", 2, 20'001);
    EXPECT_EQ(value(list, "PORT"), "20001");
    EXPECT_EQ(value(list, "BELAY_INSTANCE"), "2");
}

TEST(Environment, AStepSeesOnlyTheSecretsThatItNames) {
    std::map<std::string, Secret> all{{"A", Secret("1")}, {"B", Secret("2")}};
    auto seen = chosen(all, {"B", "C"});
    EXPECT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen.at("B").reveal(), "2");
}

}  // namespace
}  // namespace belay::engine
