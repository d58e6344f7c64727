#include "context.hpp"
#include "handlers.hpp"
#include "interrupt.hpp"
#include "json_access.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace belay::cli {
namespace {

using std::chrono::seconds;

// The route's trailer with what the command ended with (docs/commands.md).
constexpr const char* kExitCode = "Belay-Exit-Code";

bool is_deployment(std::string_view text) {
    return text.size() > 1 && text[0] == 'd' &&
           std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "10m" back from now, or an instant.
Result<TimePoint> since_of(const std::string& text, TimePoint now) {
    if (auto duration = parse_duration(text)) return now - *duration;
    if (auto time = parse_time(text)) return *time;
    return Error{Errc::invalid,
                 "--since is a duration (\"10m\") or a time (\"2026-11-22T10:00:00Z\")"};
}

// Copies the body to standard output as it comes; errors end it.
Result<void> copy(Context& context, Exchange& exchange, const InterruptGuard& interrupt) {
    for (;;) {
        // Looked at between reads as well: a signal that comes outside of one interrupts nothing.
        if (interrupt.interrupted()) return Error{Errc::canceled, "interrupted"};
        std::string bytes;
        auto read = exchange.read(bytes, after(seconds{1}));
        if (!read && interrupt.interrupted()) return Error{Errc::canceled, "interrupted"};
        if (!read) return read.error();
        if (*read == Exchange::Read::end) return {};
        // Nobody reads any more, as with `belay logs shop | head`: no reason to complain.
        if (!bytes.empty() && !print(context.console.out, bytes)) return {};
    }
}

Result<std::string> logs_route(const Arguments& args, const std::string& of) {
    auto stage = args.value("stage");
    auto process = args.value("process");
    if (is_deployment(of)) {
        if (!process.empty())
            return Error{Errc::invalid,
                         "--process is for an app's output; a deployment has --stage"};
        auto route = "/api/v1/deployments/" + of + "/logs";
        return stage.empty() ? route : route + "/" + url_encoded(stage);
    }
    if (auto app = check_app_name(of); !app) return app.error();
    if (!stage.empty())
        return Error{Errc::invalid,
                     "--stage is for a deployment (`belay history APP`); an app has --process"};
    return "/api/v1/apps/" + url_encoded(of) + "/logs";
}

}  // namespace

int logs(Context& context) {
    const auto& args = context.args;
    auto route = logs_route(args, args.positional("APP|DEPLOYMENT"));
    if (!route) return context.usage(route.error().message);
    std::string query;
    auto add = [&](std::string_view name, std::string_view value) {
        query += fmt::format("{}{}={}", query.empty() ? "?" : "&", name, url_encoded(value));
    };
    if (args.flag("follow")) add("follow", "1");
    if (auto process = args.value("process"); !process.empty()) add("process", process);
    if (auto given = args.value("since"); !given.empty()) {
        auto since = since_of(given, context.console.now());
        if (!since) return context.usage(since.error().message);
        add("since", format_time(*since));
    }
    auto client = context.client();
    if (!client) return context.fail(client.error());
    InterruptGuard interrupt;
    auto exchange = client->open({"GET", *route + query, {}, {{"Accept", "text/plain"}}});
    if (!exchange) return context.fail(exchange.error());
    auto copied = copy(context, *exchange, interrupt);
    if (copied) return kDone;
    return interrupt.interrupted() ? kInterrupted : context.fail(copied.error());
}

int run_command(Context& context) {
    const auto& argv = context.args.rest;
    if (argv.empty()) return context.usage("COMMAND is missing: `belay run APP -- COMMAND...`");
    auto client = context.client();
    if (!client) return context.fail(client.error());
    InterruptGuard interrupt;
    auto route = "/api/v1/apps/" + url_encoded(context.args.positional("APP")) + "/run";
    auto exchange = client->open({"POST",
                                  route,
                                  Json{{"argv", argv}}.dump(),
                                  {{"Content-Type", "application/json"}, {"TE", "trailers"}}});
    if (!exchange) return context.fail(exchange.error());
    auto copied = copy(context, *exchange, interrupt);
    if (!copied) return interrupt.interrupted() ? kInterrupted : context.fail(copied.error());
    auto text = exchange->header(kExitCode);
    int code = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (failure != std::errc{} || end != text.data() + text.size())
        return context.fail({Errc::internal, "the daemon did not say how the command ended"});
    return code;
}

}  // namespace belay::cli
