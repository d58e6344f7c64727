#include "json_access.hpp"
#include "render.hpp"

#include <fmt/format.h>

namespace belay::cli {
namespace {

// More make the record unreadable; `--json` has them all.
constexpr std::size_t kProbesShown = 12;

std::string took(const Json& record, std::string_view from, TimePoint now) {
    auto start = time_of(record, from);
    if (!start) return {};
    auto end = time_of(record, "finished_at");
    return span((end ? *end : now) - *start);
}

std::string how_it_exited(const Json& record) {
    if (auto signal = number_of(record, "signal")) return fmt::format("signal {}", *signal);
    if (auto code = number_of(record, "exit_code")) return fmt::format("exit {}", *code);
    return {};
}

std::string failure_line(const Json& deployment) {
    auto reason = shown_of(deployment, "rule");
    if (reason.empty()) reason = shown_of(deployment, "reason");
    if (reason.empty()) return {};
    auto line = reason;
    if (auto stage = shown_of(deployment, "stage"); !stage.empty()) line += " in " + stage;
    if (auto exit = how_it_exited(deployment); !exit.empty()) line += ", " + exit;
    if (auto blame = shown_of(deployment, "blame"); !blame.empty())
        line += fmt::format(" (to be mended by: {})", blame);
    return line;
}

std::string on_lines(const std::string& text, std::string_view indent) {
    std::string lines;
    for (std::size_t at = 0; at < text.size();) {
        auto end = std::min(text.find('\n', at), text.size());
        lines +=
            fmt::format("{}{}\n", indent, printable(std::string_view(text).substr(at, end - at)));
        at = end + 1;
    }
    return lines;
}

std::string log_tail(const Json& deployment) {
    std::string text;
    for (const auto& line : items_of(member_of(deployment, "log_tail")))
        if (line.is_string()) text += "  | " + printable(line.get<std::string>()) + "\n";
    return text;
}

Table facts_of(const Json& deployment, const Canvas& canvas) {
    Table facts({});
    auto add = [&](std::string label, std::string value, Style style = Style::plain) {
        if (!value.empty()) facts.add({{std::move(label), Style::dim}, {std::move(value), style}});
    };
    add("reason", failure_line(deployment), Style::bad);
    auto trigger = shown_of(deployment, "trigger");
    if (auto delivery = shown_of(deployment, "delivery"); !delivery.empty())
        trigger += ", delivery " + delivery;
    add("trigger", trigger);
    add("asked", shown_of(deployment, "note"));
    add("commit", shown_of(deployment, "commit"));
    add("ref", short_ref(text_of(deployment, "ref")));
    add("author", shown_of(deployment, "author"));
    add("message", shown_of(deployment, "message"));
    auto release = text_of(deployment, "release");
    auto previous = text_of(deployment, "previous");
    if (!release.empty() && release != "0")
        add("release",
            release + (previous.empty() || previous == "0" ? "" : ", before it " + previous));
    if (auto created = time_of(deployment, "created_at"))
        add("created", fmt::format("{} ({})", format_time(*created), ago(*created, canvas.now)));
    auto overhead = number_of(deployment, "overhead_ms");
    auto total = took(deployment, "created_at", canvas.now);
    if (!total.empty() && overhead)
        total += fmt::format(", of which Belay's own {}", span(Millis{*overhead}));
    add("took", total);
    if (auto expires = time_of(deployment, "expires_at"))
        add("canceled", ago(*expires, canvas.now) + " unless approved", Style::busy);
    return facts;
}

Table stages_of(const Json& deployment, const Canvas& canvas) {
    Table table({"STAGE", "STATE", "TIME", "EXIT", "CPU", "MEMORY", "LOG"});
    auto size = [](const Json& stage, std::string_view key) {
        auto bytes = number_of(stage, key);
        return bytes && *bytes > 0 ? format_size(static_cast<std::uint64_t>(*bytes))
                                   : std::string{};
    };
    for (const auto& stage : items_of(member_of(deployment, "stages"))) {
        auto state = shown_of(stage, "state");
        auto cpu = number_of(stage, "cpu_ms");
        table.add({{shown_of(stage, "name")},
                   {state, style_of(state)},
                   {took(stage, "started_at", canvas.now)},
                   {how_it_exited(stage)},
                   {cpu && *cpu > 0 ? span(Millis{*cpu}) : ""},
                   {size(stage, "peak_memory")},
                   {size(stage, "log_bytes")}});
    }
    return table;
}

std::string probe_result(const Json& probe) {
    auto status = number_of(probe, "status");
    auto error = shown_of(probe, "error");
    auto text = status && *status > 0 ? std::to_string(*status) : std::string{};
    if (!error.empty()) text += (text.empty() ? "" : ": ") + error;
    return text.empty() ? "passed" : text;
}

Table probes_of(const Json& deployment, const Canvas& canvas) {
    Table table({"PROBE", "TARGET", "FAMILY", "RESULT", "LATENCY", "BODY"});
    const auto& probes = items_of(member_of(deployment, "probes"));
    auto first = probes.size() > kProbesShown ? probes.size() - kProbesShown : 0;
    for (std::size_t i = first; i < probes.size(); ++i) {
        const auto& probe = probes[i];
        auto at = time_of(probe, "at");
        auto latency = number_of(probe, "latency_ms");
        bool passed = text_of(probe, "error").empty();
        table.add({{at ? ago(*at, canvas.now) : ""},
                   {shown_of(probe, "target")},
                   {shown_of(probe, "family")},
                   {probe_result(probe), passed ? Style::good : Style::bad},
                   {latency ? span(Millis{*latency}) : ""},
                   {shown_of(probe, "body"), Style::dim}});
    }
    return table;
}

}  // namespace

std::string render_deployments(const Json& list, const Canvas& canvas) {
    Table table({"DEPLOYMENT", "STATE", "COMMIT", "REF", "TRIGGER", "RELEASE", "CREATED", "TOOK",
                 "REASON"});
    for (const auto& each : items_of(list)) {
        auto state = shown_of(each, "state");
        auto created = time_of(each, "created_at");
        auto release = text_of(each, "release");
        auto reason = shown_of(each, "rule");
        if (reason.empty()) reason = shown_of(each, "reason");
        if (auto message = shown_of(each, "message"); reason.empty()) reason = message;
        table.add({{shown_of(each, "id")},
                   {state, style_of(state)},
                   {short_commit(text_of(each, "commit"))},
                   {short_ref(text_of(each, "ref"))},
                   {shown_of(each, "trigger")},
                   {release == "0" ? "" : release},
                   {created ? ago(*created, canvas.now) : ""},
                   {took(each, "created_at", canvas.now)},
                   {reason}});
    }
    return table.empty() ? "No deployments yet.\n" : table.render(canvas);
}

std::string render_failure(const Json& deployment, const Canvas& canvas) {
    std::string text;
    if (auto line = failure_line(deployment); !line.empty())
        text += styled(line, Style::bad, canvas.color) + "\n";
    text += on_lines(text_of(deployment, "detail"), "");
    return text + log_tail(deployment);
}

std::string render_deployment(const Json& deployment, const Canvas& canvas) {
    auto state = shown_of(deployment, "state");
    auto text =
        fmt::format("{}  {}  {}\n\n", styled(shown_of(deployment, "id"), Style::bold, canvas.color),
                    shown_of(deployment, "app"), styled(state, style_of(state), canvas.color));
    text += facts_of(deployment, canvas).render(canvas, 2);
    if (auto detail = text_of(deployment, "detail"); !detail.empty())
        text += "\n" + on_lines(detail, "  ");
    if (auto stages = stages_of(deployment, canvas); !stages.empty())
        text += "\n" + stages.render(canvas, 2);
    if (auto probes = probes_of(deployment, canvas); !probes.empty())
        text += "\n" + probes.render(canvas, 2);
    if (auto tail = log_tail(deployment); !tail.empty())
        text += fmt::format("\n  Last lines of the log (`belay logs {}` shows all)\n{}",
                            shown_of(deployment, "id"), tail);
    return text;
}

}  // namespace belay::cli
