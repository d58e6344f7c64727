// What a stage or a process sees of the world, and nothing else (spec/interfaces.md §3). Pure.
#pragma once

#include <belay/base/secret.hpp>
#include <belay/domain/config.hpp>
#include <belay/domain/deployment.hpp>
#include <belay/domain/release.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace belay::engine {

using EnvironmentList = std::vector<std::pair<std::string, std::string>>;

// What is the same for all steps and processes of one deployment.
struct EnvironmentFacts {
    std::string app;
    DeploymentId deployment;
    ReleaseNumber release = 0;
    std::string commit;
    std::string ref;  // full
    std::string describe;
    std::string previous_commit;
    std::string user;  // empty: it has no name, and is called as the app
    std::string home;
    std::string shared;  // empty: not shown
    std::vector<std::string> path;
    std::string timezone;
};

// PATH HOME USER LANG TZ TMPDIR and BELAY_*, then `env`, then `secrets`: the later wins, but for
// BELAY_*.
EnvironmentList compose(const EnvironmentFacts& facts, const domain::Environment& env,
                        const std::map<std::string, Secret>& secrets);

// Those of `secrets` that `names` lists.
std::map<std::string, Secret> chosen(const std::map<std::string, Secret>& secrets,
                                     const std::vector<std::string>& names);

// What is only known when one instance starts.
void add_instance(EnvironmentList& list, const std::string& process, int instance, int port);

}  // namespace belay::engine
