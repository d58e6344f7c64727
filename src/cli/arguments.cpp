// The one place that knows CLI11.
#include "command.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>

namespace belay::cli {
namespace {

using Parsed = std::vector<std::pair<const Option*, CLI::Option*>>;

CLI::Option* add_option(CLI::App& app, const Option& option) {
    std::string names = "--" + std::string(option.name);
    if (option.letter) names += std::string(",-") + option.letter;
    if (option.value.empty()) return app.add_flag(names)->disable_flag_override();
    return app.add_option(names)->expected(1)->multi_option_policy(
        CLI::MultiOptionPolicy::TakeLast);
}

void read_options(const Parsed& options, Arguments& into) {
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

// `words` are what is left when the options are taken out.
Result<void> read_positionals(std::vector<std::string> words, Arguments& into) {
    for (const auto& word : words)
        if (word.size() > 1 && word.starts_with('-')) return unexpected(*into.command, word);
    std::reverse(words.begin(), words.end());
    for (const auto& positional : into.command->positionals) {
        if (positional.need == Need::rest) {
            into.rest.insert(into.rest.begin(), words.rbegin(), words.rend());
            return {};
        }
        if (words.empty() && positional.need == Need::required)
            return with_hint("belay " + std::string(into.command->name) + ": " +
                                 std::string(positional.name) + " is missing",
                             std::nullopt, into.command);
        if (words.empty()) continue;
        into.positionals[std::string(positional.name)] = words.back();
        words.pop_back();
    }
    if (!words.empty()) return unexpected(*into.command, words.back());
    if (!into.rest.empty()) return unexpected(*into.command, into.rest.front());
    return {};
}

// Indexes of the words that are neither options nor values of the common ones, which may stand
// before the command.
std::vector<std::size_t> word_indexes(const std::vector<std::string>& arguments) {
    std::vector<std::size_t> indexes;
    for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
        if (!arguments[i].starts_with('-')) {
            indexes.push_back(i);
            continue;
        }
        for (const auto& option : common_options())
            if (arguments[i] == "--" + std::string(option.name) && !option.value.empty()) ++i;
    }
    return indexes;
}

std::vector<std::string> command_words(const std::vector<std::string>& arguments) {
    std::vector<std::string> words;
    for (auto index : word_indexes(arguments))
        words.push_back(arguments[index]);
    return words;
}

// CLI11 says "--ref: 1 required  missing".
std::string explained(const CLI::ParseError& error) {
    std::string text = error.what();
    if (!dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return text;
    if (text.find("override") != std::string::npos)
        return "--" + text.substr(0, text.find(' ')) + " takes no value";
    return text.substr(0, text.find(':')) + " needs a value";
}

// As the --url of `hook install`, which is another one.
bool has_own(const Command& command, std::string_view option) {
    return std::any_of(command.options.begin(), command.options.end(),
                       [&](const auto& each) { return each.name == option; });
}

// The options of one command; what is left are its words.
Result<std::vector<std::string>> parse_options(std::vector<std::string> arguments,
                                               Arguments& into) {
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    Parsed options;
    for (const auto& option : into.command->options)
        options.emplace_back(&option, add_option(app, option));
    for (const auto& option : common_options())
        if (!has_own(*into.command, option.name))
            options.emplace_back(&option, add_option(app, option));
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        return with_hint("belay " + std::string(into.command->name) + ": " + explained(error),
                         std::nullopt, into.command);
    }
    read_options(options, into);
    return app.remaining();
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

    auto indexes = word_indexes(arguments);
    if (name.find(' ') != std::string::npos)
        arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(indexes[1]));
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(indexes[0]));
    auto left = parse_options(std::move(arguments), parsed);
    if (!left) return left.error();
    if (auto read = read_positionals(std::move(*left), parsed); !read) return read.error();
    return parsed;
}

}  // namespace belay::cli
