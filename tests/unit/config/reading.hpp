// Reads configuration texts as if they lay in files, on a machine of which nothing is known.
#pragma once

#include "config/app_checks.hpp"
#include "config/load.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace belay::config {

inline std::optional<User> known_user(const std::string& name) {
    static const std::map<std::string, User> users{
        {"alice", {4711, 4711, {}}},
        {"builder", {1001, 1001, {27}}},
        {"shop", {1002, 100, {}}},
        {"ops", {1003, 1003, {}}},
        {"toor", {0, 0, {}}},
        {"same-as-shop", {1002, 100, {}}},
        {"within", {52'004, 52'004, {}}},
        {"belay-proxy", {990, 990, {}}},
    };
    auto found = users.find(name);
    return found == users.end() ? std::nullopt : std::optional<User>(found->second);
}

inline Surroundings root_user() {
    Surroundings who;
    who.uid = 0;
    who.user = "root";
    who.find_user = known_user;
    who.home = "/root";
    return who;
}

inline Surroundings plain_user() {
    Surroundings who;
    who.uid = 4711;
    who.user = "alice";
    who.find_user = known_user;
    who.home = "/home/alice";
    return who;
}

inline LoadedServer server_of(const std::string& text = "", const Surroundings& who = root_user()) {
    return read_server(text, "/nowhere/belay.toml", who);
}

inline ports::AppFile app_of(const std::string& text, const LoadedServer& server = server_of(),
                             const std::string& name = "shop",
                             const Surroundings& who = root_user()) {
    return finish(read_app(text, name, "/nowhere/apps/" + name + ".toml", server, who), server);
}

// Without the directory: "shop.toml:3:1: message".
inline std::vector<std::string> lines_of(const std::vector<ports::Complaint>& complaints) {
    std::vector<std::string> lines;
    for (auto complaint : complaints) {
        complaint.file = complaint.file.substr(complaint.file.rfind('/') + 1);
        lines.push_back(complaint.to_string());
    }
    return lines;
}

inline bool has_errors(const std::vector<ports::Complaint>& complaints) {
    return std::any_of(complaints.begin(), complaints.end(),
                       [](const auto& each) { return !each.warning; });
}

inline std::string file_content(const std::string& path) {
    std::ifstream file(path);
    std::stringstream content;
    content << file.rdbuf();
    return content.str();
}

}  // namespace belay::config
