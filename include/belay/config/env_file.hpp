// secrets/APP.env: NAME=value lines, as dotenv files have them.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/secret.hpp>

#include <map>
#include <string>
#include <string_view>

namespace belay::config {

// Comments, blank lines, `export`, 'as it is' and "with \n \t \" \\ \$" over several lines; $NAME
// is not replaced. A later line wins. Errc::invalid names line and fault, never a value.
Result<std::map<std::string, Secret>> parse_env_text(std::string_view text);

// Text that parse_env_text gives back exactly; sorted by name. Errc::invalid: a name that no
// variable has.
Result<std::string> format_env_text(const std::map<std::string, Secret>& secrets);

}  // namespace belay::config
