// Where a text lies in memory changes nothing in how it is read.
#include "forge/json_fields.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <sys/mman.h>

namespace belay::forge {
namespace {

// Memory behind which nobody may read.
class Page {
  public:
    Page()
        : place_(static_cast<char*>(::mmap(nullptr, 2 * kSize, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
        ::mprotect(place_ + kSize, kSize, PROT_NONE);
    }
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;
    ~Page() { ::munmap(place_, 2 * kSize); }

    // The text, so many bytes before the end; behind it what would be more of it.
    std::string_view put(const std::string& text, std::size_t before_end) {
        std::fill_n(place_, kSize, '"');
        auto* begin = place_ + kSize - before_end - text.size();
        std::copy(text.begin(), text.end(), begin);
        return {begin, text.size()};
    }

  private:
    static constexpr std::size_t kSize = 4096;
    char* place_;
};

std::string ref_in(std::string_view json) {
    std::string ref;
    FieldSink sink = [&ref](std::string_view, FieldValue value) {
        ref = std::get<std::string>(value);
    };
    const std::vector<Field> wanted{{"ref"}};
    auto read = read_fields(json, wanted, sink);
    return read ? ref : read.error().message;
}

TEST(JsonFields, ReadNothingBehindTheTextThatMattersOrHarms) {
    Page page;
    for (std::size_t before_end = 0; before_end < 200; ++before_end) {
        EXPECT_EQ(ref_in(page.put(R"({"a": [1, 2.5, null], "ref": "main"})", before_end)), "main")
            << before_end;
        EXPECT_EQ(ref_in(page.put(R"({"ref": "ma)", before_end)).substr(0, 13), "no valid JSON")
            << before_end;
        EXPECT_EQ(ref_in(page.put(R"({"ref": "main"} 1)", before_end)).substr(0, 13),
                  "no valid JSON")
            << before_end;
    }
}

}  // namespace
}  // namespace belay::forge
