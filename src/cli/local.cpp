#include "context.hpp"
#include "handlers.hpp"
#include "json_access.hpp"

#include <fmt/format.h>

namespace belay::cli {

int serve(Context& context) {
    return context.locals.serve({context.config()});
}

int check(Context& context) {
    return context.locals.check({context.config(), context.args.rest, context.json()});
}

int doctor(Context& context) {
    return context.locals.doctor(context.config(), context.json());
}

int init(Context& context) {
    const auto& args = context.args;
    return context.locals.init({context.config(), args.positional("GIT-URL"), args.value("name"),
                                args.value("branch"), args.value("forge"), context.json()});
}

namespace {

int unit_rule(Context& context, UnitOptions options) {
    options.config = context.config();
    options.unit = context.args.positional("UNIT");
    auto rule = context.locals.unit_rule(options);
    if (!rule && rule.error().code == Errc::invalid) return context.usage(rule.error().message);
    if (!rule) return context.fail(rule.error());
    if (!context.json()) return context.done(rule->text + "\n");
    auto text_or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    context.print_json(Json{{"unit", rule->unit},
                            {"user", text_or_null(rule->user)},
                            {"file", text_or_null(rule->file)}}
                           .dump());
    return kDone;
}

}  // namespace

int unit_allow(Context& context) {
    UnitOptions options;
    options.user = context.args.value("user");
    return unit_rule(context, options);
}

int unit_deny(Context& context) {
    UnitOptions options;
    options.deny = true;
    return unit_rule(context, options);
}

int proxy(Context& context) {
    return context.locals.proxy(context.args.rest);
}

int stage(Context& context) {
    return context.locals.stage(context.args.rest);
}

int version(Context& context) {
    if (context.json()) return context.done("{\"version\": \"" BELAY_VERSION "\"}\n");
    return context.done("belay " BELAY_VERSION "\n");
}

int help(Context& context) {
    const auto& words = context.args.rest;
    if (words.empty()) return context.done(render_help(context.args.flag("all")));
    auto name = named_command(words);
    auto text = render_help_of(name);
    if (!text.empty()) return context.done(text);
    std::vector<std::string> names;
    for (const auto& command : commands())
        if (!command.hidden) names.emplace_back(command.name);
    auto near = nearest(name, names);
    return context.usage(fmt::format("there is no command \"{}\"{}", name,
                                     near ? fmt::format("; did you mean {}?", *near) : ""));
}

int completion(Context& context) {
    auto script = render_completion(context.args.positional("SHELL"));
    if (script.empty()) return context.usage("SHELL is bash, zsh or fish");
    return context.done(script);
}

}  // namespace belay::cli
