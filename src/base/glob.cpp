#include <belay/base/glob.hpp>

#include <cstddef>

namespace belay {
namespace {

std::string_view first_segment(std::string_view path) {
    return path.substr(0, path.find('/'));
}

std::string_view after_segment(std::string_view path) {
    auto slash = path.find('/');
    return slash == path.npos ? std::string_view() : path.substr(slash + 1);
}

// One bracket expression at the pattern's front; length 0 where it isn't closed, so `[` is itself.
struct Bracket {
    std::size_t length = 0;
    bool matched = false;
};

Bracket match_bracket(std::string_view pattern, unsigned char character) {
    std::size_t at = 1;
    bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
    if (negated) ++at;
    bool found = false;
    for (bool first = true; at < pattern.size(); first = false, ++at) {
        if (pattern[at] == ']' && !first) return {at + 1, found != negated};
        auto low = static_cast<unsigned char>(pattern[at]);
        auto high = low;
        if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
            high = static_cast<unsigned char>(pattern[at + 2]);
            at += 2;
        }
        if (low <= character && character <= high) found = true;
    }
    return {};
}

// How much of the pattern one character uses up; 0: they don't match.
std::size_t match_one(std::string_view pattern, char character) {
    switch (pattern.front()) {
        case '?':
            return 1;
        case '\\':
            if (pattern.size() > 1) return pattern[1] == character ? 2 : 0;
            return character == '\\' ? 1 : 0;
        case '[': {
            auto bracket = match_bracket(pattern, static_cast<unsigned char>(character));
            if (bracket.length > 0) return bracket.matched ? bracket.length : 0;
            return character == '[' ? 1 : 0;
        }
        default:
            return pattern.front() == character ? 1 : 0;
    }
}

// Goes back to the last star only, so the time is at most the product of both lengths.
bool matches_segment(std::string_view pattern, std::string_view text) {
    std::size_t at = 0, in = 0, star = pattern.npos, star_in = 0;
    while (in < text.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            star = at++;
            star_in = in;
            continue;
        }
        auto used = at < pattern.size() ? match_one(pattern.substr(at), text[in]) : 0;
        if (used > 0) {
            at += used;
            ++in;
        } else if (star != pattern.npos) {
            at = star + 1;
            in = ++star_in;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', at) == pattern.npos;
}

}  // namespace

bool matches(std::string_view pattern, std::string_view path) {
    // The same with segments for characters and `**` for the star.
    bool starred = false;
    std::string_view star_pattern, star_path;
    while (true) {
        if (!pattern.empty() && first_segment(pattern) == "**") {
            pattern = after_segment(pattern);
            if (pattern.empty()) return !path.empty();
            starred = true;
            star_pattern = pattern;
            star_path = path;
            continue;
        }
        if (path.empty() && pattern.empty()) return true;
        if (!path.empty() && !pattern.empty() &&
            matches_segment(first_segment(pattern), first_segment(path))) {
            pattern = after_segment(pattern);
            path = after_segment(path);
            continue;
        }
        if (!starred || star_path.empty()) return false;
        star_path = after_segment(star_path);
        if (star_path.empty()) return false;
        path = star_path;
        pattern = star_pattern;
    }
}

PathPatterns::PathPatterns(const std::vector<std::string>& patterns) {
    for (auto pattern : patterns) {
        bool leave_out = pattern.starts_with('!');
        if (leave_out) pattern.erase(0, 1);
        while (pattern.starts_with("./"))
            pattern.erase(0, 2);
        while (pattern.starts_with('/'))
            pattern.erase(0, 1);
        while (pattern.ends_with('/'))
            pattern.pop_back();
        if (pattern.empty() || pattern == ".") pattern = "**";
        rules_.push_back({std::move(pattern), leave_out});
    }
    everything_ = rules_.size() == 1 && rules_[0].pattern == "**" && !rules_[0].leave_out;
}

bool PathPatterns::takes(std::string_view path) const {
    for (auto rest = path; !rest.empty(); rest = after_segment(rest))
        if (first_segment(rest) == ".git") return false;
    if (everything_) return true;
    for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
        for (auto end = path.find('/');; end = path.find('/', end + 1)) {
            if (matches(rule->pattern, path.substr(0, end))) return !rule->leave_out;
            if (end == path.npos) break;
        }
    }
    return false;
}

}  // namespace belay
