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
