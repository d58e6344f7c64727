// What no forge's reader may take, whatever it looks like.
#include "senders.hpp"

namespace belay::forge {
namespace {

using namespace test_senders;

const std::string kOld = '"' + std::string(40, '1') + '"';
const std::string kNew = '"' + std::string(40, '2') + '"';
const std::string kZeros = '"' + std::string(40, '0') + '"';

class BadInput : public ::testing::TestWithParam<Sender> {
  protected:
    const Sender& from() const { return GetParam(); }
    bool is_bitbucket_cloud() const { return from().name == "bitbucket-cloud"; }
    // Bitbucket Cloud sends short names.
    std::string branch(const std::string& name) const {
        return '"' + (is_bitbucket_cloud() ? "" : std::string("refs/heads/")) + name + '"';
    }
    std::string tells(const std::string& body) const { return refusal(from().name, body); }
};

TEST_P(BadInput, GoodInputPassesForComparison) {
    auto push = parse(from(), push_body(from(), branch("main"), kOld, kNew));
    ASSERT_TRUE(push) << push.error().message;
    ASSERT_EQ(push->changes.size(), 1u);
    EXPECT_EQ(push->kind, domain::PushKind::push);
    EXPECT_EQ(push->changes[0].ref, "refs/heads/main");
    EXPECT_EQ(push->changes[0].commit, std::string(40, '2'));
}

TEST_P(BadInput, TakesIdsOfSha256Repositories) {
    const std::string id(64, 'a');
    auto push = parse(from(), push_body(from(), branch("main"), '"' + std::string(64, '0') + '"',
                                        '"' + id + '"'));
    ASSERT_TRUE(push) << push.error().message;
    EXPECT_EQ(push->changes.at(0).commit, id);
    EXPECT_TRUE(push->changes.at(0).created);
}

TEST_P(BadInput, RefusesIdsThatAreNone) {
    for (const std::string id : {"", "1", "HEAD", "refs/heads/main", "../../etc/passwd"})
        EXPECT_NE(
            tells(push_body(from(), branch("main"), kOld, '"' + id + '"')).find("no commit id"),
            std::string::npos)
            << id;
    for (const std::string& id : {std::string(39, 'a'), std::string(41, 'a'), std::string(63, 'a'),
                                  std::string(65, 'a'), std::string(40, 'g'), std::string(40, 'A'),
                                  std::string(40'000, 'a'), std::string(39, 'a') + " "})
        tells(push_body(from(), branch("main"), kOld, '"' + id + '"'));
}

TEST_P(BadInput, RefusesAChangeFromNothingToNothing) {
    auto push = parse(from(), push_body(from(), branch("main"), kZeros, kZeros));
    if (!push) {
        EXPECT_NE(push.error().message.find("both name no commit"), std::string::npos);
    } else {  // the Gitea family's test delivery
        EXPECT_EQ(push->kind, domain::PushKind::ping);
        EXPECT_EQ(push->changes.at(0).commit, std::nullopt);
    }
}

TEST_P(BadInput, RefusesWrongTypes) {
    for (const std::string value : {"1", "1.5", "true", "{}", "[]", "{\"a\":[1]}", "[null]"}) {
        EXPECT_NE(tells(push_body(from(), value, kOld, kNew)).find("must be a string"),
                  std::string::npos)
            << value;
        EXPECT_NE(tells(push_body(from(), branch("main"), kOld, value)).find("must be a string"),
                  std::string::npos)
            << value;
    }
}

TEST_P(BadInput, RefusesMissingFields) {
    // An absent name or id is not to be guessed; null is the same.
    EXPECT_NE(tells(push_body(from(), "null", kOld, kNew)), "");
    auto push = parse(from(), push_body(from(), branch("main"), "null", "null"));
    EXPECT_FALSE(push);
}

TEST_P(BadInput, RefusesRefNamesThatGitForbids) {
    for (const std::string name :
         {"",    "/",   "a//b", "a..b",   ".a",        "a/.b",  "a.lock",    "a.lock/b",
          "a.",  "a/",  "@{",   "a@{b",   "a b",       "a~b",   "a^b",       "a:b",
          "a?b", "a*b", "a[b",  "a\\\\b", "a\\u0000b", "a\\nb", "a\\u007fb", "a\\tb"}) {
        SCOPED_TRACE(name);
        tells(push_body(from(), branch(name), kOld, kNew));
    }
}

TEST_P(BadInput, TakesRefNamesThatGitAllows) {
    for (const std::string name :
         {"-a",
          "a-b",
          "a@b",
          "a{b}",
          "a!b",
          "a#b",
          "$(reboot)",
          "`reboot`",
          "a;b",
          "a'b",
          "a\\\"b",
          "a&b",
          "a|b",
          "a%2fb",
          "a<b>",
          "a,b",
          "a+b",
          "a=b",
          "lock",
          "a.lockb",
          "fonctionnalit\xc3\xa9/\xe6\x97\xa5\xe6\x9c\xac-\xf0\x9f\x9a\x80",
          "refs/heads/x"}) {
        SCOPED_TRACE(name);
        auto push = parse(from(), push_body(from(), branch(name), kOld, kNew));
        ASSERT_TRUE(push) << push.error().message;
        EXPECT_EQ(push->changes.size(), 1u);
    }
}

TEST_P(BadInput, RefusesTextThatIsNoJson) {
    auto good = push_body(from(), branch("main"), kOld, kNew);
    for (const std::string& body :
         {std::string(), std::string("null"), std::string("[]"), std::string("\"x\""),
          good.substr(0, good.size() - 1), good + "x", good + good, "\xef\xbb\xbf{" + good,
          std::string("{'ref':1}"), std::string("{\"a\":\"\xff\"}"),
          std::string("{\"a\":\"\xc0\xaf\"}"), std::string("{\"a\":\"\xed\xa0\x80\"}"),
          std::string("{\"a\":\"\\ud800\"}"), std::string("{\"a\":01}"),
          std::string("{\"a\":1e999999}"), std::string("{\"a\":\"\n\"}")})
        EXPECT_NE(tells(body), "");
}

TEST_P(BadInput, RefusesDepthOver64) {
    auto nested = [](int depth) {
        std::string text = "0";
        for (int i = 0; i < depth; ++i)
            text = i % 2 == 0 ? "{\"y\":" + text + "}" : "[" + text + "]";
        return text;
    };
    auto good = push_body(from(), branch("main"), kOld, kNew);
    good.pop_back();
    EXPECT_TRUE(parse(from(), good + ",\"x\":" + nested(63) + "}"));
    EXPECT_EQ(tells(good + ",\"x\":" + nested(64) + "}"), "nested deeper than 64");
    EXPECT_EQ(tells("{\"x\":" + std::string(100'000, '[')), "nested deeper than 64");
}

TEST_P(BadInput, RefusesANameThatComesTwice) {
    auto good = push_body(from(), branch("main"), kOld, kNew);
    auto twice = good;
    twice.pop_back();
    EXPECT_NE(tells(twice + "," + good.substr(1)).find("appears twice"), std::string::npos);
}

TEST_P(BadInput, TakesOtherFieldsOfAnyShape) {
    auto good = push_body(from(), branch("main"), kOld, kNew);
    good.pop_back();
    EXPECT_TRUE(
        parse(from(), good + R"(,"commits":null,"pusher":null,"sender":"x","head_commit":null,)"
                             R"("actor":7,"toCommit":null,"user_name":{},"repository":null})"));
}

TEST_P(BadInput, BoundsListsOfChanges) {
    auto list = from().body.find("[{");
    if (list == std::string::npos) return;
    auto good = push_body(from(), branch("main"), kOld, kNew);
    auto begin = good.find("[{") + 1, end = good.rfind("]");
    auto change = good.substr(begin, end - begin);
    auto many = [&](int count) {
        auto body = good;
        std::string more;
        for (int i = 1; i < count; ++i)
            more += "," + change;
        return body.insert(end, more);
    };
    EXPECT_EQ(parse(from(), many(1000))->changes.size(), 1000u);
    EXPECT_NE(tells(many(1001)).find("more than 1000 changes"), std::string::npos);
    tells(many(100'000));
}

TEST_P(BadInput, KeepsNoTextOfAnyLength) {
    auto good = push_body(from(), branch("main"), kOld, kNew);
    good.pop_back();
    std::string name;
    for (int i = 0; i < 1'000'000; ++i)
        name += "\xc3\xa9";
    std::string repository =
        R"({"full_name":")" + name + R"(","slug":"s","project":{"key":")" + name + R"("}})";
    auto push = parse(from(), good + ",\"repository\":" + repository + "}");
    ASSERT_TRUE(push) << push.error().message;
    if (!push->repository) return;
    const auto& full_name = push->repository->full_name;
    EXPECT_LT(full_name.size(), 10'000u);
    // Cut between code points.
    EXPECT_NE(static_cast<unsigned char>(full_name[full_name.size() - 1]), 0xc3u);
    EXPECT_EQ(full_name.find("\xc3/"), std::string::npos);
}

TEST_P(BadInput, RefusesHeadersThatDontBelongIntoARecord) {
    auto body = push_body(from(), branch("main"), kOld, kNew);
    for (const std::string& event :
         {std::string(), std::string(129, 'a'), std::string("push\x7f")}) {
        auto request = request_of(from(), body);
        request.headers[0].second = event;
        auto push = table().find(from().name, request)->parse(request);
        // These two have no event header.
        if (from().name == "azure-devops" || (from().name == "generic" && event.empty())) continue;
        EXPECT_FALSE(push) << event;
    }
}

INSTANTIATE_TEST_SUITE_P(Forges, BadInput, ::testing::ValuesIn(senders()),
                         [](const auto& instance) {
                             auto name = instance.param.name;
                             std::erase(name, '-');
                             return name;
                         });

}  // namespace
}  // namespace belay::forge
