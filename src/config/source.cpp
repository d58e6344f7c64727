#include "config/app_checks.hpp"
#include "config/load.hpp"
#include "config/secrets.hpp"
#include "config/snapshot.hpp"
#include "config/users.hpp"

#include <belay/config/source.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

namespace belay::config {
namespace {

std::vector<AppDraft> load_apps(const std::vector<std::string>& files, const LoadedServer& server,
                                const Surroundings& surroundings) {
    std::vector<AppDraft> drafts;
    for (const auto& file : files)
        drafts.push_back(load_app(file, server, surroundings));
    std::vector<AppPart> parts;
    for (auto& draft : drafts)
        if (draft.readable) parts.push_back({draft.reading.get(), &draft.config});
    check_together(parts, server.config, surroundings);
    return drafts;
}

class FileSource final : public ports::ConfigSource {
  public:
    FileSource(std::string config_path, Surroundings surroundings)
        : file_(absolute(config_path)), surroundings_(std::move(surroundings)) {}

    ports::LoadedConfig load() override {
        auto server = load_server(file_, surroundings_);
        if (server.ok) last_valid_ = server;
        ports::LoadedConfig loaded;
        loaded.file = file_;
        loaded.complaints = server.complaints;
        for (auto complaint : server.certificate) {
            complaint.warning = true;
            loaded.complaints.push_back(std::move(complaint));
        }
        if (server.ok) loaded.server = server.config;
        // what the apps inherit must be what was checked: not half a [defaults]
        const auto& ground = server.ok || !last_valid_ ? server : *last_valid_;
        auto found = find_app_files(Beside(file_).apps);
        loaded.complaints.insert(loaded.complaints.end(), found.complaints.begin(),
                                 found.complaints.end());
        for (auto& draft : load_apps(found.files, ground, surroundings_))
            loaded.apps.push_back(finish(std::move(draft), ground));
        if (!last_valid_) withhold(loaded);
        return loaded;
    }

    std::string encode(const domain::AppConfig& config) const override {
        return config::encode(config);
    }
    Result<domain::AppConfig> decode(const std::string& json) const override {
        return config::decode(json);
    }
    std::string hash(const std::string& json) const override { return sha256_hex(json); }

    Result<Secret> resolve(const domain::SecretRef& secret) const override {
        return resolve_secret(secret, surroundings_);
    }

    Result<User> user(const std::string& name) const override {
        const auto& uids =
            last_valid_ ? last_valid_->config.uids : domain::PortRange{52'000, 59'999};
        return user_for_app(name, surroundings_, uids);
    }

    Result<std::map<std::string, Secret>> secrets(const domain::AppConfig& config) const override {
        auto all = read_env_file(Beside(file_).env_file(config.name), surroundings_);
        if (!all) return all.error();
        for (const auto& [name, secret] : config.secrets) {
            auto value = resolve(secret);
            if (!value) return prefixed("secrets." + name, value.error());
            all->insert_or_assign(name, *value);
        }
        return all;
    }

  private:
    static void withhold(ports::LoadedConfig& loaded) {
        for (auto& app : loaded.apps) {
            bool said = std::any_of(app.complaints.begin(), app.complaints.end(),
                                    [](const auto& each) { return !each.warning; });
            app.config.reset();
            if (said) continue;
            ports::Complaint waits{
                app.file, 0, 0, fmt::format("waits for {}, which has errors", loaded.file), false};
            app.complaints.insert(app.complaints.begin(), std::move(waits));
        }
    }

    std::string file_;
    Surroundings surroundings_;
    std::optional<LoadedServer> last_valid_;
};

// belay.toml's apps lie in apps/ beside it; any other file is taken for one of `config_path`'s
// server.
std::string config_of(const std::string& file, const std::string& config_path) {
    auto directory = std::filesystem::path(file).parent_path();
    if (directory.filename() != "apps") return config_path;
    return (directory.parent_path() / "belay.toml").string();
}

std::vector<ports::Complaint> check_one(const std::string& config_path, const std::string& file,
                                        const Surroundings& surroundings) {
    if (file == config_path || std::filesystem::path(file).filename() == "belay.toml") {
        auto server = load_server(file, surroundings);
        bool missing = file != config_path && !std::filesystem::exists(file);
        if (missing) return {{file, 0, 0, "does not exist", false}};
        server.complaints.insert(server.complaints.end(), server.certificate.begin(),
                                 server.certificate.end());
        return server.complaints;
    }
    auto server_file = file.starts_with(Beside(config_path).apps + "/")
                           ? config_path
                           : config_of(file, config_path);
    auto server = load_server(server_file, surroundings);
    auto files = find_app_files(Beside(server_file).apps).files;
    if (std::find(files.begin(), files.end(), file) == files.end()) files = {file};
    for (auto& draft : load_apps(files, server, surroundings))
        if (draft.file == file) return finish(std::move(draft), server).complaints;
    return {};
}

}  // namespace

std::unique_ptr<ports::ConfigSource> make_source(std::string config_path,
                                                 Surroundings surroundings) {
    return std::make_unique<FileSource>(std::move(config_path), std::move(surroundings));
}

std::vector<ports::Complaint> check(const std::string& config_path,
                                    const std::vector<std::string>& files,
                                    Surroundings surroundings) {
    auto config = absolute(config_path);
    std::vector<ports::Complaint> all;
    auto take = [&](const std::vector<ports::Complaint>& complaints) {
        all.insert(all.end(), complaints.begin(), complaints.end());
    };
    for (const auto& file : files)
        take(check_one(config, absolute(file), surroundings));
    if (!files.empty()) return all;
    auto server = load_server(config, surroundings);
    auto found = find_app_files(Beside(config).apps);
    take(server.complaints);
    take(server.certificate);
    take(found.complaints);
    for (auto& draft : load_apps(found.files, server, surroundings))
        take(finish(std::move(draft), server).complaints);
    return all;
}

ports::AppFile load_app_file(const std::string& config_path, const std::string& file,
                             Surroundings surroundings) {
    auto server = load_server(absolute(config_path), surroundings);
    return finish(load_app(absolute(file), server, surroundings), server);
}

}  // namespace belay::config
