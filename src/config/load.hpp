// From files to checked structs: the steps that ConfigSource and `check` share.
#pragma once

#include "config/reading.hpp"
#include "config/value.hpp"

#include <belay/config/paths.hpp>
#include <belay/domain/config.hpp>
#include <belay/ports/config_source.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace belay::config {

struct LoadedServer {
    std::string file;
    domain::ServerConfig config;
    Value defaults = table();  // [defaults]
    std::vector<ports::Complaint> complaints;
    // Of the files of server.tls, apart as they say nothing about belay.toml itself: a certificate
    // that has expired must not cost the daemon its other settings.
    std::vector<ports::Complaint> certificate;
    bool ok = true;
};
LoadedServer load_server(const std::string& path, const Surroundings& surroundings);
// The same of a text that is already there.
LoadedServer read_server(std::string_view text, const std::string& path,
                         const Surroundings& surroundings);

// An app's file on its way: read, but not yet compared with the others.
struct AppDraft {
    std::string name;
    std::string file;
    std::unique_ptr<Reading> reading;
    domain::AppConfig config;
    bool readable = false;  // false: no TOML, no file or no name; `config` means nothing
};
AppDraft load_app(const std::string& file, const LoadedServer& server,
                  const Surroundings& surroundings);
AppDraft read_app(std::string_view text, const std::string& name, const std::string& file,
                  const LoadedServer& server, const Surroundings& surroundings);

// What is said of [defaults] in belay.toml is not said again for every app.
ports::AppFile finish(AppDraft draft, const LoadedServer& server);

struct AppFiles {
    std::vector<std::string> files;            // absolute, sorted
    std::vector<ports::Complaint> complaints;  // of what was passed over
};
// `*~ .* *.swp *.bak` are passed over silently, all else that is no .toml with a warning.
AppFiles find_app_files(const std::string& directory);

// Absolute, without "." and "..".
std::string absolute(const std::string& path);

}  // namespace belay::config
