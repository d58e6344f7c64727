// The one place that knows CLI11.
#include "command.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <memory>

namespace belay::cli {
namespace {

// One command's parser beside the options it was made of, to read the results from.
struct Parser {
    const Command* command = nullptr;
    CLI::App* app = nullptr;
    std::vector<std::pair<const Option*, CLI::Option*>> options;
    std::vector<std::pair<const Positional*, CLI::Option*>> positionals;
};

CLI::Option* add_option(CLI::App& app, const Option& option) {
    std::string names = "--" + std::string(option.name);
    if (option.letter) names += std::string(",-") + option.letter;
    if (option.value.empty()) return app.add_flag(names);
    return app.add_option(names)->expected(1)->multi_option_policy(
        CLI::MultiOptionPolicy::TakeLast);
}

CLI::App& subcommand(CLI::App& parent, const std::string& name) {
    auto* made = parent.add_subcommand(name);
    made->set_help_flag();
    made->fallthrough();
    return *made;
}

Parser make_parser(CLI::App& root, const Command& command) {
    auto space = command.name.find(' ');
    auto* app = &subcommand(root, std::string(command.name.substr(0, space)));
    if (space != std::string_view::npos) {
        app->require_subcommand(1);
        app = &subcommand(*app, std::string(command.name.substr(space + 1)));
    }
    Parser parser{&command, app, {}, {}};
    for (const auto& option : command.options)
        parser.options.emplace_back(&option, add_option(*app, option));
    for (const auto& positional : command.positionals) {
        auto* made = app->add_option(std::string(positional.name));
        if (positional.need == Need::rest)
            made->expected(0, -1);
        else
            made->expected(1);
        parser.positionals.emplace_back(&positional, made);
    }
    return parser;
}

void read_options(const std::vector<std::pair<const Option*, CLI::Option*>>& options,
                  Arguments& into) {
    for (const auto& [option, parsed] : options) {
        if (parsed->count() == 0) continue;
        if (option->value.empty())
            into.flags.emplace(option->name);
        else
            into.values[std::string(option->name)] = parsed->results().back();
    }
}

std::string in_quotes(std::string_view word) {
    return "\"" + std::string(word) + "\"";
}

Error with_hint(std::string message, const std::optional<std::string>& near,
                const Command* command) {
    if (near) message += "; did you mean " + *near + "?";
    message +=
        command ? "\nSee `belay help " + std::string(command->name) + "`." : "\nSee `belay help`.";
    return Error{Errc::invalid, std::move(message)};
}

Error unknown_command(const std::vector<std::string>& words) {
    std::string group;
    std::vector<std::string> candidates;
    for (const auto& command : commands()) {
        if (words.size() > 1 && command.name.starts_with(words[0] + " ")) group = words[0];
        if (!command.hidden)
            candidates.emplace_back(command.name.substr(0, command.name.find(' ')));
    }
    if (group.empty()) {
        return with_hint("there is no command " + in_quotes(words.at(0)),
                         nearest(words[0], candidates), nullptr);
    }
    candidates.clear();
    for (const auto& command : commands())
        if (command.name.starts_with(group + " "))
            candidates.emplace_back(command.name.substr(group.size() + 1));
    return with_hint("belay " + group + " has no command " + in_quotes(words[1]),
                     nearest(words[1], candidates), nullptr);
}

Error unexpected(const Command& command, const std::string& word) {
    auto name = "belay " + std::string(command.name);
    if (!word.starts_with('-'))
        return with_hint(name + " has no use for " + in_quotes(word), std::nullopt, &command);
    std::vector<std::string> candidates;
    for (const auto& option : command.options)
        candidates.push_back("--" + std::string(option.name));
    for (const auto& option : common_options())
        candidates.push_back("--" + std::string(option.name));
    return with_hint(name + " has no option " + in_quotes(word.substr(0, word.find('='))),
                     nearest(word.substr(0, word.find('=')), candidates), &command);
}

// Checked here and not by CLI11, so that the text names what a person calls it.
Result<void> read_positionals(const Parser& parser, Arguments& into) {
    for (const auto& [positional, parsed] : parser.positionals) {
        const auto& given = parsed->results();
        if (positional->need == Need::rest)
            into.rest.insert(into.rest.begin(), given.begin(), given.end());
        else if (!given.empty())
            into.positionals[std::string(positional->name)] = given.back();
        else if (positional->need == Need::required)
            return with_hint("belay " + std::string(parser.command->name) + ": " +
                                 std::string(positional->name) + " is missing",
                             std::nullopt, parser.command);
    }
    return {};
}

// Words that are no option of the root, up to the first that names no command: enough to say which
// command was meant.
std::vector<std::string> command_words(const std::vector<std::string>& arguments) {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& word = arguments[i];
        if (word == "--") break;
        if (!word.starts_with('-')) {
            words.push_back(word);
            continue;
        }
        for (const auto& option : common_options())
            if (word == "--" + std::string(option.name) && !option.value.empty()) ++i;
    }
    return words;
}

}  // namespace

std::string Arguments::value(std::string_view name) const {
    auto found = values.find(name);
    return found == values.end() ? std::string{} : found->second;
}

std::string Arguments::positional(std::string_view name) const {
    auto found = positionals.find(name);
    return found == positionals.end() ? std::string{} : found->second;
}

std::string named_command(const std::vector<std::string>& arguments) {
    auto words = command_words(arguments);
    if (words.empty()) return {};
    if (words.size() > 1 && find_command(words[0] + " " + words[1]))
        return words[0] + " " + words[1];
    return words[0];
}

Result<Arguments> parse_arguments(std::vector<std::string> arguments) {
    Arguments parsed;
    auto dashes = std::find(arguments.begin(), arguments.end(), "--");
    if (dashes != arguments.end()) {
        parsed.rest.assign(dashes + 1, arguments.end());
        arguments.erase(dashes, arguments.end());
    }
    auto words = command_words(arguments);
    if (words.empty()) return with_hint("a command is missing", std::nullopt, nullptr);
    auto name = named_command(arguments);
    parsed.command = find_command(name);
    if (!parsed.command && words.size() == 1 && !render_help_of(name).empty())
        return with_hint("belay " + name + ": a subcommand is missing", std::nullopt, nullptr);
    if (!parsed.command) return unknown_command(words);

    CLI::App root;
    root.set_help_flag();
    std::vector<std::pair<const Option*, CLI::Option*>> common;
    for (const auto& option : common_options())
        common.emplace_back(&option, add_option(root, option));
    auto parser = make_parser(root, *parsed.command);
    parser.app->allow_extras();
    std::reverse(arguments.begin(), arguments.end());
    try {
        root.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        return with_hint("belay " + name + ": " + error.what(), std::nullopt, parsed.command);
    }
    if (auto extras = root.remaining(true); !extras.empty())
        return unexpected(*parsed.command, extras.front());
    if (!parsed.rest.empty() &&
        (parser.positionals.empty() || parser.positionals.back().first->need != Need::rest))
        return unexpected(*parsed.command, parsed.rest.front());
    read_options(common, parsed);
    read_options(parser.options, parsed);
    if (auto read = read_positionals(parser, parsed); !read) return read.error();
    return parsed;
}

}  // namespace belay::cli
