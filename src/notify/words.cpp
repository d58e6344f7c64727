#include "words.hpp"

#include "text.hpp"

#include <fmt/format.h>

#include <array>

namespace belay::notify {
namespace {

using domain::Alert;
using domain::AlertEvent;
using domain::Reason;

constexpr std::array<std::string_view, domain::kReasonCount> kReasons{
    "",
    "the repository could not be fetched",
    "fetching took too long",
    "the git server refused the login",
    "the git server's host key is not the known one",
    "the commit is not in the repository",
    "the repository holds what is refused",
    "the build failed",
    "the build took too long",
    "the build said nothing for too long",
    "the build ran out of memory",
    "the tests failed",
    "the tests took too long",
    "the tests said nothing for too long",
    "the tests ran out of memory",
    "the release command failed",
    "the release command took too long",
    "the release command said nothing for too long",
    "the release command ran out of memory",
    "the tests changed what was built",
    "the release could not be sealed",
    "it could not be started",
    "it exited",
    "its port is taken",
    "another process answers on its port",
    "it failed its health check",
    "it goes up and down",
    "it did not become healthy in time",
    "it ran out of memory",
    "too many requests failed",
    "the traffic could not be switched",
    "the rollback failed",
    "the configuration has errors",
    "the disk is full",
    "it was interrupted",
    "Belay itself is at fault",
    "it was canceled",
    "it was rejected",
    "a newer push took over",
};

std::string with_reason(std::string text, Reason reason) {
    if (reason != Reason::none) text += fmt::format(": {}", in_words(reason));
    return text;
}

// "2026-11-25 14:02 UTC".
std::string minute(TimePoint at) {
    auto text = format_time(at);
    return fmt::format("{} {} UTC", text.substr(0, 10), text.substr(11, 5));
}

std::string title_of(const Alert& alert, const std::string& host) {
    const auto id = to_string(alert.deployment);
    const auto& app = alert.app;
    switch (alert.event) {
        case AlertEvent::failed:
            return with_reason(fmt::format("{}: {} failed", app, id), alert.reason);
        case AlertEvent::rolled_back:
            return with_reason(fmt::format("{}: {} was rolled back", app, id), alert.reason);
        case AlertEvent::unhealthy:
            return fmt::format("{} is unhealthy", app);
        case AlertEvent::recovered:
            return fmt::format("{} has recovered", app);
        case AlertEvent::degraded:
            return with_reason(fmt::format("{} needs a person", app), alert.reason);
        case AlertEvent::live:
            return fmt::format("{}: release {} is live", app, alert.release);
        case AlertEvent::awaiting_approval:
            return fmt::format("{}: {} waits for approval", app, id);
        case AlertEvent::config_invalid:
            return app.empty() ? fmt::format("{}: belay.toml has errors", host)
                               : fmt::format("{}: its file has errors", app);
        case AlertEvent::disk_low:
            return fmt::format("{}: the disk is nearly full", host);
    }
    return {};
}

std::string_view many_words(AlertEvent event) {
    switch (event) {
        case AlertEvent::failed:
            return "apps failed to deploy";
        case AlertEvent::rolled_back:
            return "apps were rolled back";
        case AlertEvent::unhealthy:
            return "apps are unhealthy";
        case AlertEvent::recovered:
            return "apps have recovered";
        default:
            return "apps have errors in their files";
    }
}

std::string names_of(const News& news) {
    std::string names = news.alert.app;
    for (const auto& other : news.others)
        names += ", " + other.app;
    return names;
}

Tone tone_of(AlertEvent event) {
    switch (event) {
        case AlertEvent::recovered:
        case AlertEvent::live:
            return Tone::good;
        case AlertEvent::awaiting_approval:
            return Tone::waiting;
        default:
            return Tone::bad;
    }
}

void add_fact(Words& words, std::string label, std::string value) {
    if (!value.empty()) words.facts.emplace_back(std::move(label), std::move(value));
}

std::string short_ref(const std::string& ref) {
    for (std::string_view prefix : {"refs/heads/", "refs/tags/"})
        if (ref.starts_with(prefix)) return ref.substr(prefix.size());
    return ref;
}

}  // namespace

std::string_view in_words(Reason reason) {
    return kReasons[static_cast<std::size_t>(reason)];
}

Words words_of(const News& news, const std::string& host) {
    const auto& alert = news.alert;
    Words words;
    if (news.test) {
        words.title = fmt::format("Test alert from Belay on {}", host);
        words.summary = "Somebody typed `belay notify test`: alerts arrive here.";
        words.link = alert.link;
        return words;
    }
    words.tone = tone_of(alert.event);
    words.title = title_of(alert, host);
    if (!news.others.empty())
        words.title = with_reason(
            fmt::format("{} {}", news.others.size() + 1, many_words(alert.event)), alert.reason);
    if (news.again || news.count > 1)
        words.title += fmt::format(" ({}{} since {})", news.again ? "again, " : "",
                                   news.count == 1 ? "once" : fmt::format("{} times", news.count),
                                   minute(news.since));
    words.summary = alert.detail;
    if (!news.others.empty()) add_fact(words, "Apps", cut(names_of(news), 1'000));
    auto commit = alert.commit.substr(0, 10);
    if (!alert.message.empty()) commit += (commit.empty() ? "" : " ") + alert.message;
    add_fact(words, "Commit", std::move(commit));
    add_fact(words, "Author", alert.author);
    add_fact(words, "Branch or tag", short_ref(alert.ref));
    add_fact(words, "Stage", alert.stage);
    add_fact(words, "Reason", std::string(to_string(alert.reason)));
    if (alert.exit_code) add_fact(words, "Exit code", fmt::to_string(*alert.exit_code));
    if (alert.signal) add_fact(words, "Signal", fmt::to_string(*alert.signal));
    if (alert.serving != 0 && alert.event != AlertEvent::live)
        add_fact(words, "Users get", fmt::format("release {}", alert.serving));
    words.log = alert.log_tail;
    words.link = alert.link;
    words.command = alert.command;
    return words;
}

std::string log_text(const Words& words) {
    std::string text;
    for (const auto& line : words.log)
        text += (text.empty() ? "" : "\n") + line;
    return text;
}

std::string plain_text(const Words& words, std::size_t limit, bool with_title) {
    std::string head = with_title ? words.title + "\n\n" : "";
    std::string facts;
    for (const auto& [label, value] : words.facts)
        facts += fmt::format("{}: {}\n", label, value);
    std::string foot;
    if (!words.command.empty()) foot += fmt::format("\nNext: {}\n", words.command);
    if (!words.link.empty()) foot += fmt::format("\n{}\n", words.link);
    // What tells most goes last: names and the way on stay, then the summary, then the log.
    head = cut(std::move(head), limit);
    facts = cut(std::move(facts), limit - head.size());
    foot = cut(std::move(foot), limit - head.size() - facts.size());
    auto rest = limit - head.size() - facts.size() - foot.size();
    constexpr std::size_t kBreaks = 4;
    std::string summary;
    if (!words.summary.empty() && rest > kBreaks)
        summary = cut(words.summary, rest - kBreaks) + "\n\n";
    rest -= std::min(rest, summary.size());
    std::string log;
    if (!words.log.empty() && rest > kBreaks)
        log = "\n" + cut_front(log_text(words), rest - kBreaks) + "\n";
    auto text = head + summary + facts + log + foot;
    while (text.ends_with('\n'))
        text.pop_back();
    return text;
}

}  // namespace belay::notify
