// The patterns of `ship`: which files of the workspace become the release.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belay::release {

// `*` and `?` stop at a slash, `[a-z]` and `[!a-z]` are one character, `**` as a whole segment is
// any number of segments.
// `\` takes the next character as it is. The whole path must match.
bool matches(std::string_view pattern, std::string_view path);

// A list of patterns, the last one that matches decides; `!pattern` leaves out again. What matches
// a directory takes all below it. Anything named `.git` is never shipped.
class Shipping {
  public:
    explicit Shipping(const std::vector<std::string>& patterns);

    // Relative to the release, without a leading or trailing slash.
    bool ships(std::string_view path) const;

  private:
    struct Rule {
        std::string pattern;
        bool leave_out = false;
    };
    std::vector<Rule> rules_;
    bool everything_ = false;
};

}  // namespace belay::release
