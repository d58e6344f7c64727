#include "command.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::cli {
namespace {

struct Word {
    std::string text;
    std::string help;
};

// What may follow `path` ("", "secret", "deploy"): subcommands, else options.
std::vector<Word> words_after(std::string_view path) {
    std::vector<Word> words;
    auto prefix = path.empty() ? std::string{} : std::string(path) + " ";
    for (const auto& command : commands()) {
        if (command.hidden || !command.name.starts_with(prefix)) continue;
        auto rest = command.name.substr(prefix.size());
        auto word = std::string(rest.substr(0, rest.find(' ')));
        if (std::any_of(words.begin(), words.end(), [&](const auto& w) { return w.text == word; }))
            continue;
        words.push_back({word, rest == word ? std::string(command.summary) : "..."});
    }
    if (path == "completion") words.insert(words.end(), {{"bash", ""}, {"zsh", ""}, {"fish", ""}});
    const auto* command = find_command(path);
    if (command)
        for (const auto& option : command->options)
            words.push_back({"--" + std::string(option.name), std::string(option.help)});
    if (command)
        for (const auto& option : common_options())
            words.push_back({"--" + std::string(option.name), std::string(option.help)});
    return words;
}

// Every path that something may follow.
std::vector<std::string> paths() {
    std::vector<std::string> all{""};
    for (const auto& command : commands()) {
        if (command.hidden) continue;
        auto space = command.name.find(' ');
        auto head = std::string(command.name.substr(0, space));
        if (std::find(all.begin(), all.end(), head) == all.end()) all.push_back(head);
        if (space != std::string_view::npos) all.emplace_back(command.name);
    }
    return all;
}

bool takes_app(std::string_view path) {
    const auto* command = find_command(path);
    return command && !command->positionals.empty() &&
           command->positionals[0].name.starts_with("APP");
}

// Names of apps come from the daemon, and none when it is not there.
constexpr std::string_view kApps = "belay status --names 2>/dev/null";

std::string join(const std::vector<Word>& words) {
    std::string text;
    for (const auto& word : words)
        text += (text.empty() ? "" : " ") + word.text;
    return text;
}

// "secret|hook": the first words of commands of two.
std::string groups() {
    std::string heads;
    for (const auto& path : paths())
        if (auto space = path.find(' '); space != std::string::npos) {
            auto head = path.substr(0, space);
            if (heads.find(head) == std::string::npos) heads += (heads.empty() ? "" : "|") + head;
        }
    return heads;
}

std::string bash() {
    std::string text =
        "# bash completion of belay: `belay completion bash > /etc/bash_completion.d/belay`\n"
        "_belay() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} path= words=\n"
        "    [ \"$COMP_CWORD\" -gt 1 ] && path=${COMP_WORDS[1]}\n"
        "    case $path in\n";
    text += fmt::format(
        "    {}) [ \"$COMP_CWORD\" -gt 2 ] && path=\"$path ${{COMP_WORDS[2]}}\" ;;\n", groups());
    text += "    esac\n    case $path in\n";
    for (const auto& path : paths()) {
        auto apps = takes_app(path) ? fmt::format(" $({})", kApps) : "";
        text += fmt::format("    '{}') words=\"{}{}\" ;;\n", path, join(words_after(path)), apps);
    }
    text +=
        "    esac\n"
        "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
        "}\n"
        "complete -o default -F _belay belay\n";
    return text;
}

std::string escaped(std::string_view text, std::string_view special, std::string_view with) {
    std::string out;
    for (char c : text) {
        if (special.find(c) != std::string_view::npos) out += with;
        out += c;
    }
    return out;
}

std::string zsh() {
    std::string text =
        "#compdef belay\n"
        "# zsh completion of belay: `belay completion zsh > \"${fpath[1]}/_belay\"`\n"
        "_belay() {\n"
        "    local given= ; local -a offered apps\n"  // `path` is PATH to zsh
        "    (( CURRENT > 2 )) && given=${words[2]}\n" +
        fmt::format(
            "    (( CURRENT > 3 )) && [[ $given == ({}) ]] && given=\"$given "
            "${{words[3]}}\"\n",
            groups()) +
        "    case $given in\n";
    for (const auto& path : paths()) {
        text += fmt::format("    '{}')\n        offered=(", path);
        for (const auto& word : words_after(path)) {
            // a quote inside single quotes closes, escapes and opens again
            auto help = escaped(word.help, ":", "\\");
            for (std::size_t at = 0; (at = help.find('\'', at)) != std::string::npos; at += 4)
                help.replace(at, 1, "'\\''");
            text += fmt::format(" '{}:{}'", word.text, help);
        }
        text += " )\n";
        if (takes_app(path)) text += fmt::format("        apps=(${{(f)\"$({})\"}})\n", kApps);
        text += "        ;;\n";
    }
    text +=
        "    esac\n"
        "    (( ${#apps} )) && compadd -a apps\n"
        "    (( ${#offered} )) && _describe belay offered\n"
        "    _files\n"
        "}\n"
        "_belay \"$@\"\n";
    return text;
}

std::string fish() {
    std::string text =
        "# fish completion of belay: `belay completion fish > "
        "~/.config/fish/completions/belay.fish`\n";
    for (const auto& path : paths()) {
        std::string condition = "__fish_use_subcommand";
        if (!path.empty()) {
            auto space = path.find(' ');
            condition = "__fish_seen_subcommand_from " + path.substr(0, space);
            if (space != std::string::npos)
                condition += "; and __fish_seen_subcommand_from " + path.substr(space + 1);
        }
        for (const auto& word : words_after(path)) {
            auto help = escaped(word.help, "\\'", "\\");
            text += word.text.starts_with("--")
                        ? fmt::format("complete -c belay -n '{}' -l {} -d '{}'\n", condition,
                                      word.text.substr(2), help)
                        : fmt::format("complete -c belay -f -n '{}' -a {} -d '{}'\n", condition,
                                      word.text, help);
        }
        if (takes_app(path))
            text += fmt::format("complete -c belay -f -n '{}' -a '({})'\n", condition, kApps);
    }
    return text;
}

}  // namespace

std::string render_completion(std::string_view shell) {
    if (shell == "bash") return bash();
    if (shell == "zsh") return zsh();
    if (shell == "fish") return fish();
    return {};
}

}  // namespace belay::cli
