#include "engine/matching.hpp"

#include <gtest/gtest.h>

namespace belay::engine {
namespace {

domain::Change change(const std::string& ref, const std::string& commit = std::string(40, 'a')) {
    domain::Change result;
    auto parsed = domain::parse_ref(ref);
    result.ref = ref;
    result.ref_type = parsed->type;
    result.name = parsed->name;
    result.after = result.commit = commit;
    return result;
}

domain::AppConfig shop() {
    domain::AppConfig app;
    app.name = "shop";
    app.repo = "git@github.com:acme/shop.git";
    return app;
}

TEST(Match, TakesTheLastChangeOfTheFollowedBranch) {
    domain::Push push;
    push.changes = {change("refs/heads/main", std::string(40, '1')), change("refs/heads/other"),
                    change("refs/heads/main", std::string(40, '2'))};
    EXPECT_EQ(match(push, shop()).change->commit, std::string(40, '2'));
}

TEST(Match, SaysWhyNothingIsDeployed) {
    domain::Push push;
    push.changes = {change("refs/heads/feature")};
    EXPECT_NE(match(push, shop()).reason.find("feature"), std::string::npos);
    push.changes[0] = change("refs/heads/main");
    push.changes[0].deleted = true;
    push.changes[0].commit.reset();
    push.changes[0].after.reset();
    EXPECT_EQ(match(push, shop()).rule, domain::Rule::deleted);
    push.changes = {change("refs/heads/main", std::string(64, 'a'))};
    EXPECT_EQ(match(push, shop()).rule, domain::Rule::sha256_repository_unsupported);
    push.changes.clear();
    EXPECT_EQ(match(push, shop()).rule, domain::Rule::no_change);
    push.kind = domain::PushKind::ping;
    EXPECT_EQ(match(push, shop()).rule, domain::Rule::ping);
}

TEST(Match, DeploysNoTestDelivery) {
    domain::Push push;
    push.kind = domain::PushKind::ping;
    push.changes = {change("refs/heads/main")};
    auto none = match(push, shop());
    EXPECT_FALSE(none.change);
    EXPECT_EQ(none.rule, domain::Rule::ping);
}

TEST(Match, SaysWhatTheDeliveryLacks) {
    domain::Push push;
    push.note = "set \"Resource details to send\" to All";
    EXPECT_EQ(match(push, shop()).reason, "set \"Resource details to send\" to All");
}

TEST(Match, LeavesTheCommitToGitWhereTheBodyIsNotBelieved) {
    domain::Push push;
    push.body_authentic = false;
    push.changes = {change("refs/heads/main")};
    auto matched = match(push, shop());
    ASSERT_TRUE(matched.change);
    EXPECT_EQ(matched.change->commit, std::nullopt);
    EXPECT_EQ(matched.change->ref, "refs/heads/main");
    EXPECT_EQ(push.changes[0].commit, std::string(40, 'a'));
}

TEST(Match, ComparesAddressesMadeByAForgesConvention) {
    domain::Repository named{
        "Acme/Shop", "https://bitbucket.org/other/page",    "",
        "",          "https://bitbucket.org/Acme/Shop.git", "git@bitbucket.org:Acme/Shop"};
    EXPECT_TRUE(same_repository(named, "git@bitbucket.org:acme/shop.git"));
    EXPECT_TRUE(same_repository(named, "https://bitbucket.org/acme/shop"));
    EXPECT_FALSE(same_repository(named, "https://bitbucket.org/evil/shop"));
    EXPECT_FALSE(same_repository(named, "https://bitbucket.org/other/page"));
}

TEST(Match, TagsByPattern) {
    auto app = shop();
    app.branch.clear();
    app.tags = "v*";
    domain::Push push;
    push.changes = {change("refs/tags/v1.2")};
    EXPECT_TRUE(match(push, app).change);
    push.changes = {change("refs/tags/x1")};
    EXPECT_FALSE(match(push, app).change);
    push.changes = {change("refs/heads/main")};
    EXPECT_FALSE(match(push, app).change);
}

TEST(SameRepository, ComparesHostAndPathHoweverTheAddressIsWritten) {
    domain::Repository acme{"acme/shop", "https://github.com/acme/shop",
                            "https://github.com/acme/shop.git", "git@github.com:acme/shop.git"};
    for (auto same :
         {"git@github.com:acme/shop.git", "https://github.com/Acme/Shop",
          "ssh://git@github.com:22/acme/shop.git/", "https://user@github.com/acme/shop.git"})
        EXPECT_TRUE(same_repository(acme, same)) << same;
    for (auto other : {"git@github.com:acme/other.git", "https://github.com/mallory/shop.git"})
        EXPECT_FALSE(same_repository(acme, other)) << other;
    // A mirror or an ssh alias: the name decides.
    EXPECT_TRUE(same_repository(acme, "git@work:acme/shop.git"));
    EXPECT_FALSE(same_repository(acme, "git@work:acme/blog.git"));
    EXPECT_TRUE(same_repository(acme, "/srv/git/shop.git"));
    EXPECT_FALSE(same_repository(acme, "/srv/git/blog.git"));
}

TEST(SameRepository, ComparesPathsOnThisMachineExactly) {
    domain::Repository local;
    local.full_name = "/srv/git/shop.git";
    EXPECT_TRUE(same_repository(local, "/srv/git/shop.git"));
    EXPECT_TRUE(same_repository(local, "file:///srv/git/shop"));
    EXPECT_FALSE(same_repository(local, "/srv/git/blog.git"));
    EXPECT_TRUE(same_repository(domain::Repository{}, "/srv/git/blog.git"));
}

}  // namespace
}  // namespace belay::engine
