#include "progress.hpp"

#include "json_access.hpp"
#include "render.hpp"

#include <fmt/format.h>

#include <array>

namespace belay::cli {
namespace {

constexpr std::string_view kRewrite = "\r\x1b[K";
constexpr std::array kTurns{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
// Of the longest stage name, so that times stand below each other.
constexpr int kNameWidth = 10;

// States that are no stage of their own, yet last.
std::string_view wait_of(std::string_view state) {
    if (state == "queued") return "waits for its turn";
    if (state == "awaiting_approval") return "waits for `belay approve`";
    if (state == "rolling_back") return "rolling back";
    return {};
}

std::string_view mark_of(std::string_view state) {
    if (state == "passed") return "✓";
    return state == "failed" ? "✗" : "·";
}

std::string key_of(const Json& stage) {
    return text_of(stage, "name") + "#" + text_of(stage, "attempt");
}

std::string title(const Json& deployment) {
    auto text = fmt::format("{} {}", shown_of(deployment, "id"), shown_of(deployment, "app"));
    if (auto ref = short_ref(text_of(deployment, "ref")); !ref.empty()) text += " " + ref;
    if (auto commit = text_of(deployment, "commit"); !commit.empty())
        text += " " + short_commit(commit);
    return text;
}

}  // namespace

bool has_ended(const Json& deployment) {
    static constexpr std::array kEnds{"healthy", "failed", "rolled_back", "canceled", "superseded"};
    auto state = text_of(deployment, "state");
    for (std::string_view end : kEnds)
        if (state == end) return true;
    return false;
}

std::string Progress::line(std::string_view mark, std::string_view name, std::string_view text,
                           Style style, const Canvas& canvas) const {
    if (terminal_)
        return fmt::format("{} {:<{}} {}", styled(mark, style, canvas.color), name, kNameWidth,
                           text);
    auto elapsed = span(canvas.now - began_);
    return fmt::format("[{:>6}] {:<{}} {}", elapsed, name, kNameWidth, text);
}

std::string Progress::close() {
    if (!line_open_) return {};
    line_open_ = false;
    return "\n";
}

std::string Progress::tick(const Canvas& canvas) {
    if (!terminal_ || running_.name.empty()) return {};
    line_open_ = true;
    auto turn = kTurns[turn_++ % kTurns.size()];
    return std::string(kRewrite) +
           line(turn, running_.name, span(canvas.now - running_.since), Style::busy, canvas);
}

std::string Progress::stage_changes(const Json& deployment, const Canvas& canvas) {
    std::string text;
    auto wipe = line_open_ ? kRewrite : std::string_view{};
    running_ = {};
    for (const auto& stage : items_of(member_of(deployment, "stages"))) {
        auto state = shown_of(stage, "state");
        auto name = shown_of(stage, "name");
        auto start = time_of(stage, "started_at");
        auto end = time_of(stage, "finished_at");
        if (state == "running") running_ = {name, start ? *start : canvas.now};
        auto& shown = stages_[key_of(stage)];
        if (shown == state) continue;
        shown = state;
        if (state == "running" && terminal_) continue;
        auto took = start && end ? span(*end - *start) : std::string{};
        auto what = state == "running" ? std::string("started")
                    : terminal_        ? took
                                : fmt::format("{}{}{}", state, took.empty() ? "" : " in ", took);
        text +=
            fmt::format("{}{}\n", wipe, line(mark_of(state), name, what, style_of(state), canvas));
        wipe = {};
        line_open_ = false;
    }
    return text;
}

std::string Progress::update(const Json& deployment, const Canvas& canvas) {
    std::string text;
    auto state = text_of(deployment, "state");
    if (state_.empty()) {
        auto created = time_of(deployment, "created_at");
        began_ = created ? *created : canvas.now;
        text = title(deployment) + "\n";
    }
    text += stage_changes(deployment, canvas);
    auto wait = wait_of(state);
    if (!wait.empty() && running_.name.empty()) {
        if (state != state_ && !terminal_)
            text += line("·", state, wait, Style::busy, canvas) + "\n";
        running_ = {std::string(wait), state == state_ ? running_.since : canvas.now};
    }
    state_ = state;
    return has_ended(deployment) ? text + close() : text + tick(canvas);
}

std::string render_outcome(const Json& deployment, const Canvas& canvas) {
    auto state = shown_of(deployment, "state");
    auto from = time_of(deployment, "created_at");
    auto to = time_of(deployment, "finished_at");
    auto after = from && to ? " after " + span(*to - *from) : std::string{};
    auto id = shown_of(deployment, "id");
    if (state == "healthy") {
        auto text = fmt::format("{} is healthy{}: {} release {} is live", id, after,
                                shown_of(deployment, "app"), text_of(deployment, "release"));
        return styled(text, Style::good, canvas.color) + "\n";
    }
    auto text =
        styled(fmt::format("{} ended {}{}", id, state, after), style_of(state), canvas.color) +
        "\n";
    if (auto by = shown_of(deployment, "superseded_by"); !by.empty() && by != "0")
        text += fmt::format("{} took its place: `belay show {}`\n", by, by);
    return text + render_failure(deployment, canvas);
}

}  // namespace belay::cli
