// Patterns of paths: which files become the release (`ship`), whose change deploys (`paths`).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belay {

// `*` and `?` stop at a slash, `[a-z]` and `[!a-z]` are one character, `**` as a whole segment is
// any number of segments.
// `\` takes the next character as it is. The whole path must match.
bool matches(std::string_view pattern, std::string_view path);

// A list of patterns, the last one that matches decides; `!pattern` leaves out again. What matches
// a directory takes all below it. Anything named `.git` is never taken.
class PathPatterns {
  public:
    explicit PathPatterns(const std::vector<std::string>& patterns);

    // A path without a leading or trailing slash.
    bool takes(std::string_view path) const;

  private:
    struct Rule {
        std::string pattern;
        bool leave_out = false;
    };
    std::vector<Rule> rules_;
    bool everything_ = false;
};

}  // namespace belay
