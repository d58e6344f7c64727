#include "mail_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace belay::notify {
namespace {

bool continues(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

std::string hex(char letter) {
    return fmt::format("={:02X}", static_cast<unsigned char>(letter));
}

// Letters that stand for themselves in an encoded word of any place (RFC 2047 §5 (3)).
bool plain_in_word(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9');
}

}  // namespace

std::string mail_date(TimePoint at) {
    constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
    constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<Seconds>(at - day));
    return fmt::format(
        "{}, {} {} {} {:02}:{:02}:{:02} +0000", kDays[std::chrono::weekday(day).c_encoding()],
        static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
        time.seconds().count());
}

std::string encoded_header(std::string_view text, std::size_t used) {
    constexpr std::size_t kLine = 76;
    const bool ascii = std::all_of(text.begin(), text.end(),
                                   [](char letter) { return letter >= 0x20 && letter < 0x7f; });
    // A text that looks like an encoded word would be decoded as one.
    if (ascii && text.find("=?") == text.npos && used + text.size() <= kLine)
        return std::string(text);
    constexpr std::string_view kBegin = "=?utf-8?Q?";
    std::string result;
    std::string word(kBegin);
    std::size_t at = 0;
    while (at < text.size()) {
        auto end = at + 1;
        while (end < text.size() && continues(text[end]))
            ++end;
        std::string encoded;
        for (; at < end; ++at)
            encoded += text[at] == ' '           ? "_"
                       : plain_in_word(text[at]) ? std::string(1, text[at])
                                                 : hex(text[at]);
        if (used + word.size() + encoded.size() + 2 > kLine) {
            result += word + "?=\r\n ";
            word = kBegin;
            used = 1;
        }
        word += encoded;
    }
    return result + word + "?=";
}

std::string quoted_printable(std::string_view text) {
    constexpr std::size_t kLine = 76;
    std::string result;
    std::size_t column = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char letter = text[i];
        if (letter == '\n') {
            result += "\r\n";
            column = 0;
            continue;
        }
        const bool at_end = i + 1 == text.size() || text[i + 1] == '\n';
        const bool space = letter == ' ' || letter == '\t';
        const bool plain = (letter > 0x20 && letter < 0x7f && letter != '=') || (space && !at_end);
        auto shown = plain ? std::string(1, letter) : hex(letter);
        if (column + shown.size() > kLine - 1) {
            result += "=\r\n";
            column = 0;
        }
        result += shown;
        column += shown.size();
    }
    return result + "\r\n";
}

}  // namespace belay::notify
