#include "config/users.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace belay::config {
namespace {

using domain::AppConfig;

constexpr const char* kAuto = "auto";

// A user and the key that names it.
struct Named {
    std::string path;
    std::string user;
};

std::vector<Named> builders(const Reading& reading, const AppConfig& app) {
    std::vector<Named> all;
    auto add = [&](const std::string& name, const std::vector<domain::Step>& steps) {
        for (std::size_t i = 0; i < steps.size(); ++i) {
            auto path = fmt::format("{}[{}]", name, i + 1);
            if (!reading.given(path)) path = name;
            all.push_back({path + ".user", steps[i].user});
        }
    };
    add("build", app.build);
    add("test", app.test);
    return all;
}

std::vector<Named> runners(const Reading& reading, const AppConfig& app) {
    std::vector<Named> all;
    if (app.target == domain::Target::command) all.push_back({"command.user", app.command.user});
    for (const auto& process : app.processes) {
        auto path = joined("service", process.name);
        if (!reading.given(path)) path = "service";
        all.push_back({path + ".user", process.user});
    }
    return all;
}

void check_same(Reading& reading, const std::vector<Named>& all, std::string_view shared) {
    for (const auto& each : all)
        if (each.user != all.front().user)
            return reading.error_at(
                each.path,
                fmt::format("is \"{}\" and {} \"{}\", but {}: name the same user in all of them",
                            each.user, all.front().path, all.front().user, shared));
}

// Each name once, at the first key that has it.
std::map<std::string, std::string> names(const Reading& reading, const AppConfig& app) {
    std::map<std::string, std::string> found;
    for (const auto& all : {builders(reading, app), runners(reading, app)})
        for (const auto& each : all)
            if (each.user != kAuto) found.try_emplace(each.user, each.path);
    return found;
}

}  // namespace

Result<User> user_for_app(const std::string& name, const Surroundings& surroundings,
                          const domain::PortRange& uids) {
    auto wrong = [](std::string message) { return Error{Errc::invalid, std::move(message)}; };
    auto found = surroundings.find_user ? surroundings.find_user(name) : std::nullopt;
    if (!found)
        return wrong(
            fmt::format("there is no user \"{0}\" on this machine: useradd --system {0}, or "
                        "write \"auto\" for one of the app's own",
                        name));
    if (found->uid == 0)
        return wrong(
            fmt::format("\"{}\" has uid 0, and root never runs pushed code; write \"auto\" "
                        "or another user's name",
                        name));
    if (!surroundings.root() && found->uid == surroundings.uid) return *found;
    if (!surroundings.root())
        return wrong(
            fmt::format("belay runs as {} and can't become \"{}\": run it as root, or write "
                        "\"auto\"",
                        surroundings.user, name));
    if (auto proxy = surroundings.find_user(kProxyUser); proxy && proxy->uid == found->uid)
        return wrong(
            fmt::format("\"{}\" is who Belay's own proxy runs as; write \"auto\" or another "
                        "user's name",
                        name));
    if (found->uid >= static_cast<uid_t>(uids.first) && found->uid <= static_cast<uid_t>(uids.last))
        return wrong(
            fmt::format("\"{}\" has uid {}, which lies in [limits] uids = \"{}-{}\" of "
                        "belay.toml: those Belay gives to apps by itself",
                        name, found->uid, uids.first, uids.last));
    return *found;
}

void check_users(Reading& reading, const AppConfig& app, const AppContext& context) {
    check_same(reading, builders(reading, app), "all steps work in one directory");
    check_same(reading, runners(reading, app),
               "all processes share the app's shared and writable directories");
    for (const auto& [name, path] : names(reading, app))
        if (auto user = user_for_app(name, context.surroundings, context.server.uids); !user)
            reading.error_at(path, user.error().message);
    if (app.build_user() == app.run_user() && app.build_user() != kAuto &&
        context.surroundings.root())
        reading.warning_at(
            builders(reading, app).front().path,
            "is who the release runs as, too: what a build executes can read the live "
            "release's secrets");
}

void check_users_together(const std::vector<AppPart>& apps, const Surroundings& surroundings) {
    if (!surroundings.root() || !surroundings.find_user) return;
    std::map<uid_t, std::string> taken;
    for (const auto& app : apps)
        for (const auto& [name, path] : names(*app.reading, *app.config)) {
            auto user = surroundings.find_user(name);
            if (!user) continue;
            auto [first, is_new] = taken.try_emplace(user->uid, app.config->name);
            if (is_new || first->second == app.config->name) continue;
            app.reading->error_at(
                path,
                fmt::format("\"{}\" is the user of the app {} already: each app needs one of its "
                            "own, as the same user can read the other's secrets",
                            name, first->second));
        }
}

}  // namespace belay::config
