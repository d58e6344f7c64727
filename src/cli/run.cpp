#include "context.hpp"

#include <belay/cli/cli.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::cli {
namespace {

bool asks_for_help(const std::vector<std::string>& arguments) {
    auto end = std::find(arguments.begin(), arguments.end(), "--");
    return std::any_of(arguments.begin(), end,
                       [](const auto& word) { return word == "-h" || word == "--help"; });
}

int show_help(const std::vector<std::string>& arguments, Console& console) {
    auto name = named_command(arguments);
    auto text = name.empty() ? render_help(false) : render_help_of(name);
    if (text.empty()) text = render_help(false);
    print(console.out, text);
    return kDone;
}

}  // namespace

int dispatch(std::vector<std::string> arguments, Console& console, const Locals& locals) {
    if (arguments.empty()) {
        print(console.err, render_help(false));
        return kUsage;
    }
    if (const auto* command = find_command(arguments[0]); command && command->raw) {
        Arguments raw;
        raw.command = command;
        raw.rest.assign(arguments.begin() + 1, arguments.end());
        Context context(std::move(raw), console, locals);
        return command->run(context);
    }
    if (asks_for_help(arguments)) return show_help(arguments, console);
    if (arguments[0] == "--version") arguments[0] = "version";
    auto parsed = parse_arguments(std::move(arguments));
    if (!parsed) {
        print(console.err, fmt::format("{}\n", parsed.error().message));
        return kUsage;
    }
    Context context(std::move(*parsed), console, locals);
    return context.args.command->run(context);
}

int run(int argc, char** argv, const Locals& locals) {
    auto console = process_console();
    return dispatch({argv + 1, argv + std::max(argc, 1)}, console, locals);
}

}  // namespace belay::cli
