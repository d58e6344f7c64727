#include "json_access.hpp"
#include "render.hpp"

#include <fmt/format.h>

namespace belay::cli {
namespace {

std::string when(const Json& record, std::string_view key, TimePoint now) {
    auto time = time_of(record, key);
    return time ? ago(*time, now) : std::string{};
}

// "main 1a2b3c4", "-dev", "3 refs"
std::string changes_line(const Json& delivery) {
    const auto& changes = items_of(member_of(delivery, "changes"));
    if (changes.empty()) return shown_of(delivery, "kind");
    if (changes.size() > 1) return fmt::format("{} refs", changes.size());
    const auto& change = changes[0];
    auto name = shown_of(change, "name");
    if (name.empty()) name = short_ref(text_of(change, "ref"));
    if (flag_of(change, "deleted")) return "deleted " + name;
    auto commit = text_of(change, "commit");
    if (commit.empty()) commit = text_of(change, "after");
    return fmt::format("{} {}", name, short_commit(commit));
}

}  // namespace

std::string render_releases(const Json& list, const Canvas& canvas) {
    Table table({"RELEASE", "STATE", "COMMIT", "DEPLOYMENT", "CREATED", "LIVE SINCE",
                 "HEALTHY SINCE", "SIZE"});
    for (const auto& each : items_of(list)) {
        auto state = shown_of(each, "state");
        auto bytes = number_of(each, "bytes");
        table.add({{text_of(each, "number")},
                   {state, style_of(state)},
                   {short_commit(text_of(each, "commit"))},
                   {shown_of(each, "deployment")},
                   {when(each, "created_at", canvas.now)},
                   {when(each, "live_since", canvas.now)},
                   {when(each, "healthy_since", canvas.now)},
                   {bytes && *bytes > 0 ? format_size(static_cast<std::uint64_t>(*bytes)) : ""}});
    }
    return table.empty() ? "No releases yet.\n" : table.render(canvas);
}

std::string render_gc(const Json& report, const Canvas& canvas) {
    Table table({"APP", "RELEASE", "SIZE", "WHY", "ERROR"});
    for (const auto& each : items_of(report)) {
        auto bytes = number_of(each, "bytes");
        table.add({{text_of(each, "app")},
                   {text_of(each, "release")},
                   {bytes && *bytes > 0 ? format_size(static_cast<std::uint64_t>(*bytes)) : ""},
                   {text_of(each, "why")},
                   {shown_of(each, "error"), Style::bad}});
    }
    if (table.empty()) return "Nothing to remove.\n";
    return (flag_of(report, "dry_run") ? "Would remove:\n" : "Removed:\n") + table.render(canvas);
}

std::string render_deliveries(const Json& list, const Canvas& canvas) {
    Table table({"DELIVERY", "APP", "FORGE", "EVENT", "RECEIVED", "ANSWER", "DECISION",
                 "DEPLOYMENT", "WHAT", "REASON"});
    for (const auto& each : items_of(list)) {
        auto decision = shown_of(each, "decision");
        table.add({{shown_of(each, "id")},
                   {shown_of(each, "app")},
                   {shown_of(each, "forge")},
                   {shown_of(each, "event")},
                   {when(each, "received_at", canvas.now)},
                   {text_of(each, "status_code")},
                   {decision, decision == "queued" ? Style::good : style_of(decision)},
                   {shown_of(each, "deployment")},
                   {changes_line(each)},
                   {shown_of(each, "reason")}});
    }
    return table.empty() ? "No deliveries yet.\n" : table.render(canvas);
}

std::string render_delivery(const Json& delivery, const Canvas& canvas) {
    auto decision = shown_of(delivery, "decision");
    auto text = fmt::format(
        "{}  {}  {}\n\n", styled(shown_of(delivery, "id"), Style::bold, canvas.color),
        shown_of(delivery, "app"),
        styled(decision, decision == "queued" ? Style::good : style_of(decision), canvas.color));
    Table facts({});
    auto add = [&](std::string label, std::string value) {
        if (!value.empty()) facts.add({{std::move(label), Style::dim}, {std::move(value)}});
    };
    add("rule", shown_of(delivery, "rule"));
    add("reason", shown_of(delivery, "reason"));
    add("deployment", shown_of(delivery, "deployment"));
    add("replay of", shown_of(delivery, "replay_of"));
    if (auto received = time_of(delivery, "received_at"))
        add("received", fmt::format("{} ({})", format_time(*received), ago(*received, canvas.now)));
    add("answered", text_of(delivery, "status_code"));
    add("forge", shown_of(delivery, "forge"));
    add("event", shown_of(delivery, "event"));
    add("forge's id", shown_of(delivery, "delivery_id"));
    add("kind", shown_of(delivery, "kind"));
    const auto& repository = member_of(delivery, "repository");
    add("repository", repository.is_object() ? shown_of(repository, "full_name")
                                             : shown_of(delivery, "repository"));
    text += facts.render(canvas, 2);

    Table changes({"REF", "BEFORE", "AFTER", "COMMIT", "HOW"});
    for (const auto& change : items_of(member_of(delivery, "changes"))) {
        std::string how = flag_of(change, "created")   ? "created"
                          : flag_of(change, "deleted") ? "deleted"
                                                       : "";
        if (flag_of(change, "forced")) how += how.empty() ? "forced" : ", forced";
        changes.add({{shown_of(change, "ref")},
                     {short_commit(text_of(change, "before"))},
                     {short_commit(text_of(change, "after"))},
                     {short_commit(text_of(change, "commit"))},
                     {how}});
    }
    if (!changes.empty()) text += "\n" + changes.render(canvas, 2);
    return text;
}

std::string render_audit(const Json& list, const Canvas& canvas) {
    Table table(
        {"ID", "WHEN", "WHO", "ROLE", "FROM", "ACT", "TARGET", "ANSWER", "ASKED", "OUTCOME"});
    for (const auto& each : items_of(list)) {
        auto status = number_of(each, "status_code");
        auto who = shown_of(each, "who");
        const auto& asked = member_of(each, "asked");
        table.add({{text_of(each, "id")},
                   {when(each, "at", canvas.now)},
                   {who.empty() ? "-" : who},
                   {shown_of(each, "role")},
                   {shown_of(each, "origin")},
                   {shown_of(each, "act")},
                   {shown_of(each, "target")},
                   {status ? std::to_string(*status) : "begun",
                    status && *status < 400 ? Style::good : Style::bad},
                   {asked.is_object() ? printable(asked.dump()) : ""},
                   {shown_of(each, "outcome")}});
    }
    return table.empty() ? "Nothing was done yet.\n" : table.render(canvas);
}

std::string render_tokens(const Json& list, const Canvas& canvas) {
    Table table({"TOKEN", "ROLE", "CREATED", "BY", "EXPIRES", "LAST USED", "FROM"});
    for (const auto& each : items_of(list)) {
        auto expires = time_of(each, "expires_at");
        bool expired = expires && *expires <= canvas.now;
        table.add({{shown_of(each, "name")},
                   {shown_of(each, "role")},
                   {when(each, "created_at", canvas.now)},
                   {shown_of(each, "created_by")},
                   {!expires  ? "never"
                    : expired ? "expired"
                              : format_time(*expires).substr(0, 10),
                    expired ? Style::bad : Style::plain},
                   {when(each, "last_used_at", canvas.now)},
                   {shown_of(each, "last_used_from")}});
    }
    return table.empty() ? "No tokens yet.\n" : table.render(canvas);
}

std::string render_reload(const Json& report, const Canvas& canvas) {
    std::string text;
    for (const auto& each : items_of(member_of(report, "complaints"))) {
        auto where = shown_of(each, "file");
        for (std::string_view key : {"line", "column"})
            if (auto number = number_of(each, key); number && *number > 0)
                where += ":" + std::to_string(*number);
        auto line = each.is_string()
                        ? printable(each.get<std::string>())
                        : (where.empty() ? "" : where + ": ") + shown_of(each, "message");
        text += styled(line, Style::bad, canvas.color) + "\n";
    }
    Table changes({});
    for (const auto& each : items_of(member_of(report, "changes"))) {
        auto what = shown_of(each, "change");
        changes.add({{shown_of(each, "app"), Style::bold}, {what}});
    }
    text += changes.render(canvas);
    if (text.empty()) text = "Nothing changed.\n";
    return text;
}

}  // namespace belay::cli
