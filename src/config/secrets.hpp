// Where secrets come from, and whether they can be had.
#pragma once

#include "config/reading.hpp"

#include <belay/base/secret.hpp>
#include <belay/config/paths.hpp>
#include <belay/domain/config.hpp>

#include <map>
#include <optional>
#include <string>

namespace belay::config {

// The value; the error names thing and cure.
Result<Secret> resolve_secret(const domain::SecretRef& secret, const Surroundings& surroundings);

// secrets/APP.env; nothing where there is none.
Result<std::map<std::string, Secret>> read_env_file(const std::string& path,
                                                    const Surroundings& surroundings);

// What stands beside belay.toml becomes part of the configuration where no key says otherwise.
void add_default_secrets(domain::AppConfig& app, const Beside& beside);

// Complains of secrets that can't be had, of inline ones in a file that others can read, of keys
// that can't work.
void check_secrets(Reading& reading, const domain::AppConfig& app, const Beside& beside,
                   const Surroundings& surroundings);
void check_secret(Reading& reading, const std::string& path, const domain::SecretRef& secret,
                  const Surroundings& surroundings);

// What keeps a private key from being used for ssh; none: it is fine.
std::optional<std::string> ssh_key_fault(std::string_view content);

}  // namespace belay::config
