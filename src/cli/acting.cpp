#include "context.hpp"
#include "follow.hpp"
#include "handlers.hpp"
#include "json_access.hpp"
#include "render.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <istream>

namespace belay::cli {
namespace {

std::string app_route(Context& context, std::string_view act) {
    return fmt::format("/api/v1/apps/{}/{}", url_encoded(context.args.positional("APP")), act);
}

// "d12 queued" with what the daemon adds, then its progress where --wait asks for it.
int accepted(Context& context, const Result<std::string>& body, Goal goal) {
    if (!body) return context.fail(body.error());
    auto answer = parse_json(*body);
    auto deployment = shown_of(answer, "deployment");
    auto note = shown_of(answer, "note");
    bool wait = context.args.flag("wait") && !deployment.empty();
    if (context.json()) return wait ? follow(context, deployment, goal) : context.print_json(*body);
    if (!wait || !note.empty())
        context.done(fmt::format("{}{}{}\n", deployment, note.empty() ? "" : ": ", note));
    if (wait) return follow(context, deployment, goal);
    return kDone;
}

// For acts without a deployment: the sentence stands for the daemon's empty answer.
int acted(Context& context, const Result<std::string>& body, const std::string& sentence) {
    if (!body) return context.fail(body.error());
    return context.json() ? context.print_json(*body) : context.done(sentence + "\n");
}

// A deployment's id as given, or the one that an app has waiting.
Result<std::string> waiting_deployment(Context& context, const std::string& given) {
    if (check_app_name(given)) {
        auto body = context.get("/api/v1/apps/" + url_encoded(given));
        if (!body) return body.error();
        auto app = parse_json(*body);
        const auto& deployment = member_of(app, "deployment");
        auto state = text_of(deployment, "state");
        auto id = deployment.is_object() ? text_of(deployment, "id") : text_of(app, "deployment");
        if (id.empty() || (!state.empty() && state != "awaiting_approval"))
            return Error{Errc::not_found, fmt::format("nothing of {} waits for approval", given)};
        return id;
    }
    auto id = parse_deployment_id(given);
    if (!id) return id.error();
    return to_string(*id);
}

int decide(Context& context, std::string_view act, const std::string& body) {
    auto id = waiting_deployment(context, context.args.positional("DEPLOYMENT|APP"));
    if (!id && id.error().code == Errc::invalid) return context.usage(id.error().message);
    if (!id) return context.fail(id.error());
    return accepted(
        context,
        context.post(fmt::format("/api/v1/deployments/{}/{}", url_encoded(*id), act), body),
        Goal::ended);
}

// The daemon has another working directory.
std::string absolute(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
}

bool confirmed(Context& context, const std::string& app, bool purge) {
    print(context.console.out,
          fmt::format("This ends {}'s live release{}. Type its name to go on: ", app,
                      purge ? " and deletes its releases, logs, shared files and history" : ""));
    std::string answer;
    std::getline(context.console.in, answer);
    return answer == app;
}

}  // namespace

int deploy(Context& context) {
    const auto& args = context.args;
    auto ref = args.value("ref");
    auto commit = args.value("commit");
    if (!ref.empty() && !commit.empty())
        return context.usage("--ref and --commit exclude each other");
    Json body{{"force", args.flag("force")}};
    if (!ref.empty()) body["ref"] = ref;
    std::transform(commit.begin(), commit.end(), commit.begin(), [](char c) {
        return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (!commit.empty() && !is_commit_id(commit))
        return context.usage("--commit takes a full commit id: `git rev-parse SHA` gives it");
    if (!commit.empty()) body["commit"] = commit;
    return accepted(context, context.post(app_route(context, "deploy"), body.dump()),
                    Goal::healthy);
}

int rollback(Context& context) {
    Json body{{"hold", !context.args.flag("no-hold")}};
    if (auto to = context.args.value("to"); !to.empty()) {
        std::int64_t release = 0;
        auto [end, failure] = std::from_chars(to.data(), to.data() + to.size(), release);
        if (failure != std::errc{} || end != to.data() + to.size() || release < 1)
            return context.usage("--to is a release's number: `belay releases APP` lists them");
        body["to"] = release;
    }
    return accepted(context, context.post(app_route(context, "rollback"), body.dump()),
                    Goal::healthy);
}

int cancel(Context& context) {
    auto id = parse_deployment_id(context.args.positional("DEPLOYMENT"));
    if (!id) return context.usage(id.error().message);
    return accepted(context, context.post("/api/v1/deployments/" + to_string(*id) + "/cancel"),
                    Goal::ended);
}

int approve(Context& context) {
    return decide(context, "approve", "{}");
}

int reject(Context& context) {
    return decide(context, "reject", Json{{"why", context.args.value("message")}}.dump());
}

int hold(Context& context) {
    auto app = context.args.positional("APP");
    auto body = Json{{"why", context.args.value("message")}}.dump();
    return acted(
        context, context.post(app_route(context, "hold"), body),
        fmt::format("{} is on hold: pushes are recorded, `belay resume {}` deploys the newest", app,
                    app));
}

int resume(Context& context) {
    return acted(context, context.post(app_route(context, "resume")),
                 fmt::format("{} deploys again", context.args.positional("APP")));
}

int redeliver(Context& context) {
    auto id = parse_delivery_id(context.args.positional("DELIVERY"));
    if (!id) return context.usage(id.error().message);
    auto body = context.post("/api/v1/deliveries/" + to_string(*id) + "/redeliver");
    if (!body) return context.fail(body.error());
    auto answer = parse_json(*body);
    auto deployment = text_of(answer, "deployment");
    if (!deployment.empty() && deployment != "0") return accepted(context, body, Goal::healthy);
    auto code = context.args.flag("wait") ? kFailed : kDone;
    if (context.json())
        context.print_json(*body);
    else
        context.done(
            fmt::format("{}: {}\n", shown_of(answer, "decision"), shown_of(answer, "reason")));
    return code;
}

int restart(Context& context) {
    return accepted(context, context.post(app_route(context, "restart")), Goal::healthy);
}

int stop(Context& context) {
    auto app = context.args.positional("APP");
    return acted(context, context.post(app_route(context, "stop")),
                 fmt::format("{} is stopped: `belay start {}` brings it back", app, app));
}

int start(Context& context) {
    return accepted(context, context.post(app_route(context, "start")), Goal::healthy);
}

int remove_app(Context& context) {
    auto app = context.args.positional("APP");
    bool purge = context.args.flag("purge");
    if (!context.args.flag("yes")) {
        if (!context.console.in_is_terminal)
            return context.usage("without a terminal to ask on, --yes is needed");
        if (!confirmed(context, app, purge)) {
            print(context.console.err, "Nothing was removed.\n");
            return kFailed;
        }
    }
    return acted(context, context.post(app_route(context, "remove"), Json{{"purge", purge}}.dump()),
                 fmt::format("{} is removed", app));
}

int reload(Context& context) {
    auto body = context.post("/api/v1/reload");
    if (!body) return context.fail(body.error());
    auto report = parse_json(*body);
    if (context.json())
        context.print_json(*body);
    else
        context.done(render_reload(report, context.canvas()));
    const auto& ok = member_of(report, "ok");
    return ok.is_boolean() && !ok.get<bool>() ? kFailed : kDone;
}

int notify_test(Context& context) {
    auto channel = context.args.positional("CHANNEL");
    auto body = context.post(fmt::format("/api/v1/notify/{}/test", url_encoded(channel)));
    if (!body) return context.fail(body.error());
    if (context.json())
        context.print_json(*body);
    else
        context.done(fmt::format("A test alert went out to {}: {}\n", channel,
                                 shown_of(parse_json(*body), "answer")));
    return kDone;
}

int backup(Context& context) {
    auto file = absolute(context.args.positional("FILE"));
    return acted(context, context.post("/api/v1/backup", Json{{"file", file}}.dump()),
                 fmt::format("{} holds the record: deployments, deliveries, holds, tokens", file));
}

int restore(Context& context) {
    auto file = absolute(context.args.positional("FILE"));
    return acted(context, context.post("/api/v1/restore", Json{{"file", file}}.dump()),
                 fmt::format("The daemon begins again with {}; what is live runs on", file));
}

int gc(Context& context) {
    const bool dry_run = context.args.flag("dry-run");
    auto body = context.post("/api/v1/gc", Json{{"dry_run", dry_run}}.dump());
    if (!body) return context.fail(body.error());
    if (context.json()) return context.print_json(*body);
    return context.done(render_gc(parse_json(*body), context.canvas()));
}

int shutdown(Context& context) {
    return acted(context, context.post("/api/v1/shutdown"),
                 "The daemon, the proxy and all live releases are ending");
}

}  // namespace belay::cli
