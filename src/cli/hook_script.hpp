// The text of the hook that `belay hook install` writes into a repository.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::cli {

struct HookScript {
    std::string belay;  // absolute path of the command
    std::string repo;   // absolute
    bool bare = true;   // post-receive; else post-commit
    // app -> the options of `belay hook deliver APP`, quoted for the shell; one repository may feed
    // several apps
    std::vector<std::pair<std::string, std::string>> deliveries;
};

// "post-receive" or "post-commit"
std::string_view hook_name(bool bare);

// Whether a hook's text is one of ours.
bool is_belay_hook(std::string_view text);
// The deliveries of a hook of ours, as they stand.
std::vector<std::pair<std::string, std::string>> deliveries_of(std::string_view text);

std::string render_hook(const HookScript& script);

// In single quotes, as sh(1) reads it literally.
std::string shell_quoted(std::string_view text);

}  // namespace belay::cli
