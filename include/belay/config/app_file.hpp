// The text of a new app's file, as `belay init` writes it.
#pragma once

#include <string>
#include <vector>

namespace belay::config {

struct AppFileDraft {
    std::string name;
    std::string repo;
    std::string branch = "main";
    std::string forge;               // of [webhook]; empty: told by each delivery
    std::string stack;               // "Node.js (package.json)": for the comment; may be empty
    std::vector<std::string> build;  // commands, run one after the other
    std::vector<std::string> test;   // likewise
    std::string release;             // empty: none
    std::vector<std::pair<std::string, std::string>>
        services;             // process -> command; the first is web where there is one alone
    std::string static_root;  // instead of services
    std::string health_path;  // empty: the port alone is asked
    std::vector<std::string> hosts;
    std::vector<std::string> listen;
    std::vector<std::string>
        notes;  // one comment line each, at the top: what the user should look at
};

// Complete TOML with comments on what can be changed; what the draft doesn't say stands there as a
// comment.
std::string write_app_file(const AppFileDraft& draft);

}  // namespace belay::config
