#include "config/services.hpp"

#include "config/grammar.hpp"
#include "config/tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::config {
namespace {

using domain::AppConfig;
using domain::Process;

const KeyInfo* process_key(std::string_view name) {
    static const std::vector<KeyInfo> known = infos(process_keys());
    auto at = std::find_if(known.begin(), known.end(),
                           [&](const KeyInfo& info) { return info.name == name; });
    return at == known.end() ? nullptr : &*at;
}

// Whether [service.env] is meant as a process: all it says are keys of a process, a command among
// them.
bool looks_like_process(const Value& value) {
    return value.is(Value::Kind::table) && value.get("run") != nullptr &&
           std::all_of(value.members.begin(), value.members.end(),
                       [](const Member& member) { return process_key(member.key) != nullptr; });
}

void complain_name(Reading& reading, const std::string& where, const Member& member) {
    reading.error(member.value.place, where,
                  fmt::format("\"{0}\" is a key of [service], so no process can be called so; call "
                              "it {0}-worker, say",
                              member.key));
}

// What [service] itself says, apart from its processes.
struct Split {
    Value own = table();
    std::vector<Member> processes;
};

Split split(Reading& reading, const std::string& path, const Value& value) {
    Split result;
    result.own.place = value.place;
    for (const auto& member : value.members) {
        auto where = joined(path, member.key);
        const auto* info = process_key(member.key);
        bool is_table = member.value.is(Value::Kind::table);
        bool of_the_top =
            std::any_of(app_key_infos().begin(), app_key_infos().end(),
                        [&](const KeyInfo& known) { return known.name == member.key; });
        if (info == nullptr && is_table && of_the_top && member.value.get("run") == nullptr)
            complain_unknown(reading, where, member, value.place, infos(process_keys()));
        else if (info == nullptr && is_table)
            result.processes.push_back(member);
        else if (info != nullptr && is_table &&
                 (looks_like_process(member.value) || (!info->open && info->keys.empty())))
            complain_name(reading, where, member);
        else
            result.own.set(member.key, member.key_place, member.value);
    }
    return result;
}

void read_process(Reading& reading, const std::string& path, const Member& member,
                  const Process& defaults, std::vector<Process>& processes) {
    auto where = joined(path, member.key);
    reading.note(where, member.value.place);
    auto name = check_process_name(member.key);
    if (!name) return reading.error(member.key_place, where, name.error().message);
    auto process = defaults;
    process.name = member.key;
    read_table(reading, where, member.value, process, process_keys());
    if (member.value.get("run") == nullptr)
        return reading.error(member.value.place, joined(where, "run"),
                             "is missing: the command that starts this process");
    processes.push_back(std::move(process));
}

void read_service(Reading& reading, const std::string& path, const Value& value, AppConfig& app) {
    if (!value.is(Value::Kind::table)) return complain_no_table(reading, path, value);
    auto parts = split(reading, path, value);
    Process defaults;
    read_table(reading, path, parts.own, defaults, process_keys());
    const auto* run = parts.own.get("run");
    std::vector<Process> processes;
    for (const auto& member : parts.processes)
        read_process(reading, path, member, defaults, processes);
    if (run != nullptr && !parts.processes.empty()) {
        const auto& first = parts.processes.front();
        reading.error(run->place, joined(path, "run"),
                      fmt::format("stands beside [service.{}], line {}; with several processes "
                                  "each has its own: put this one into "
                                  "[service.web]",
                                  first.key, first.value.place.line));
    } else if (parts.processes.empty() && run != nullptr) {
        processes.push_back(defaults);
    } else if (parts.processes.empty() && value.place.source != Source::server) {
        reading.error(value.place, joined(path, "run"),
                      "is missing: the command that starts the app, or [service.web] and others");
    }
    // web first, then by name: the order of tables in a file means nothing
    std::stable_sort(processes.begin(), processes.end(),
                     [](const Process& a, const Process& b) { return a.is_web() && !b.is_web(); });
    app.processes = std::move(processes);
}

Value write_service(const AppConfig& app) {
    if (app.processes.empty()) return none();
    auto result = table();
    for (const auto& process : app.processes)
        result.set(process.name, {}, write_table(process, process_keys()));
    return result;
}

}  // namespace

Key<AppConfig> service_key(std::string about) {
    Key<AppConfig> made;
    made.info = {"service", "table", "", std::move(about), "", infos(process_keys()), true};
    made.read = read_service;
    made.write = write_service;
    return made;
}

}  // namespace belay::config
