#include "command.hpp"
#include "table.hpp"

#include <fmt/format.h>

namespace belay::cli {
namespace {

std::string usage_of(const Command& command) {
    auto usage = fmt::format("belay {}", command.name);
    for (const auto& positional : command.positionals) {
        switch (positional.need) {
            case Need::required:
                usage += fmt::format(" {}", positional.name);
                break;
            case Need::optional:
                usage += fmt::format(" [{}]", positional.name);
                break;
            case Need::rest:
                usage += command.name == "run" ? " -- COMMAND..."
                                               : fmt::format(" [{}...]", positional.name);
                break;
        }
    }
    if (!command.options.empty()) usage += " [OPTIONS]";
    return usage;
}

void add_option(Table& table, const Option& option) {
    auto letter = option.letter ? fmt::format("-{}, ", option.letter) : "    ";
    auto value = option.value.empty() ? "" : fmt::format(" {}", option.value);
    table.add({{fmt::format("{}--{}{}", letter, option.name, value)}, {std::string(option.help)}});
}

bool is_member(const Command& command, std::string_view group) {
    return command.name.starts_with(group) && command.name.size() > group.size() &&
           command.name[group.size()] == ' ';
}

}  // namespace

std::string render_help(bool all) {
    std::string text =
        "belay: from a git push to a live, healthy release\n\nUsage: belay COMMAND [OPTIONS]\n";
    std::string_view group;
    Table table({});
    auto flush = [&] {
        if (!table.empty()) text += fmt::format("\n{}\n{}", group, table.render({}, 2));
        table = Table({});
    };
    for (const auto& command : commands()) {
        if (command.hidden && !all) continue;
        if (command.group != group) flush();
        group = command.group;
        table.add({{std::string(command.name)}, {std::string(command.summary)}});
    }
    flush();
    for (const auto& option : common_options())
        add_option(table, option);
    text += fmt::format("\nEvery command takes\n{}", table.render({}, 2));
    text += "\n`belay help COMMAND` says more of one.\n";
    return text;
}

std::string render_help_of(std::string_view name) {
    if (const auto* command = find_command(name)) {
        auto text = fmt::format("{}\n\nUsage: {}\n", command->summary, usage_of(*command));
        Table options({});
        for (const auto& option : command->options)
            add_option(options, option);
        if (!command->options.empty()) text += fmt::format("\nOptions\n{}", options.render({}, 2));
        if (!command->example.empty()) text += fmt::format("\nExample\n  {}\n", command->example);
        return text;
    }
    Table table({});
    for (const auto& command : commands())
        if (is_member(command, name))
            table.add({{usage_of(command)}, {std::string(command.summary)}});
    return table.empty() ? ""
                         : fmt::format("Usage: belay {} COMMAND\n\n{}", name, table.render({}, 2));
}

}  // namespace belay::cli
