// Who processes and steps are, between the record's plain numbers and what starts them. Pure.
#pragma once

#include <belay/base/process.hpp>
#include <belay/domain/release.hpp>
#include <belay/ports/stages.hpp>

#include <optional>

namespace belay::engine {

// Of a release's processes, its command, or its unit's probes; none: the daemon's user.
std::optional<User> user_of(const domain::ProcessPlan& plan);
std::optional<User> user_of(const domain::CommandPlan& plan);
std::optional<User> user_of(const domain::UnitPlan& plan);
// None where the release has none of them.
std::optional<User> user_of(const domain::Manifest& manifest);

void run_as(domain::ProcessPlan& plan, const User& user);
void run_as(domain::CommandPlan& plan, const User& user);
void run_as(ports::StageJob& job, const User& user);

}  // namespace belay::engine
