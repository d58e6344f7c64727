// What people are told: the one place where a change that is about to be recorded becomes alerts.
// They are written in the same transaction, so none is lost and none is told that did not happen.
#include "engine_core.hpp"

#include <belay/base/log.hpp>
#include <belay/base/masker.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <sstream>
#include <unistd.h>

namespace belay::engine {

using domain::Alert;
using domain::AlertEvent;
using domain::Deployment;
using domain::State;

namespace {

constexpr std::size_t kTailLines = 12;
constexpr std::size_t kTailBytes = 4'096;
constexpr Millis kDiskCheck{60'000};

std::optional<AlertEvent> event_for(State state) {
    switch (state) {
        case State::failed:
            return AlertEvent::failed;
        case State::rolled_back:
            return AlertEvent::rolled_back;
        case State::healthy:
            return AlertEvent::live;
        case State::awaiting_approval:
            return AlertEvent::awaiting_approval;
        default:
            return std::nullopt;
    }
}

std::vector<std::string> last_lines(const std::string& text, std::size_t count) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        if (!line.empty()) lines.push_back(line);
    if (lines.size() > count)
        lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
    return lines;
}

// The end of a file that somebody else writes, with as much before it as the masker needs.
std::string masked_end(const std::string& path, const std::vector<Secret>& secrets) {
    Masker masker(secrets);
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    const auto size = ::lseek(fd, 0, SEEK_END);
    const auto shown = std::min<off_t>(size, kTailBytes);
    const auto context = std::min<off_t>(size - shown, static_cast<off_t>(masker.longest()));
    std::string bytes(static_cast<std::size_t>(shown + context), '\0');
    auto got = ::pread(fd, bytes.data(), bytes.size(), size - shown - context);
    ::close(fd);
    if (got <= context) return {};
    bytes.resize(static_cast<std::size_t>(got));
    const auto before = static_cast<std::size_t>(context);
    masker.prime(std::string_view(bytes).substr(0, before));
    auto text = masker.feed(std::string_view(bytes).substr(before));
    text += masker.flush();
    // The first line is there from its middle on.
    if (shown < size) text.erase(0, std::min(text.find('\n'), text.size()));
    return text;
}

// Whether a stage's own output tells more than the end that was made of it.
bool has_output(domain::Reason reason) {
    return reason >= domain::Reason::build_failed && reason <= domain::Reason::release_oom;
}

bool is_of_process(domain::Reason reason) {
    using enum domain::Reason;
    return reason == start_failed || reason == exited || reason == unhealthy ||
           reason == flapping || reason == deadline || reason == oom || reason == error_ratio ||
           reason == not_owner || reason == port_in_use;
}

}  // namespace

void EngineCore::add_alerts(std::vector<ports::Write>& batch) {
    if (!services_.world.outbox) return;
    std::vector<const Deployment*> deployments;
    std::vector<const domain::EventRecord*> events;
    for (const auto& write : batch) {
        if (const auto* put = std::get_if<ports::PutDeployment>(&write))
            deployments.push_back(&put->deployment);
        if (const auto* added = std::get_if<ports::AddEvent>(&write))
            events.push_back(&added->event);
    }
    const Deployment* degraded_by = nullptr;
    std::vector<Alert> alerts;
    for (const auto* event : events) {
        const auto told = domain::parse_alert_event(event->state);
        if (event->type == "deployment" || !told) continue;
        auto own = std::find_if(deployments.begin(), deployments.end(),
                                [&](const auto* one) { return one->app == event->app; });
        if (*told == AlertEvent::degraded && own != deployments.end()) degraded_by = *own;
        alerts.push_back(alert_of(*told, *event, degraded_by));
    }
    for (const auto* deployment : deployments) {
        const auto told = event_for(deployment->state);
        auto said = std::find_if(events.begin(), events.end(), [&](const auto* event) {
            return event->type == "deployment" && event->deployment == deployment->id;
        });
        // Without an event of its own it is a row that is kept up, not a change.
        if (!told || said == events.end()) continue;
        alerts.push_back(alert_of(*told, **said, deployment));
    }
    // What follows moves the batch, and with it what the pointers above point to.
    const auto degrading = degraded_by ? degraded_by->id : DeploymentId{};
    for (const auto& alert : alerts)
        for (const auto& channel : channels_for(alert.app, alert.event)) {
            // That it needs a person says that it failed.
            if (alert.event == AlertEvent::failed && degrading && degrading == alert.deployment &&
                channels_for(alert.app, AlertEvent::degraded).contains(channel))
                continue;
            const bool once =
                alert.event == AlertEvent::live || alert.event == AlertEvent::awaiting_approval;
            batch.emplace_back(
                ports::AddOutgoing{services_.world.outbox->alert(alert, channel), once});
        }
}

std::set<std::string> EngineCore::channels_for(const std::string& name, AlertEvent event) {
    std::set<std::string> channels;
    auto add = [&](const std::map<std::string, std::vector<std::string>>& notify) {
        auto found = notify.find(std::string(to_string(event)));
        if (found != notify.end()) channels.insert(found->second.begin(), found->second.end());
    };
    auto* app = find(name);
    if (app && app->config) {
        add(app->config->notify);
        return channels;
    }
    add(services_.server.notify);
    if (!name.empty()) return channels;
    // Of the whole machine everybody hears who would hear it of an app.
    for (const auto& [other, context] : apps_)
        if (context->config) add(context->config->notify);
    return channels;
}

domain::Alert EngineCore::alert_of(AlertEvent told, const domain::EventRecord& event,
                                   const Deployment* deployment) {
    Alert alert;
    alert.event = told;
    alert.app = event.app;
    alert.at = event.at;
    alert.detail = event.text;
    auto* app = find(event.app);
    if (app && app->live) alert.serving = app->live->release();
    if (deployment) {
        alert.deployment = deployment->id;
        alert.commit = deployment->commit;
        alert.ref = deployment->ref;
        alert.message = deployment->message;
        alert.author = deployment->author;
        alert.release = deployment->release;
        alert.stage = deployment->failure.stage;
        alert.reason = deployment->failure.reason;
        alert.exit_code = deployment->failure.exit_code;
        alert.signal = deployment->failure.signal;
        if (told != AlertEvent::degraded) alert.detail = deployment->failure.detail;
        if (app && app->active && app->active->deployment.id == deployment->id &&
            has_output(alert.reason))
            alert.log_tail = last_lines(app->active->failed_tail, kTailLines);
        if (app && is_of_process(alert.reason))
            alert.log_tail = log_tail_of(*app, deployment->release);
    } else if (app && app->live) {
        alert.release = app->live->release();
        alert.commit = app->live_release.commit;
        if (told == AlertEvent::unhealthy) alert.log_tail = log_tail_of(*app, alert.release);
    }
    alert.command = command_for(alert, app);
    const auto& server = services_.server;
    // Under "hooks" the proxy shows no page there.
    if (!server.public_url.empty() && server.expose != "hooks")
        alert.link =
            deployment
                ? fmt::format("{}/#/deployments/{}", server.public_url, to_string(deployment->id))
            : alert.app.empty() ? server.public_url + "/"
                                : fmt::format("{}/#/apps/{}", server.public_url, alert.app);
    return alert;
}

std::string EngineCore::command_for(const Alert& alert, const AppContext* app) const {
    switch (alert.event) {
        case AlertEvent::failed:
        case AlertEvent::rolled_back:
            return "belay show " + to_string(alert.deployment);
        case AlertEvent::unhealthy:
            return "belay logs " + alert.app;
        case AlertEvent::degraded:
            return fmt::format("belay show {}, then belay resume {}", to_string(alert.deployment),
                               alert.app);
        case AlertEvent::awaiting_approval:
            return fmt::format("belay approve {} or belay reject {}", to_string(alert.deployment),
                               to_string(alert.deployment));
        case AlertEvent::config_invalid:
            return app && !app->file.empty() ? "belay check " + app->file : "belay check";
        case AlertEvent::disk_low:
            return "df -h " + services_.options.state_directory;
        case AlertEvent::recovered:
        case AlertEvent::live:
            return "belay status " + alert.app;
    }
    return {};
}

// Of the process that has the traffic, else of the first.
std::vector<std::string> EngineCore::log_tail_of(const AppContext& app, ReleaseNumber release) {
    std::string process = "web";
    if (app.config && !app.config->web() && !app.config->processes.empty())
        process = app.config->processes.front().name;
    return last_lines(
        masked_end(services_.fleet.log_path(app.name, release, process, 1), mask_of(app)),
        kTailLines);
}

// Below the reserve once, and well above it before it is told again.
Task<void> EngineCore::disk_watch() {
    bool low = false;
    while (!services_.closing.requested()) {
        const auto reserve = services_.server.disk_reserve;
        auto room = services_.world.releases.check_free(low ? reserve + reserve / 4 : reserve);
        const bool short_of = !room && room.error().code == Errc::disk_full;
        if (short_of && !low) {
            domain::EventRecord event;
            event.at = services_.now();
            event.type = "server";
            event.state = to_string(AlertEvent::disk_low);
            event.text =
                room.error().message + ": new deployments are refused, what is live runs on";
            log::warning(event.text);
            ports::AddEvent added{std::move(event)};
            co_await save_event(std::move(added));
        } else if (!short_of && low) {
            log::info("the disk has room again");
        }
        low = short_of;
        const bool slept = co_await services_.world.timers.sleep(kDiskCheck, services_.closing);
        if (!slept) co_return;
    }
}

Task<Result<std::string>> EngineCore::test_channel(std::string channel) {
    if (!services_.world.outbox) co_return Error{Errc::unavailable, "this daemon sends no alerts"};
    co_return co_await services_.world.outbox->test(std::move(channel));
}

}  // namespace belay::engine
