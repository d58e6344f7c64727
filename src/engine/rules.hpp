// What of a followed branch or tag is worth a deployment (docs/rules.md). Pure.
#pragma once

#include <belay/domain/config.hpp>
#include <belay/domain/deployment.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::engine {

// The mark in a commit's message that asks not to deploy it, as it is written there: "[skip ci]",
// "[ci skip]" or "[skip deploy]", in any case, anywhere.
std::optional<std::string> skip_mark(std::string_view message);

// Whether `paths` leaves anything out.
bool filters_paths(const domain::AppConfig& app);
// Whether one of the changed paths is the app's business. Paths are relative to the repository's
// root.
bool concerns(const domain::AppConfig& app, const std::vector<std::string>& changed);

// How a commit is named to people: its first seven digits.
std::string short_id(const std::string& commit);

// "a, b and 3 more"
std::string some_of(const std::vector<std::string>& names, std::size_t shown = 3);

// A strictly older version, in the order of ports/tag_order.hpp.
bool is_older_tag(std::string_view tag, std::string_view than);

// The short name where the ref is a tag, else "".
std::string tag_of(std::string_view ref);

// Whether rules are asked at all: not where a person named what to deploy, and not for a new app's
// first.
bool follows_rules(const domain::Deployment& deployment);
// Found without a person's asking: by a delivery or by polling.
bool is_automatic(const domain::Deployment& deployment);

}  // namespace belay::engine
