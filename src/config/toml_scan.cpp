#include "config/toml_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace belay::config {
namespace {

// Far more than any configuration has, far less than a parser's stack bears: toml++ 3.3 caps nested
// values only, and half a million dots in one key end the process.
constexpr int kBracketsMax = 32;
constexpr int kDotsMax = 16;

// Length of the UTF-8 sequence at the text's start (RFC 3629); 0: it is none.
std::size_t sequence_length(std::string_view text) {
    auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    auto continues = [&](std::size_t at) { return (byte(at) & 0xc0U) == 0x80U; };
    auto first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        bool overlong = first == 0xe0 && byte(1) < 0xa0;
        bool surrogate = first == 0xed && byte(1) >= 0xa0;
        return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        bool overlong = first == 0xf0 && byte(1) < 0x90;
        bool too_large = first == 0xf4 && byte(1) >= 0x90;
        return continues(1) && continues(2) && continues(3) && !overlong && !too_large ? 4 : 0;
    }
    return 0;
}

// Walks over the text, aware of comments and the four kinds of strings only.
class Scan {
  public:
    explicit Scan(std::string_view text) : text_(text) {}

    std::optional<TextError> run() {
        while (at_ < text_.size()) {
            if (auto error = check_bytes()) return error;
            if (auto error = step()) return error;
        }
        return std::nullopt;
    }

  private:
    std::optional<TextError> complain(std::string message) const {
        return TextError{line_, column_, std::move(message)};
    }

    std::optional<TextError> check_bytes() {
        length_ = sequence_length(text_.substr(at_));
        auto byte = static_cast<unsigned char>(text_[at_]);
        if (length_ == 0)
            return complain(
                fmt::format("is no UTF-8 text (byte 0x{:02x}); save it as UTF-8", byte));
        bool control = byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r';
        if (control)
            return complain(
                fmt::format("has a control character (byte 0x{:02x}): is this a text file?", byte));
        return std::nullopt;
    }

    std::optional<TextError> step() {
        auto here = text_[at_];
        auto error = quote_ != 0 ? in_string(here) : outside(here);
        if (error) return error;
        at_ += length_;
        if (here == '\n') {
            ++line_;
            column_ = 1;
            dots_ = 0;
            comment_ = false;
            if (!multiline_) quote_ = 0;  // the parser will say that it isn't closed
        } else {
            ++column_;
        }
        return std::nullopt;
    }

    std::optional<TextError> in_string(char here) {
        if (here == '\\' && quote_ == '"' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n' &&
            sequence_length(text_.substr(at_ + 1)) == 1) {
            length_ = 2;
            ++column_;
        } else if (here == quote_ && (!multiline_ || is_triple())) {
            skip_quotes();
            quote_ = 0;
        }
        return std::nullopt;
    }

    std::optional<TextError> outside(char here) {
        if (comment_) return std::nullopt;
        if (here == '#') comment_ = true;
        if (here == '"' || here == '\'') {
            multiline_ = is_triple();
            skip_quotes();
            quote_ = here;
        }
        if (here == '.' && ++dots_ > kDotsMax)
            return complain("a key has more parts than any that Belay knows");
        if (here == '[' || here == '{') ++brackets_;
        if ((here == ']' || here == '}') && brackets_ > 0) --brackets_;
        if (brackets_ > kBracketsMax)
            return complain("is nested deeper than any value that Belay knows");
        return std::nullopt;
    }

    bool is_triple() const {
        return at_ + 2 < text_.size() && text_[at_ + 1] == text_[at_] &&
               text_[at_ + 2] == text_[at_];
    }
    // Up to two quotes more belong to a multi-line string's content, right before its end.
    void skip_quotes() {
        if (!multiline_) return;
        length_ = 3;
        while (quote_ != 0 && length_ < 5 && at_ + length_ < text_.size() &&
               text_[at_ + length_] == quote_)
            ++length_;
        column_ += static_cast<int>(length_) - 1;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t length_ = 1;
    int line_ = 1;
    int column_ = 1;
    int dots_ = 0;
    int brackets_ = 0;
    bool comment_ = false;
    bool multiline_ = false;
    char quote_ = 0;
};

}  // namespace

std::optional<TextError> scan_text(std::string_view text) {
    return Scan(text).run();
}

std::string_view line_of(std::string_view text, int line) {
    std::size_t at = 0;
    for (int current = 1; current < line; ++current) {
        auto newline = text.find('\n', at);
        if (newline == text.npos) return text.substr(text.size());
        at = newline + 1;
    }
    auto result = text.substr(at, std::min(text.find('\n', at), text.size()) - at);
    if (result.ends_with('\r')) result.remove_suffix(1);
    return result;
}

}  // namespace belay::config
