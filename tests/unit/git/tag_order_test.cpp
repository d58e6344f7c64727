#include <belay/ports/tag_order.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belay::ports {
namespace {

TEST(TagOrder, GoesByVersionAndNotByBytes) {
    const std::vector<std::string> rising = {"latest",
                                             "v0.9",
                                             "v1.0.0-alpha",
                                             "v1.0.0-alpha.1",
                                             "v1.0.0-alpha.beta",
                                             "v1.0.0-beta.2",
                                             "v1.0.0-beta.11",
                                             "v1.0.0-rc9",
                                             "v1.0.0-rc10",
                                             "v1.0.0",
                                             "v1.0.1",
                                             "v1.9.0",
                                             "v1.10.0",
                                             "v2",
                                             "v2024.11.3"};
    for (std::size_t i = 0; i < rising.size(); ++i) {
        for (std::size_t j = 0; j < rising.size(); ++j) {
            EXPECT_EQ(compare_tags(rising[i], rising[j]) < 0, i < j)
                << rising[i] << " " << rising[j];
            EXPECT_EQ(compare_tags(rising[i], rising[j]) > 0, i > j)
                << rising[i] << " " << rising[j];
        }
    }
}

TEST(TagOrder, TakesPrefixesMissingFieldsLeadingZerosAndBuildsAsEqual) {
    EXPECT_TRUE(compare_tags("v1.2", "1.2.0") == 0);
    EXPECT_TRUE(compare_tags("release-1.02", "v1.2") == 0);
    EXPECT_TRUE(compare_tags("1.2.3+build5", "1.2.3+build9") == 0);
}

TEST(TagOrder, ComparesNumbersOfAnyLength) {
    EXPECT_TRUE(compare_tags("v99999999999999999999999", "v100000000000000000000000") < 0);
}

}  // namespace
}  // namespace belay::ports
