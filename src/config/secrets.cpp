#include "config/secrets.hpp"

#include "config/files.hpp"
#include "config/grammar.hpp"
#include "config/toml_text.hpp"

#include <belay/config/env_file.hpp>

#include <fmt/format.h>

namespace belay::config {
namespace {

using domain::SecretRef;

Result<Secret> resolve_file(const std::string& path, const Surroundings& surroundings) {
    auto content = read_secret_file(path, surroundings);
    if (!content) return content.error();
    if (content->empty()) return Error{Errc::invalid, path + " is empty: write the secret into it"};
    return Secret(std::move(*content));
}

Result<Secret> resolve_variable(const std::string& name, const Surroundings& surroundings) {
    auto value = surroundings.variable(name);
    if (value.empty())
        return Error{Errc::not_found,
                     fmt::format("the variable {} is not set where Belay runs: set it in the "
                                 "service (Environment=, EnvironmentFile=)",
                                 name)};
    return Secret(std::move(value));
}

// systemd.exec(5): the manager made the directory for this service alone, its files need no check
// of owner and mode.
Result<Secret> resolve_credential(const std::string& name, const Surroundings& surroundings) {
    auto directory = surroundings.variable("CREDENTIALS_DIRECTORY");
    auto cure = fmt::format("give it to the service: LoadCredential={}:/path/to/file", name);
    if (directory.empty())
        return Error{
            Errc::not_found,
            fmt::format("the credential {} is not there, as the service has none: {}", name, cure)};
    auto content = read_text_file(directory + "/" + name);
    if (!content)
        return Error{content.error().code,
                     fmt::format("the credential {} {}: {}", name, content.error().message, cure)};
    if (content->ends_with('\n')) content->pop_back();
    if (content->empty())
        return Error{Errc::invalid, fmt::format("the credential {} is empty", name)};
    return Secret(std::move(*content));
}

// "secrets.DATABASE_URL", "webhook.secret[2]"
const Value* follow(const Value& root, std::string_view path) {
    const Value* at = &root;
    while (at != nullptr && !path.empty()) {
        auto dot = std::min(path.find('.'), path.size());
        auto step = path.substr(0, dot);
        path.remove_prefix(std::min(dot + 1, path.size()));
        auto bracket = step.find('[');
        at = at->get(step.substr(0, bracket));
        if (at == nullptr || bracket == step.npos) continue;
        auto index =
            static_cast<std::size_t>(std::stoul("0" + std::string(step.substr(bracket + 1))));
        at = index >= 1 && index <= at->items.size() ? &at->items[index - 1] : nullptr;
    }
    return at;
}

// A snapshot has no inline value; it names "FILE#PATH", where it is read again.
Result<Secret> resolve_inline(const SecretRef& secret) {
    if (!secret.value.empty()) return secret.value;
    auto hash = secret.name.rfind('#');
    auto gone =
        Error{Errc::not_found,
              fmt::format("the value of {} is no longer there; keep secrets in files, which stay",
                          secret.name)};
    if (hash == secret.name.npos) return gone;
    auto content = read_text_file(secret.name.substr(0, hash));
    if (!content) return gone;
    auto parsed = parse_toml(*content, Source::app);
    const auto* value = follow(parsed.root, std::string_view(secret.name).substr(hash + 1));
    if (value == nullptr || !value->is(Value::Kind::text) || value->text.empty()) return gone;
    return Secret(value->text);
}

void check_inline(Reading& reading, const std::string& path) {
    auto place = reading.place_of(path);
    auto mode = open_to_others(reading.file_of(place.source));
    if (!mode) return;
    reading.error(place, path,
                  fmt::format("a secret stands in this file, which is open to others (mode {}): "
                              "`chmod 600 {}`, or better "
                              "{{ file = \"...\" }}",
                              *mode, reading.file_of(place.source)));
}

void check_deploy_key(Reading& reading, const domain::AppConfig& app,
                      const Surroundings& surroundings) {
    auto repo = parse_repo(app.repo);
    if (!repo || repo->scheme != "ssh") return;
    if (!app.credentials.key)
        return reading.warning(reading.place_of("repo"), "repo",
                               fmt::format("is reached by ssh, but there is no deploy key "
                                           "secrets/{}.key: `belay init` makes one",
                                           app.name));
    const auto& key = *app.credentials.key;
    auto content = resolve_secret(key, surroundings);
    if (!content) return;  // said already
    auto fault = ssh_key_fault(content->reveal());
    if (fault)
        reading.error_at(
            "credentials.key",
            fmt::format("{} {}", key.kind == SecretRef::Kind::file ? key.name : "the key", *fault));
}

}  // namespace

Result<Secret> resolve_secret(const SecretRef& secret, const Surroundings& surroundings) {
    switch (secret.kind) {
        case SecretRef::Kind::file:
            return resolve_file(secret.name, surroundings);
        case SecretRef::Kind::env:
            return resolve_variable(secret.name, surroundings);
        case SecretRef::Kind::credential:
            return resolve_credential(secret.name, surroundings);
        case SecretRef::Kind::inline_value:
            return resolve_inline(secret);
    }
    return Error{Errc::internal, "a secret of no known kind"};
}

Result<std::map<std::string, Secret>> read_env_file(const std::string& path,
                                                    const Surroundings& surroundings) {
    if (!exists(path)) return std::map<std::string, Secret>{};
    auto content = read_secret_file(path, surroundings);
    if (!content) return content.error();
    auto parsed = parse_env_text(*content);
    if (!parsed) return prefixed(path, parsed.error());
    return parsed;
}

void add_default_secrets(domain::AppConfig& app, const Beside& beside) {
    auto file = [](std::string path) {
        return SecretRef{SecretRef::Kind::file, std::move(path), Secret()};
    };
    if (app.webhook.secrets.empty() && exists(beside.hook_secret(app.name)))
        app.webhook.secrets.push_back(file(beside.hook_secret(app.name)));
    if (!app.credentials.key && exists(beside.deploy_key(app.name)))
        app.credentials.key = file(beside.deploy_key(app.name));
    if (app.credentials.known_hosts.empty() && exists(beside.known_hosts))
        app.credentials.known_hosts.push_back(beside.known_hosts);
}

void check_secret(Reading& reading, const std::string& path, const SecretRef& secret,
                  const Surroundings& surroundings) {
    if (secret.kind == SecretRef::Kind::inline_value) return check_inline(reading, path);
    auto value = resolve_secret(secret, surroundings);
    if (value) return;
    // variables and credentials are the service's; whoever checks may not have them
    if (secret.kind == SecretRef::Kind::file)
        reading.error_at(path, value.error().message);
    else
        reading.warning_at(path, value.error().message);
}

void check_secrets(Reading& reading, const domain::AppConfig& app, const Beside& beside,
                   const Surroundings& surroundings) {
    for (const auto& [name, secret] : app.secrets)
        check_secret(reading, "secrets." + name, secret, surroundings);
    for (std::size_t i = 0; i < app.webhook.secrets.size(); ++i) {
        auto path = app.webhook.secrets.size() == 1 ? std::string("webhook.secret")
                                                    : fmt::format("webhook.secret[{}]", i + 1);
        check_secret(reading, path, app.webhook.secrets[i], surroundings);
    }
    if (app.credentials.token)
        check_secret(reading, "credentials.token", *app.credentials.token, surroundings);
    if (app.credentials.key)
        check_secret(reading, "credentials.key", *app.credentials.key, surroundings);
    if (app.status_token) check_secret(reading, "status.token", *app.status_token, surroundings);
    check_deploy_key(reading, app, surroundings);
    auto env_file = read_env_file(beside.env_file(app.name), surroundings);
    if (!env_file) reading.error({}, "", env_file.error().message);
}

}  // namespace belay::config
