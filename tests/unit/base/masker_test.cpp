#include <belay/base/masker.hpp>

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace belay {
namespace {

std::string mask(const std::vector<Secret>& secrets, std::string_view text, std::size_t piece = 1) {
    Masker masker(secrets);
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += piece)
        out += masker.feed(text.substr(at, piece));
    return out + masker.flush();
}

TEST(Masker, FindsASecretHoweverTheStreamIsCut) {
    std::vector<Secret> secrets{Secret("hunter2-hunter3")};
    for (std::size_t piece = 1; piece < 40; ++piece)
        EXPECT_EQ(mask(secrets, "a hunter2-hunter2-hunter3 b hunter2", piece),
                  "a hunter2-*** b hunter2")
            << piece;
}

TEST(Masker, CoversOverlappingSecretsWithOneMark) {
    std::vector<Secret> secrets{Secret("abcdef"), Secret("defghi"), Secret("cdef")};
    EXPECT_EQ(mask(secrets, "xabcdefghiy"), "x***y");
    EXPECT_EQ(mask(secrets, "xabcdefghiy", 100), "x***y");
    EXPECT_EQ(mask(secrets, "cdefcdef!"), "***!");
}

TEST(Masker, KnowsBase64AtEveryAlignment) {
    // printf %s user:s3cret-value | base64, with one and two letters more before it
    std::vector<Secret> secrets{Secret("s3cret-value")};
    EXPECT_EQ(mask(secrets, "czNjcmV0LXZhbHVl"), "***");
    EXPECT_EQ(mask(secrets, "Authorization: Basic dXNlcjpzM2NyZXQtdmFsdWU=").find("M2NyZXQtdmFs"),
              std::string::npos);
    EXPECT_EQ(mask(secrets, "YXVzZXI6czNjcmV0LXZhbHVl").find("czNjcmV0"), std::string::npos);
    EXPECT_EQ(mask(secrets, "YWJ1c2VyOnMzY3JldC12YWx1ZQ==").find("MzY3JldC12YWx1"),
              std::string::npos);
}

TEST(Masker, KnowsUrlEncodings) {
    std::vector<Secret> secrets{Secret("p&ss w/rd")};
    EXPECT_EQ(mask(secrets, "?k=p%26ss%20w%2Frd&"), "?k=***&");
    EXPECT_EQ(mask(secrets, "?k=p%26ss+w%2frd&"), "?k=***&");
}

TEST(Masker, HidesLinesOfSixAndMoreCharacters) {
    std::vector<Secret> secrets{Secret("first-line\r\nshort\nsecond-line\n")};
    EXPECT_EQ(mask(secrets, "> second-line\n> first-line\n> short\n"), "> ***\n> ***\n> short\n");
}

TEST(Masker, LeavesValuesThatAreTooShortToHide) {
    EXPECT_TRUE(Masker({Secret("1"), Secret(""), Secret("abc")}).empty());
    EXPECT_EQ(mask({Secret("1")}, "port 1111"), "port 1111");
}

TEST(Masker, HoldsBackOnlyWhatMayBeTheBeginningOfASecret) {
    Masker masker({Secret("secret-value")});
    EXPECT_EQ(masker.feed("line one\nse"), "line one\n");
    EXPECT_EQ(masker.held(), 2u);
    EXPECT_EQ(masker.feed("nd\n"), "send\n");
    EXPECT_EQ(masker.held(), 0u);
}

std::string mask_after(std::string_view context, std::string_view text) {
    Masker masker({Secret("secret-value")});
    masker.prime(context);
    auto out = masker.feed(text);
    return out += masker.flush();
}

TEST(Masker, MasksASecretThatBeganInTheContext) {
    EXPECT_EQ(mask_after("x secret-", "value y"), "*** y");
    EXPECT_EQ(mask_after("x secret-value", " y"), " y");
    EXPECT_EQ(mask_after("x secret-", "y"), "y");
    EXPECT_EQ(mask_after("secret-value", "secret-value"), "***");
}

// Against the plain definition: a byte is hidden when some appearance covers it.
TEST(Masker, AgreesWithTheDefinitionOnRandomText) {
    std::mt19937 random(7);
    auto letter = [&] { return static_cast<char>('a' + random() % 2); };
    for (int round = 0; round < 300; ++round) {
        std::vector<Secret> secrets;
        std::vector<std::string> values;
        for (int i = 0; i < 3; ++i) {
            std::string value;
            for (std::size_t n = 4 + random() % 5; n > 0; --n)
                value += letter();
            values.push_back(value);
            secrets.emplace_back(value);
        }
        std::string text;
        for (int i = 0; i < 120; ++i)
            text += letter();
        std::vector<bool> covered(text.size());
        for (const auto& value : values)
            for (auto at = text.find(value); at != text.npos; at = text.find(value, at + 1))
                std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(at), value.size(), true);
        std::string expected;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (!covered[i])
                expected += text[i];
            else if (i == 0 || !covered[i - 1])
                expected += "***";
        }
        ASSERT_EQ(mask(secrets, text, 1 + random() % 9), expected) << text;
    }
}

}  // namespace
}  // namespace belay
