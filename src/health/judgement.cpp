// A pattern from the configuration over a body from anywhere, on the loop thread: bounded to some
// milliseconds. std::regex has no such bound, and overflows the stack on long input.
#define BOOST_REGEX_MAX_STATE_COUNT 2'000'000
#include "judgement.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"  // Boost's use of the number above
#include <boost/regex.hpp>
#pragma GCC diagnostic pop

#include <algorithm>
#include <stdexcept>

namespace belay::health {
namespace {

bool is_pattern(std::string_view expected) {
    return expected.size() > 2 && expected.front() == '/' && expected.back() == '/';
}

// How many bytes of well-formed, printable UTF-8 stand at the front; 0: none.
std::size_t character_length(std::string_view text) {
    auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    auto first = byte(0);
    if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
    std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    auto second = byte(1);
    bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    bool outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    bool control = first == 0xc2 && second < 0xa0;
    return overlong || outside || control ? 0 : length;
}

}  // namespace

bool expects(const std::vector<domain::StatusRange>& ranges, int status) {
    return std::any_of(ranges.begin(), ranges.end(), [status](const domain::StatusRange& range) {
        return range.first <= status && status <= range.last;
    });
}

std::string complaint_about_body(const std::string& expected, std::string_view body) {
    if (expected.empty()) return {};
    if (!is_pattern(expected)) {
        if (body.find(expected) != body.npos) return {};
        return "body does not contain \"" + expected + "\"";
    }
    try {
        boost::regex pattern(expected.substr(1, expected.size() - 2));
        if (boost::regex_search(body.begin(), body.end(), pattern)) return {};
        return "body does not match " + expected;
    } catch (const boost::regex_error& error) {
        return "expect_body " + expected + " is no regular expression: " + error.what();
    } catch (const std::runtime_error&) {
        return "expect_body " + expected + " takes too long on this body: make it simpler";
    }
}

std::string printable(std::string_view body, std::size_t most) {
    std::string text;
    while (!body.empty()) {
        auto length = character_length(body);
        if (text.size() + std::max<std::size_t>(length, 1) > most) break;
        bool space = body.front() == '\n' || body.front() == '\r' || body.front() == '\t';
        if (length > 0)
            text += body.substr(0, length);
        else
            text += space ? ' ' : '.';
        body.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return text;
}

}  // namespace belay::health
