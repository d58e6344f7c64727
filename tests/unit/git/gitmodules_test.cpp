#include "git/gitmodules.hpp"

#include <gtest/gtest.h>

namespace belay::git {
namespace {

TEST(Gitmodules, PathsAndUrlsAreRead) {
    auto found = parse_gitmodules(
        "# a comment\n[submodule \"a\"]\n\tpath = vendor/a/\n\turl = \"https://h/a b\" ; "
        "why\n\tbranch = x\n"
        "[include]\n\tpath = /etc/passwd\n[submodule \"b\"]\n url=../b\n path=b\r\n[submodule "
        "\"c\"]\n path = c\n");
    EXPECT_EQ(found,
              (std::map<std::string, std::string>{{"vendor/a", "https://h/a b"}, {"b", "../b"}}));
}

std::string resolved(const char* parent, const char* url) {
    auto result = resolve_submodule_url(*parse_repository_url(parent), url);
    return result ? result->text() : "refused";
}

TEST(Gitmodules, RelativeUrlsAreTakenFromTheRepository) {
    EXPECT_EQ(resolved("https://h/acme/shop.git", "../lib.git"), "https://h/acme/lib.git");
    EXPECT_EQ(resolved("https://h/acme/shop.git", "../../other/lib"), "https://h/other/lib");
    EXPECT_EQ(resolved("https://h/acme/shop.git", "./lib"), "https://h/acme/shop.git/lib");
    EXPECT_EQ(resolved("git@h:acme/shop.git", "../lib.git"), "git@h:acme/lib.git");
    EXPECT_EQ(resolved("git@h:shop.git", "../lib.git"), "git@h:lib.git");
    EXPECT_EQ(resolved("/srv/shop.git", "../lib"), "/srv/lib");
    EXPECT_EQ(resolved("https://h/shop", "https://other/x"), "https://other/x");
}

TEST(Gitmodules, UrlsThatAreNoAddressesAreRefused) {
    EXPECT_EQ(resolved("https://h/shop", "ext::sh -c id"), "refused");
    EXPECT_EQ(resolved("git@h:shop", "../-oProxyCommand=id"), "refused");
    EXPECT_EQ(resolved("https://h/shop", "-u"), "refused");
    EXPECT_EQ(resolved("https://h/shop", "../.."), "refused");
}

TEST(Gitmodules, MirrorsOfTwoAddressesDiffer) {
    auto a = submodule_mirror_name(*parse_repository_url("https://h/a"));
    EXPECT_EQ(a, submodule_mirror_name(*parse_repository_url("https://u@h/a")));
    EXPECT_NE(a, submodule_mirror_name(*parse_repository_url("https://h/b")));
    EXPECT_TRUE(a.starts_with("belay-module-"));
}

}  // namespace
}  // namespace belay::git
