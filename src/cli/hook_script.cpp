#include "hook_script.hpp"

#include <fmt/format.h>

namespace belay::cli {
namespace {

constexpr std::string_view kMark = "# belay-hook 1";
constexpr std::string_view kDelivery = "    deliver ";

// As git gives it to post-receive on standard input: "old new ref" a line.
constexpr std::string_view kReadPushes = "input=$(cat)\n";

// post-commit is told nothing; the reflog knows where the branch stood before, also for an amended
// commit.
constexpr std::string_view kReadCommit =
    "input=\n"
    "if ref=$(git symbolic-ref -q HEAD); then\n"
    "    new=$(git rev-parse HEAD)\n"
    "    old=$(git rev-parse -q --verify 'HEAD@{1}') || old=$(printf %s \"$new\" | tr 0-9a-f 0)\n"
    "    input=\"$old $new $ref\"\n"
    "fi\n";

}  // namespace

std::string_view hook_name(bool bare) {
    return bare ? "post-receive" : "post-commit";
}

bool is_belay_hook(std::string_view text) {
    return text.find(kMark) != std::string_view::npos;
}

std::vector<std::pair<std::string, std::string>> deliveries_of(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> found;
    for (std::size_t at = 0; at < text.size();) {
        auto end = std::min(text.find('\n', at), text.size());
        auto line = text.substr(at, end - at);
        at = end + 1;
        if (!line.starts_with(kDelivery)) continue;
        line.remove_prefix(kDelivery.size());
        auto space = std::min(line.find(' '), line.size());
        auto options = line.substr(std::min(space + 1, line.size()));
        found.emplace_back(line.substr(0, space), options);
    }
    return found;
}

std::string shell_quoted(std::string_view text) {
    std::string quoted = "'";
    for (char c : text)
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    return quoted + "'";
}

std::string render_hook(const HookScript& script) {
    auto before = fmt::format("\"${{0%/*}}\"/{}.before-belay", hook_name(script.bare));
    auto text = fmt::format(
        "#!/bin/sh\n"
        "{}\n"
        "# Delivers pushes to Belay. Written by `belay hook install`, which writes it anew each "
        "time:\n"
        "# work of your own belongs into {}.before-belay beside it, which is run first.\n"
        "belay={}\n"
        "repo={}\n"
        "{}"
        "status=0\n"
        "if [ -x {} ]; then\n",
        kMark, hook_name(script.bare), shell_quoted(script.belay), shell_quoted(script.repo),
        script.bare ? kReadPushes : kReadCommit, before);
    text += script.bare
                ? fmt::format("    printf '%s\\n' \"$input\" | {} \"$@\" || status=$?\n", before)
                : fmt::format("    {} \"$@\" || status=$?\n", before);
    text +=
        "fi\n"
        "deliver() {\n"
        "    printf '%s\\n' \"$input\" | \"$belay\" hook deliver \"$@\" --repo \"$repo\" || :\n"
        "}\n"
        "if [ -n \"$input\" ]; then\n";
    for (const auto& [app, options] : script.deliveries)
        text += fmt::format("{}{} {}\n", kDelivery, app, options);
    return text + "fi\nexit \"$status\"\n";
}

}  // namespace belay::cli
