// What a command is: its name, what it takes, and the function behind it. Parser, help and
// completion all read the same table (commands.cpp).
#pragma once

#include <belay/base/error.hpp>

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace belay::cli {

class Context;

struct Option {
    std::string_view name;   // without dashes
    std::string_view value;  // placeholder; empty: a flag
    std::string_view help;
    char letter = 0;  // 0: long form only
};

enum class Need { required, optional, rest };

struct Positional {
    std::string_view name;
    Need need = Need::required;
};

// What a shell should offer for a positional, by its name: APP, DEPLOYMENT, FILE … are names of
// this table.
struct Command {
    std::string_view name;  // "secret set" is the subcommand `set` of `secret`
    std::string_view group;
    std::string_view summary;
    std::vector<Positional> positionals;
    std::vector<Option> options;
    std::string_view example;
    int (*run)(Context&) = nullptr;
    bool hidden = false;  // shown by `belay help --all`
    bool raw = false;     // its arguments are passed on as they are
};

// All commands, in the order in which help shows them.
std::span<const Command> commands();
const Command* find_command(std::string_view name);

// Those that every command takes.
std::span<const Option> common_options();

// What was given on the command line for one command.
struct Arguments {
    const Command* command = nullptr;
    std::set<std::string, std::less<>> flags;
    std::map<std::string, std::string, std::less<>> values;
    std::map<std::string, std::string, std::less<>> positionals;
    std::vector<std::string> rest;

    bool flag(std::string_view name) const { return flags.find(name) != flags.end(); }
    // Empty: not given.
    std::string value(std::string_view name) const;
    std::string positional(std::string_view name) const;
};

// Errc::invalid: one line that names what is wrong and the nearest right thing.
Result<Arguments> parse_arguments(std::vector<std::string> arguments);

// The command that the words name, as far as they name one: what `belay secret set -h` asks help
// for. A group of commands ("secret") has none of its own.
std::string named_command(const std::vector<std::string>& words);

// The candidate with the least edit distance, none where all are far.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

std::string render_help(bool all);
// Of one command, or of a group such as "secret"; empty where there is none of that name.
std::string render_help_of(std::string_view name);

// A completion script for bash, zsh or fish; empty for another shell.
std::string render_completion(std::string_view shell);

}  // namespace belay::cli
