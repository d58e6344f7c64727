#include <belay/domain/unit.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::domain {
namespace {

constexpr std::string_view kSuffix = ".service";
constexpr std::size_t kNameMost = 255;  // UNIT_NAME_MAX of systemd

bool is_name_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":_.\\@-").find(c) != std::string_view::npos;
}

// What systemd's own exit codes tell of a program that it could not even start (systemd.exec(5),
// "Process exit codes").
std::string_view before_exec(int code) {
    switch (code) {
        case kExitDirectory:
            return "systemd could not change to its WorkingDirectory=: its user has to be able to "
                   "enter the release";
        case kExitExec:
            return "systemd could not execute its program: is it there, executable, and readable "
                   "to its user?";
        case 216:
            return "systemd could not set its group or supplementary groups";
        case 217:
            return "systemd does not know its user";
        default:
            return {};
    }
}

std::string how_it_ended(const UnitState& state) {
    if (state.result == "oom-kill") return "was killed by the kernel, for want of memory";
    if (state.result == "timeout") return "took longer than its unit allows, and systemd ended it";
    if (state.result == "watchdog") return "did not feed its watchdog, and systemd ended it";
    if (state.result == "start-limit-hit")
        return "ended so often in a short time that systemd does not start it again";
    if (state.result == "success" && (!state.ended || state.ended->success()))
        return "has ended, or was stopped";
    if (!state.ended) return fmt::format("ended ({})", state.result);
    auto text = describe(*state.ended);
    if (state.ended->signal != 0) return "was " + text;
    if (auto why = before_exec(state.ended->code); !why.empty()) text += fmt::format(": {}", why);
    return text;
}

UnitChange ended(const std::string& name, const UnitState& state, std::string how) {
    UnitChange change;
    change.kind = UnitChange::Kind::ended;
    auto& failure = change.failure;
    failure.reason = state.result == "oom-kill" ? Reason::oom : Reason::exited;
    failure.detail = name + " " + std::move(how);
    if (state.ended && state.ended->known) {
        if (state.ended->signal != 0)
            failure.signal = state.ended->signal;
        else
            failure.exit_code = state.ended->code;
    }
    return change;
}

}  // namespace

Result<std::string> check_unit_name(std::string_view text) {
    auto wrong = [&](std::string_view why) {
        return Error{Errc::invalid, fmt::format("\"{}\" {}", text, why)};
    };
    if (!std::all_of(text.begin(), text.end(), is_name_letter))
        return wrong("is no unit's name: letters, digits and : _ . \\ @ - make one");
    if (!text.ends_with(kSuffix)) {
        const auto dot = text.rfind('.');
        if (dot == text.npos && !text.empty())
            return wrong(fmt::format("names no kind of unit: write \"{}{}\"", text, kSuffix));
        return wrong("is no service: its name ends in .service");
    }
    const auto prefix = text.substr(0, text.size() - kSuffix.size());
    if (prefix.empty() || prefix.front() == '@' || text.size() > kNameMost)
        return wrong("is no unit's name");
    if (prefix.back() == '@')
        return wrong("is a template: name the instance, as in \"shop@1.service\"");
    if (prefix == "belay" || prefix == "belay-proxy")
        return wrong("is Belay itself, which does not deploy itself");
    return std::string(text);
}

UnitChange compare(const std::string& name, const std::optional<UnitState>& before,
                   const UnitState& now) {
    const bool again = now.sub == "auto-restart";
    if (again)
        return ended(name, now, how_it_ended(now) + ", and systemd is about to start it again");
    const bool down = now.active == "failed" || (now.active == "inactive" && !now.has_job);
    if (down) return ended(name, now, how_it_ended(now));
    const bool failing = now.active == "deactivating" && now.result != "success";
    if (failing) return ended(name, now, how_it_ended(now));
    if (!before) return {};
    if (now.restarts > before->restarts) {
        auto change = ended(name, now, {});
        change.failure.reason = Reason::flapping;
        change.failure.detail =
            fmt::format("{} ended, and systemd started it again ({} time{} by now)", name,
                        now.restarts, now.restarts == 1 ? "" : "s");
        return change;
    }
    if (!now.up()) return {};  // on its way up or down by somebody's hand
    // RemainAfterExit=
    if (before->main_pid != 0 && now.main_pid == 0 && now.sub == "exited")
        return ended(name, now, how_it_ended(now));
    UnitChange change;
    if (before->main_pid != now.main_pid || before->invocation != now.invocation)
        change.kind = UnitChange::Kind::renewed;
    return change;
}

std::string unusable(const std::string& name, const UnitState& state, std::string_view action) {
    if (state.load == "not-found")
        return fmt::format("systemd knows no {}: write the unit file, then systemctl daemon-reload",
                           name);
    if (state.load == "masked")
        return fmt::format("{} is masked, so that systemd does not start it: systemctl unmask {}",
                           name, name);
    if (state.load != "loaded")
        return fmt::format("systemd can't use the unit file of {} ({}): systemd-analyze verify {}",
                           name, state.load, name);
    if (action == "reload" && !state.can_reload)
        return fmt::format(
            "{} can't be reloaded: give it an ExecReload=, or write action = "
            "\"restart\"",
            name);
    return {};
}

}  // namespace belay::domain
