#include "config/grammar.hpp"

#include <belay/config/env_file.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace belay::config {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<std::map<std::string, Secret>> run() {
        std::map<std::string, Secret> result;
        while (at_ < text_.size()) {
            skip_blanks();
            if (!ended() && text_[at_] != '#') {
                auto name = read_name();
                if (!name) return name.error();
                auto value = read_value();
                if (!value) return value.error();
                result.insert_or_assign(*name, Secret(*value));
            }
            skip_line();
        }
        return result;
    }

  private:
    bool ended() const { return at_ >= text_.size() || text_[at_] == '\n'; }
    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_]))
            ++at_;
    }
    void skip_line() {
        while (!ended())
            ++at_;
        if (at_ < text_.size()) ++at_;
        ++line_;
    }
    Error wrong(std::string_view what) const {
        return Error{Errc::invalid, fmt::format("line {}: {}", line_, what)};
    }

    Result<std::string> read_name() {
        auto rest = text_.substr(at_);
        if (rest.starts_with("export ") || rest.starts_with("export\t")) {
            at_ += 7;
            skip_blanks();
        }
        auto line_end = std::min(text_.find('\n', at_), text_.size());
        auto equals = text_.find('=', at_);
        // the line itself is not shown: it may be a secret
        if (equals == text_.npos || equals > line_end) return wrong("is no NAME=value");
        auto name = text_.substr(at_, equals - at_);
        while (!name.empty() && is_blank(name.back()))
            name.remove_suffix(1);
        if (!check_variable(name)) return wrong(name_fault(name));
        at_ = equals + 1;
        skip_blanks();
        return std::string(name);
    }

    static std::string name_fault(std::string_view name) {
        bool belays = name == "PORT" || name == "HOST" || name.starts_with("BELAY_");
        if (belays) return fmt::format("{} {}", name, check_variable(name).error().message);
        return "before the \"=\" stands no name of a variable";
    }

    Result<std::string> read_value() {
        if (ended()) return std::string();
        if (text_[at_] == '\'' || text_[at_] == '"') return read_quoted(text_[at_]);
        auto begin = at_;
        while (!ended() && !(text_[at_] == '#' && at_ > begin && is_blank(text_[at_ - 1])))
            ++at_;
        auto end = at_;
        while (end > begin && is_blank(text_[end - 1]))
            --end;
        return std::string(text_.substr(begin, end - begin));
    }

    Result<std::string> read_quoted(char quote) {
        auto opened = line_;
        std::string value;
        for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
            if (text_[at_] == '\n') ++line_;
            if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size())
                value += unescaped(text_[++at_]);
            else
                value += text_[at_];
        }
        if (at_ >= text_.size()) {
            line_ = opened;
            return wrong("the quote that begins the value is never closed");
        }
        ++at_;
        skip_blanks();
        if (!ended() && text_[at_] != '#')
            return wrong("something stands behind the closing quote");
        return value;
    }

    static std::string unescaped(char c) {
        if (c == 'n') return "\n";
        if (c == 't') return "\t";
        if (c == 'r') return "\r";
        if (c == '"' || c == '\\' || c == '$' || c == '\'') return std::string(1, c);
        return std::string("\\") + c;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int line_ = 1;
};

std::string quoted(const std::string& value) {
    std::string result = "\"";
    for (char c : value) {
        if (c == '\n') {
            result += "\\n";
        } else if (c == '\r') {
            result += "\\r";
        } else {
            if (c == '"' || c == '\\') result += '\\';
            result += c;
        }
    }
    return result + '"';
}

}  // namespace

Result<std::map<std::string, Secret>> parse_env_text(std::string_view text) {
    if (text.find('\0') != text.npos)
        return Error{Errc::invalid, "is no text file: it has zero bytes"};
    return Parser(text).run();
}

Result<std::string> format_env_text(const std::map<std::string, Secret>& secrets) {
    std::string result;
    for (const auto& [name, secret] : secrets) {
        auto checked = check_variable(name);
        if (!checked)
            return Error{Errc::invalid, fmt::format("{} {}", name, checked.error().message)};
        if (secret.reveal().find('\0') != std::string::npos)
            return Error{Errc::invalid,
                         fmt::format("{} has a zero byte, which no variable can hold", name)};
        result += fmt::format("{}={}\n", name, quoted(secret.reveal()));
    }
    return result;
}

}  // namespace belay::config
