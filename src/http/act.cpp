// Routes that ask the engine to do something.
#include "handlers.hpp"
#include "json_shapes.hpp"
#include "params.hpp"

#include <belay/base/id.hpp>

namespace belay::http {
namespace {

Response accepted(const Result<engine::Accepted>& result) {
    return result ? json_response(shape(*result), 202) : problem(result.error());
}

Response done(const Result<void>& result) {
    Json ok{{"ok", true}};
    return result ? json_response(ok) : problem(result.error());
}

// For routes that take no fields.
Result<void> no_fields(const Request& request) {
    auto fields = Fields::parse(request, {});
    if (!fields) return fields.error();
    return {};
}

}  // namespace

Task<Response> post_deploy(Context& context, const Request& request) {
    auto fields = Fields::parse(request, {"ref", "commit", "force"});
    if (!fields) co_return problem(fields.error());
    engine::DeployRequest asked;
    asked.ref = fields->text("ref");
    asked.commit = fields->text("commit");
    asked.force = fields->boolean("force", false);
    asked.by = request.caller.name;
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    if (!asked.commit.empty() && !is_commit_id(asked.commit))
        co_return problem(400, "invalid",
                          "the field \"commit\" must be a full commit id: 40 or 64 hex digits");
    if (!asked.commit.empty() && !asked.ref.empty())
        co_return problem(400, "invalid", "the fields \"ref\" and \"commit\" exclude each other");
    auto result = co_await context.api.deploy(request.args[0], std::move(asked));
    co_return accepted(result);
}

Task<Response> post_rollback(Context& context, const Request& request) {
    auto fields = Fields::parse(request, {"to", "hold"});
    if (!fields) co_return problem(fields.error());
    engine::RollbackRequest asked;
    asked.to = fields->number("to");
    asked.hold = fields->boolean("hold", true);
    asked.by = request.caller.name;
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    auto result = co_await context.api.rollback(request.args[0], std::move(asked));
    co_return accepted(result);
}

Task<Response> post_hold(Context& context, const Request& request) {
    auto fields = Fields::parse(request, {"why"});
    if (!fields) co_return problem(fields.error());
    auto why = fields->text("why");
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    auto by = request.caller.name;
    auto result = co_await context.api.hold(request.args[0], std::move(why), std::move(by));
    co_return done(result);
}

Task<Response> post_resume(Context& context, const Request& request) {
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto by = request.caller.name;
    auto result = co_await context.api.resume(request.args[0], std::move(by));
    co_return done(result);
}

Task<Response> post_restart(Context& context, const Request& request) {
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto by = request.caller.name;
    auto result = co_await context.api.restart(request.args[0], std::move(by));
    co_return accepted(result);
}

Task<Response> post_stop(Context& context, const Request& request) {
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto by = request.caller.name;
    auto result = co_await context.api.stop(request.args[0], std::move(by));
    co_return done(result);
}

Task<Response> post_start(Context& context, const Request& request) {
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto by = request.caller.name;
    auto result = co_await context.api.start(request.args[0], std::move(by));
    co_return accepted(result);
}

Task<Response> post_cancel(Context& context, const Request& request) {
    auto id = parse_deployment_id(request.args[0]);
    if (!id) co_return problem(id.error());
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto by = request.caller.name;
    auto result = co_await context.api.cancel(*id, std::move(by));
    co_return accepted(result);
}

Task<Response> post_approve(Context& context, const Request& request) {
    auto id = parse_deployment_id(request.args[0]);
    if (!id) co_return problem(id.error());
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto by = request.caller.name;
    auto result = co_await context.api.approve(*id, std::move(by));
    co_return accepted(result);
}

Task<Response> post_reject(Context& context, const Request& request) {
    auto id = parse_deployment_id(request.args[0]);
    if (!id) co_return problem(id.error());
    auto fields = Fields::parse(request, {"why"});
    if (!fields) co_return problem(fields.error());
    auto why = fields->text("why");
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    auto by = request.caller.name;
    auto result = co_await context.api.reject(*id, std::move(why), std::move(by));
    co_return accepted(result);
}

Task<Response> post_redeliver(Context& context, const Request& request) {
    auto id = parse_delivery_id(request.args[0]);
    if (!id) co_return problem(id.error());
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto answer = co_await context.api.redeliver(*id);
    if (!answer) co_return problem(answer.error());
    co_return json_response(shape(*answer), answer->status_code);
}

Task<Response> post_remove(Context& context, const Request& request) {
    auto fields = Fields::parse(request, {"purge"});
    if (!fields) co_return problem(fields.error());
    bool purge = fields->boolean("purge", false);
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    auto by = request.caller.name;
    auto result = co_await context.api.remove(request.args[0], purge, std::move(by));
    co_return done(result);
}

Task<Response> post_reload(Context& context, const Request& request) {
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto report = co_await context.api.reload();
    co_return report ? json_response(shape(*report)) : problem(report.error());
}

namespace {

// A file of this machine, written or read with the daemon's rights: never for whoever comes over
// the network.
Result<std::string> file_of(const Request& request) {
    if (!request.peer.local)
        return Error{Errc::forbidden,
                     "backups are made and restored on the daemon's own machine, over its socket"};
    auto fields = Fields::parse(request, {"file"});
    if (!fields) return fields.error();
    auto file = fields->text("file");
    if (auto checked = fields->check(); !checked) return checked.error();
    if (!file.starts_with('/'))
        return Error{Errc::invalid, "the field \"file\" must be an absolute path"};
    return file;
}

}  // namespace

Task<Response> post_backup(Context& context, const Request& request) {
    auto file = file_of(request);
    if (!file) co_return problem(file.error());
    auto made = co_await context.api.backup(*file);
    co_return done(made);
}

Task<Response> post_restore(Context& context, const Request& request) {
    auto file = file_of(request);
    if (!file) co_return problem(file.error());
    auto laid_ready = co_await context.api.restore(*file);
    co_return done(laid_ready);
}

Task<Response> post_gc(Context& context, const Request& request) {
    auto fields = Fields::parse(request, {"dry_run"});
    if (!fields) co_return problem(fields.error());
    const bool dry_run = fields->boolean("dry_run", false);
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    auto removals = co_await context.api.gc(dry_run);
    if (!removals) co_return problem(removals.error());
    Json items = Json::array();
    for (const auto& one : *removals)
        items.push_back({{"app", one.app},
                         {"release", one.release},
                         {"bytes", one.bytes},
                         {"why", one.why},
                         {"error", one.error.empty() ? Json() : Json(one.error)}});
    Json told{{"dry_run", dry_run}, {"items", std::move(items)}};
    co_return json_response(told);
}

Task<Response> post_notify_test(Context& context, const Request& request) {
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto answer = co_await context.api.test_channel(request.args[0]);
    if (!answer) co_return problem(answer.error());
    Json told{{"channel", request.args[0]}, {"answer", *answer}};
    co_return json_response(told);
}

Task<Response> post_shutdown(Context& context, const Request& request) {
    if (auto none = no_fields(request); !none) co_return problem(none.error());
    auto result = co_await context.api.shutdown();
    co_return done(result);
}

namespace {

constexpr const char* kExitCode = "Belay-Exit-Code";

// The stream begins with the first output, so that a command that can't be started is answered by a
// problem.
Task<bool> show(Stream& stream, std::string bytes) {
    if (!stream.begun()) {
        Headers headers;
        headers.emplace_back("Trailer", kExitCode);
        std::string type = "text/plain; charset=utf-8";
        const bool begun = co_await stream.begin(std::move(type), std::move(headers));
        if (!begun) co_return false;
    }
    co_return co_await stream.write(std::move(bytes));
}

}  // namespace

Task<std::optional<Response>> post_run(Context& context, const Request& request, Stream& stream) {
    auto fields = Fields::parse(request, {"argv"});
    if (!fields) co_return problem(fields.error());
    engine::OneOff command;
    command.app = request.args[0];
    command.argv = fields->texts("argv");
    if (auto checked = fields->check(); !checked) co_return problem(checked.error());
    if (command.argv.empty())
        co_return problem(400, "invalid", "the field \"argv\" must name a command");
    std::function<Task<bool>(std::string)> output = [&stream](std::string bytes) {
        return show(stream, std::move(bytes));
    };
    auto code = co_await context.api.run(std::move(command), std::move(output));
    if (!code && !stream.begun()) co_return problem(code.error());
    if (!code) {
        stream.outcome = code.error().message;
        stream.cut();
        co_return std::nullopt;
    }
    bool begun = stream.begun();
    if (!begun) begun = co_await show(stream, std::string());
    if (!begun) co_return std::nullopt;
    stream.outcome = "exit code " + std::to_string(*code);
    Headers trailers;
    trailers.emplace_back(kExitCode, std::to_string(*code));
    co_await stream.end(std::move(trailers));
    co_return std::nullopt;
}

}  // namespace belay::http
