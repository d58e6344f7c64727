// How an app's repository is reached, where its mirror lies and as whom it is read.
#pragma once

#include "services.hpp"

namespace belay::engine {

// An error where a secret can't be read.
Result<ports::SourceAccess> source_access(const Services& services,
                                          const domain::AppConfig& config);
std::string mirror_path(const Services& services, const std::string& app);

// Who writes the mirror and who reads it; none: the daemon itself.
std::optional<ports::SourceUser> fetch_user(const domain::AppUsers& users);
std::optional<ports::SourceUser> build_user(const domain::AppUsers& users);

domain::Reason reason_of(ports::SourceReason reason);

}  // namespace belay::engine
