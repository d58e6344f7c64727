#include "repository.hpp"

#include <fmt/format.h>

namespace belay::engine {

Result<ports::SourceAccess> source_access(const Services& services,
                                          const domain::AppConfig& config) {
    ports::SourceAccess access;
    access.url = config.repo;
    access.allow = services.server.git_allow;
    if (config.credentials.key) access.key_file = config.credentials.key->name;
    for (const auto& file : config.credentials.known_hosts)
        access.known_hosts.emplace_back(file);
    access.username = config.credentials.username;
    if (config.credentials.token) {
        auto token = services.world.config.resolve(*config.credentials.token);
        if (!token) return token.error();
        access.token = *token;
    }
    access.ca_file = config.credentials.ca;
    return access;
}

std::string mirror_path(const Services& services, const std::string& app) {
    return fmt::format("{}/git/{}.git", services.options.state_directory, app);
}

domain::Reason reason_of(ports::SourceReason reason) {
    if (auto known = domain::parse_reason(to_string(reason))) return *known;
    return domain::Reason::fetch_failed;
}

std::optional<ports::SourceUser> fetch_user(const domain::AppUsers& users) {
    if (!users.separate()) return std::nullopt;
    // Its files belong to the build group, which only reads them.
    return ports::SourceUser{
        static_cast<uid_t>(users.fetch), static_cast<gid_t>(users.mirror_group()), {}};
}

std::optional<ports::SourceUser> build_user(const domain::AppUsers& users) {
    if (!users.separate()) return std::nullopt;
    auto user = users.builder();
    return ports::SourceUser{user.uid, user.gid, std::move(user.groups)};
}

}  // namespace belay::engine
