// What single keys can't know: how the keys of one app fit together, and the apps of one server.
#pragma once

#include "config/reading.hpp"

#include <belay/config/paths.hpp>
#include <belay/domain/config.hpp>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace belay::config {

// Fills in what follows from other keys: the target, health.type, the branch beside tags.
void complete(Reading& reading, domain::AppConfig& app);

// What the rest of the machine says.
struct AppContext {
    const domain::ServerConfig& server;
    const Surroundings& surroundings;
    std::set<std::string> env_file_names;  // variables of secrets/APP.env
    bool env_file_known = true;            // false: it can't be read, which is said elsewhere
};
void check_app(Reading& reading, const domain::AppConfig& app, const AppContext& context);

void check_health(Reading& reading, const domain::AppConfig& app);
void check_traffic(Reading& reading, const domain::AppConfig& app, const AppContext& context);

// One app among others. `config` is what could be read, errors or not.
struct AppPart {
    Reading* reading;
    const domain::AppConfig* config;
};
void check_together(const std::vector<AppPart>& apps, const domain::ServerConfig& server,
                    const Surroundings& surroundings);

void check_server(Reading& reading, const domain::ServerConfig& server);

}  // namespace belay::config
