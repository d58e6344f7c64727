#include "users.hpp"

namespace belay::engine {
namespace {

// All three have the same numbers.
template <class Plan>
std::optional<User> read_user(const Plan& plan) {
    if (plan.uid < 0) return std::nullopt;
    User user{static_cast<uid_t>(plan.uid), static_cast<gid_t>(plan.gid), {}};
    user.groups.assign(plan.groups.begin(), plan.groups.end());
    return user;
}

template <class Plan>
void write_user(Plan& plan, const User& user) {
    plan.uid = static_cast<int>(user.uid);
    plan.gid = static_cast<int>(user.gid);
    plan.groups.assign(user.groups.begin(), user.groups.end());
}

}  // namespace

std::optional<User> user_of(const domain::ProcessPlan& plan) {
    return read_user(plan);
}
std::optional<User> user_of(const domain::CommandPlan& plan) {
    return read_user(plan);
}
std::optional<User> user_of(const domain::UnitPlan& plan) {
    if (plan.uid < 0) return std::nullopt;
    return User{static_cast<uid_t>(plan.uid), static_cast<gid_t>(plan.gid), {}};
}
std::optional<User> user_of(const domain::Manifest& manifest) {
    if (!manifest.processes.empty()) return user_of(manifest.processes.front());
    if (manifest.command) return user_of(*manifest.command);
    return manifest.unit ? user_of(*manifest.unit) : std::nullopt;
}

void run_as(domain::ProcessPlan& plan, const User& user) {
    write_user(plan, user);
}
void run_as(domain::CommandPlan& plan, const User& user) {
    write_user(plan, user);
}
void run_as(ports::StageJob& job, const User& user) {
    write_user(job, user);
}

}  // namespace belay::engine
