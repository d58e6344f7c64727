#include "sys/record.hpp"

#include <gtest/gtest.h>

namespace belay::sys {
namespace {

constexpr std::string_view kMagic = "belay-test 1";

TEST(Record, ReadsBackWhatWasWritten) {
    auto text = make_record(kMagic, {{"run", "shop.1.web.1.1"}, {"argv", "a b  c"}, {"empty", ""}});
    auto fields = parse_record(text + "\n\n\n", kMagic);
    ASSERT_TRUE(fields);
    EXPECT_EQ((*fields)["run"], "shop.1.web.1.1");
    EXPECT_EQ((*fields)["argv"], "a b  c");
    EXPECT_EQ((*fields)["empty"], "");
}

TEST(Record, RefusesAnyChangedByte) {
    auto text = make_record(kMagic, {{"pid", "1234"}});
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
        auto changed = text;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_FALSE(parse_record(changed, kMagic)) << at;
    }
}

TEST(Record, RefusesACutOne) {
    auto text = make_record(kMagic, {{"pid", "1234"}});
    for (std::size_t length = 0; length + 1 < text.size(); ++length)
        EXPECT_FALSE(parse_record(text.substr(0, length), kMagic)) << length;
}

TEST(Record, RefusesAnotherVersion) {
    EXPECT_FALSE(parse_record(make_record("belay-test 2", {{"pid", "1"}}), kMagic));
    EXPECT_FALSE(parse_record(make_record("belay-test 11", {{"pid", "1"}}), kMagic));
}

}  // namespace
}  // namespace belay::sys
