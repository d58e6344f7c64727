#include "environment.hpp"

#include <belay/domain/push.hpp>

#include <fmt/format.h>

namespace belay::engine {
namespace {

void put(EnvironmentList& list, std::string name, std::string value) {
    for (auto& [key, old] : list)
        if (key == name) {
            old = std::move(value);
            return;
        }
    list.emplace_back(std::move(name), std::move(value));
}

}  // namespace

EnvironmentList compose(const EnvironmentFacts& facts, const domain::Environment& env,
                        const std::map<std::string, Secret>& secrets) {
    EnvironmentList list;
    std::string path;
    for (const auto& folder : facts.path)
        path += folder + ":";
    put(list, "PATH", path + "/usr/local/bin:/usr/bin:/bin");
    put(list, "HOME", facts.home);
    put(list, "USER", facts.user.empty() ? facts.app : facts.user);
    put(list, "LANG", "C.UTF-8");
    put(list, "TZ", facts.timezone);
    put(list, "TMPDIR", facts.home + "/tmp");
    for (const auto& [name, value] : env)
        put(list, name, value);
    for (const auto& [name, value] : secrets)
        put(list, name, value.reveal());
    auto ref = domain::parse_ref(facts.ref);
    bool branch = ref && ref->type == domain::RefType::branch;
    put(list, "BELAY_APP", facts.app);
    put(list, "BELAY_DEPLOYMENT", to_string(facts.deployment));
    put(list, "BELAY_RELEASE", fmt::to_string(facts.release));
    put(list, "BELAY_COMMIT", facts.commit);
    put(list, "BELAY_REF", facts.ref);
    put(list, "BELAY_BRANCH", branch ? ref->name : "");
    put(list, "BELAY_TAG", ref && !branch ? ref->name : "");
    put(list, "BELAY_DESCRIBE", facts.describe);
    put(list, "BELAY_PREVIOUS_COMMIT", facts.previous_commit);
    if (!facts.shared.empty()) put(list, "BELAY_SHARED", facts.shared);
    return list;
}

std::map<std::string, Secret> chosen(const std::map<std::string, Secret>& secrets,
                                     const std::vector<std::string>& names) {
    std::map<std::string, Secret> result;
    for (const auto& name : names)
        if (auto found = secrets.find(name); found != secrets.end()) result.insert(*found);
    return result;
}

void add_instance(EnvironmentList& list, const std::string& process, int instance, int port) {
    put(list, "BELAY_PROCESS", process);
    put(list, "BELAY_INSTANCE", fmt::to_string(instance));
    if (port == 0) return;
    put(list, "PORT", fmt::to_string(port));
    put(list, "HOST", "127.0.0.1");
}

}  // namespace belay::engine
