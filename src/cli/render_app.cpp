#include "json_access.hpp"
#include "render.hpp"

#include <fmt/format.h>

namespace belay::cli {
namespace {

Cell state_cell(std::string text) {
    auto style = style_of(text);
    return {std::move(text), style};
}

// The active deployment's id, wherever the answer carries the whole record or only the id.
std::string deployment_line(const Json& deployment) {
    if (deployment.is_string()) return printable(deployment.get<std::string>());
    if (!deployment.is_object()) return {};
    auto line = shown_of(deployment, "id") + " " + shown_of(deployment, "state");
    if (auto ref = short_ref(text_of(deployment, "ref")); !ref.empty()) line += " " + ref;
    if (auto commit = text_of(deployment, "commit"); !commit.empty())
        line += " " + short_commit(commit);
    return line;
}

// "d14 awaiting_approval main 9988776, canceled in 6d"
std::string deployment_now(const Json& deployment, TimePoint now) {
    auto line = deployment_line(deployment);
    if (!deployment.is_object()) return line;
    if (auto expires = time_of(deployment, "expires_at"))
        line += ", canceled " + ago(*expires, now) + " unless approved";
    return line;
}

std::string hold_line(const Json& hold, TimePoint now) {
    if (!hold.is_object()) return {};
    std::string line = "on hold";
    if (auto since = time_of(hold, "since")) line += " since " + ago(*since, now);
    if (auto by = shown_of(hold, "by"); !by.empty()) line += " by " + by;
    if (auto why = shown_of(hold, "why"); !why.empty()) line += ": " + why;
    return line;
}

// "3m ago, main was at 1a2b3c4; again in 2m"
std::string poll_line(const Json& poll, TimePoint now) {
    if (!poll.is_object()) return "off";
    std::string line = "not yet";
    if (auto last = time_of(poll, "last_at")) line = ago(*last, now);
    if (auto error = shown_of(poll, "error"); !error.empty()) {
        auto failures = number_of(poll, "failures").value_or(0);
        line += (failures > 1 ? fmt::format(", failed {} times in a row: ", failures)
                              : std::string(", ")) +
                error;
    } else if (auto tip = text_of(poll, "tip"); !tip.empty()) {
        line += ", at " + short_commit(tip);
    }
    if (auto next = time_of(poll, "next_at")) line += "; again " + ago(*next, now);
    return line;
}

std::string notes(const Json& app, TimePoint now) {
    std::string text = hold_line(member_of(app, "hold"), now);
    auto add = [&](std::string_view note) {
        text += (text.empty() ? "" : "; ") + std::string(note);
    };
    if (flag_of(app, "orphaned")) add("its file is gone");
    if (flag_of(app, "config_newer")) add("its file is newer than the live release");
    if (auto error = shown_of(app, "config_error"); !error.empty()) add("config error: " + error);
    return text;
}

std::string live_line(const Json& live, TimePoint now) {
    auto line = fmt::format("release {} ({}), {}", text_of(live, "release"),
                            short_commit(text_of(live, "commit")), shown_of(live, "health"));
    if (auto since = time_of(live, "since")) line += ", since " + ago(*since, now);
    return line;
}

std::string standby_release(const Json& app) {
    const auto& standby = member_of(app, "standby");
    return standby.is_object() ? text_of(standby, "release") : text_of(app, "standby");
}

// The newest finished deployment, where it did not go well.
const Json& last_failure(const Json& recent) {
    static const Json kNone;
    for (const auto& each : items_of(recent)) {
        auto state = text_of(each, "state");
        if (state == "failed" || state == "rolled_back") return each;
        if (state == "healthy") break;
    }
    return kNone;
}

Table facts_of(const Json& app, const Json& recent, TimePoint now) {
    Table facts({});
    auto add = [&](std::string label, std::string value, Style style = Style::plain) {
        if (!value.empty()) facts.add({{std::move(label), Style::dim}, {std::move(value), style}});
    };
    if (const auto& live = member_of(app, "live"); live.is_object())
        add("live", live_line(live, now));
    if (auto standby = standby_release(app); !standby.empty() && standby != "0")
        add("standby", "release " + standby);
    add("now", deployment_now(member_of(app, "deployment"), now), Style::busy);
    for (const auto& queued : items_of(member_of(app, "queued")))
        add("queued", deployment_line(queued));
    add("hold", hold_line(member_of(app, "hold"), now), Style::busy);
    for (const auto& url : items_of(member_of(app, "urls")))
        if (url.is_string()) add("answers at", printable(url.get<std::string>()));
    auto branch = shown_of(app, "branch");
    add("repository", shown_of(app, "repo") + (branch.empty() ? "" : ", branch " + branch));
    add("tags", shown_of(app, "tags"));
    if (app.contains("poll"))
        add("polling", poll_line(member_of(app, "poll"), now),
            text_of(member_of(app, "poll"), "error").empty() ? Style::plain : Style::bad);
    add("file", shown_of(app, "file"));
    if (flag_of(app, "orphaned"))
        add("", "its file is gone: it stays live until `belay remove` ends it", Style::bad);
    if (flag_of(app, "config_newer"))
        add("", "the file is newer than the live release: `belay deploy` applies it", Style::busy);
    add("config error", shown_of(app, "config_error"), Style::bad);
    if (const auto& failure = last_failure(recent); failure.is_object()) {
        auto when = time_of(failure, "finished_at");
        add("last failure",
            fmt::format(
                "{} {}{}: {}{} (`belay show {}`)", shown_of(failure, "id"),
                shown_of(failure, "state"),
                text_of(failure, "stage").empty() ? "" : " in " + shown_of(failure, "stage"),
                shown_of(failure, "reason"), when ? ", " + ago(*when, now) : "",
                shown_of(failure, "id")),
            Style::bad);
    }
    return facts;
}

Table processes_of(const Json& app, TimePoint now) {
    Table table({"PROCESS", "STATE", "RELEASE", "PID", "PORT", "RESTARTS", "SINCE"});
    for (const auto& each : items_of(member_of(app, "processes"))) {
        auto since = time_of(each, "started_at");
        auto port = text_of(each, "port");
        table.add({{shown_of(each, "process") + "." + text_of(each, "instance")},
                   state_cell(shown_of(each, "state")),
                   {text_of(each, "release")},
                   {text_of(each, "pid")},
                   {port == "0" ? "" : port},
                   {text_of(each, "restarts")},
                   {since ? ago(*since, now) : ""}});
    }
    return table;
}

}  // namespace

std::string render_apps(const Json& apps, const Json& server, const Canvas& canvas) {
    Table table({"APP", "STATE", "RELEASE", "COMMIT", "HEALTH", "SINCE", "NOW", "NOTES"});
    for (const auto& app : items_of(apps)) {
        const auto& live = member_of(app, "live");
        auto since = time_of(live, "since");
        table.add({{shown_of(app, "name"), Style::bold},
                   state_cell(shown_of(app, "state")),
                   {live.is_object() ? text_of(live, "release") : "-"},
                   {short_commit(text_of(live, "commit"))},
                   state_cell(live.is_object() ? shown_of(live, "health") : "-"),
                   {since ? ago(*since, canvas.now) : "-"},
                   {deployment_line(member_of(app, "deployment")), Style::busy},
                   {notes(app, canvas.now)}});
    }
    auto text =
        table.empty()
            ? std::string("No apps yet: `belay init GIT-URL` writes the first one's file.\n")
            : table.render(canvas);
    for (const auto& problem : items_of(member_of(server, "problems")))
        if (problem.is_string())
            text += styled("! " + printable(problem.get<std::string>()), Style::bad, canvas.color) +
                    "\n";
    return text;
}

std::string render_app(const Json& app, const Json& recent, const Canvas& canvas) {
    auto state = shown_of(app, "state");
    auto text = fmt::format("{}  {}\n\n", styled(shown_of(app, "name"), Style::bold, canvas.color),
                            styled(state, style_of(state), canvas.color));
    text += facts_of(app, recent, canvas.now).render(canvas, 2);
    if (auto processes = processes_of(app, canvas.now); !processes.empty())
        text += "\n" + processes.render(canvas, 2);
    return text;
}

}  // namespace belay::cli
