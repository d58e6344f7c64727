#include "json_access.hpp"
#include "render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace belay::cli {
namespace {

constexpr std::size_t kTimeWidth = 19;  // "2026-11-25 02:48:10"
// Narrower than this nothing is gained by breaking lines.
constexpr int kTextLeast = 30;

// Breaks at spaces; a word that is too long stays whole, so that it can be copied.
std::vector<std::string> wrapped(const std::string& text, int width) {
    if (width < kTextLeast) return {text};
    std::vector<std::string> lines(1);
    std::size_t at = 0;
    while (at < text.size()) {
        auto end = std::min(text.find(' ', at), text.size());
        auto word = text.substr(at, end - at);
        auto& line = lines.back();
        if (!line.empty() && display_width(line) + 1 + display_width(word) > width)
            lines.push_back(word);
        else
            line += (line.empty() ? "" : " ") + word;
        at = end + 1;
    }
    return lines;
}

std::string subject_of(const Json& step) {
    auto subject = shown_of(step, "subject");
    if (!subject.empty()) return subject;
    return text_of(step, "kind") == "live" ? "live" : "";
}

class Timeline {
  public:
    Timeline(const Json& steps, const Canvas& canvas) : canvas_(canvas) {
        for (const auto& step : steps)
            subject_width_ = std::max(subject_width_, subject_of(step).size());
        for (const auto& step : steps)
            add(step);
    }
    std::string text() const { return text_; }

  private:
    void add(const Json& step) {
        const auto kind = text_of(step, "kind");
        const auto subject = subject_of(step);
        // What belongs to the step before stands below it.
        const bool own_time = kind != "decision" && kind != "live";
        const auto lead = fmt::format("{:>{}}  ", own_time ? when(step) : "", kTimeWidth);
        const auto gap = std::string(kTimeWidth + 2 + subject_width_ + 2, ' ');
        const auto width = canvas_.width == 0 ? 0 : canvas_.width - static_cast<int>(gap.size());
        auto style = Style::plain;
        if (kind == "end" || kind == "waits" || kind == "decision" || kind == "stage")
            style = style_of(text_of(step, "state"));
        bool first = true;
        for (const auto& line : wrapped(shown_of(step, "text"), width)) {
            if (first)
                text_ += styled(lead, Style::dim, canvas_.color) +
                         styled(subject, Style::bold, canvas_.color) +
                         std::string(subject_width_ - subject.size() + 2, ' ');
            else
                text_ += gap;
            text_ += styled(line, style, canvas_.color) + "\n";
            first = false;
        }
        for (const auto& line : items_of(member_of(step, "lines")))
            if (line.is_string())
                text_ +=
                    gap +
                    styled("| " + printable(line.get<std::string>()), Style::dim, canvas_.color) +
                    "\n";
    }

    // The date only where it changes.
    std::string when(const Json& step) {
        auto at = time_of(step, "at");
        if (!at) return {};
        auto time = format_time(*at);
        auto date = time.substr(0, 10);
        auto clock = time.substr(11, 8);
        return std::exchange(date_, date) == date ? clock : date + " " + clock;
    }

    const Canvas& canvas_;
    std::size_t subject_width_ = 0;
    std::string date_;
    std::string text_;
};

}  // namespace

std::string render_why(const Json& explanation, const Canvas& canvas) {
    auto answer = shown_of(explanation, "answer");
    if (answer.empty()) return "Nothing is known about it.\n";
    std::string text;
    for (const auto& line : wrapped(answer, canvas.width))
        text += styled(line, Style::bold, canvas.color) + "\n";
    const auto& steps = items_of(member_of(explanation, "steps"));
    if (!steps.empty()) text += "\n" + Timeline(steps, canvas).text();
    std::string_view label = "\nnext: ";
    for (const auto& each : items_of(member_of(explanation, "next"))) {
        if (!each.is_string()) continue;
        text += std::string(label) + printable(each.get<std::string>()) + "\n";
        label = "      ";
    }
    return text;
}

}  // namespace belay::cli
