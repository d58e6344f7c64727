#include "unit_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace belay::runtime {

namespace {

constexpr std::string_view kPrefix = "belay-";
constexpr std::string_view kSuffix = ".service";

// systemd puts these into every environment; a release sees what is its own alone. What the app
// itself names stays.
constexpr std::string_view kSystemds[] = {"INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID",
                                          "LOGNAME",       "SHELL",          "LANGUAGE"};

// As whoever it is to be, from a start as root: User= takes no uid without a name
// [systemd 252: status=217/USER], and an app's own uid has none.
sys::UnitCommand command_of(const ports::ProcessSpec& spec) {
    sys::UnitCommand command{"/usr/bin/setpriv", {"setpriv"}};
    if (spec.user) {
        command.argv.push_back(fmt::format("--reuid={}", spec.user->uid));
        command.argv.push_back(fmt::format("--regid={}", spec.user->gid));
        command.argv.push_back(spec.user->groups.empty()
                                   ? std::string("--clear-groups")
                                   : fmt::format("--groups={}", fmt::join(spec.user->groups, ",")));
        command.argv.insert(command.argv.end(), {"--inh-caps=-all", "--bounding-set=-all"});
    }
    command.argv.emplace_back("--");
    command.argv.insert(command.argv.end(), spec.argv.begin(), spec.argv.end());
    return command;
}

std::uint64_t microseconds(Millis duration) {
    return static_cast<std::uint64_t>(duration.count()) * 1'000;
}

bool is_name(std::string_view name) {
    auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    return !name.empty() && letter(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const std::size_t size = byte < 0x80   ? 1
                                 : byte < 0xc2 ? 0
                                 : byte < 0xe0 ? 2
                                 : byte < 0xf0 ? 3
                                 : byte < 0xf5 ? 4
                                               : 0;
        if (size == 0 || i + size > text.size()) return false;
        for (std::size_t k = 1; k < size; ++k)
            if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
        i += size;
    }
    return true;
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7f;
    });
}

}  // namespace

std::string unit_of(std::string_view run_id) {
    return fmt::format("{}{}{}", kPrefix, run_id, kSuffix);
}

std::optional<std::string> run_of(std::string_view unit) {
    if (!unit.starts_with(kPrefix) || !unit.ends_with(kSuffix)) return std::nullopt;
    unit.remove_prefix(kPrefix.size());
    unit.remove_suffix(kSuffix.size());
    if (std::count(unit.begin(), unit.end(), '.') != 4) return std::nullopt;
    return std::string(unit);
}

std::string app_of(std::string_view run_id) {
    if (std::count(run_id.begin(), run_id.end(), '.') != 4) return {};
    return std::string(run_id.substr(0, run_id.find('.')));
}

std::vector<sys::UnitSetting> unit_settings(const ports::ProcessSpec& spec,
                                            const std::string& environment_file) {
    std::vector<sys::UnitSetting> settings;
    auto put = [&](std::string name, auto value) {
        settings.push_back({std::move(name), std::move(value)});
    };
    put("Description", fmt::format("{}, kept by Belay", spec.run_id));
    put("Type", std::string("exec"));
    put("ExecStart", command_of(spec));
    put("WorkingDirectory", spec.cwd);
    put("EnvironmentFiles", sys::UnitEnvironmentFile{environment_file});
    std::vector<std::string> unset;
    for (auto name : kSystemds)
        if (std::none_of(spec.env.begin(), spec.env.end(),
                         [&](const auto& entry) { return entry.first == name; }))
            unset.emplace_back(name);
    put("UnsetEnvironment", unset);
    put("StandardOutputFileToAppend", spec.log_path);
    put("StandardErrorFileToAppend", spec.log_path);
    put("Slice", std::string("belay-apps.slice"));
    put("RequiresMountsFor", std::vector<std::string>{spec.cwd, environment_file, spec.log_path});

    put("Restart", std::string(spec.policy == RestartPolicy::always ? "always" : "no"));
    put("RestartUSec", microseconds(spec.first_backoff));
    put("StartLimitIntervalUSec", std::uint64_t{0});
    put("KillMode", std::string(spec.stop.to == StopTo::main ? "mixed" : "control-group"));
    put("KillSignal", static_cast<std::int32_t>(spec.stop.signal));
    put("TimeoutStopUSec", microseconds(spec.stop.timeout));
    // Then its end says why; one of its processes that goes on without the others says nothing.
    put("OOMPolicy", std::string("stop"));

    if (spec.resources.memory) {
        put("MemoryMax", *spec.resources.memory);
        put("MemorySwapMax", std::uint64_t{0});
    }
    if (spec.resources.cpu)
        put("CPUQuotaPerSecUSec", static_cast<std::uint64_t>(*spec.resources.cpu * 1'000'000));
    if (spec.resources.processes)
        put("TasksMax", static_cast<std::uint64_t>(*spec.resources.processes));
    put("LimitCORE", std::uint64_t{0});
    if (spec.limits.open_files) put("LimitNOFILE", *spec.limits.open_files);
    if (spec.limits.file_size) put("LimitFSIZE", *spec.limits.file_size);
    if (spec.limits.address_space) put("LimitAS", *spec.limits.address_space);

    // As much as no app that may not be root can miss.
    put("NoNewPrivileges", true);
    put("ProtectSystem", std::string("full"));
    for (const char* name :
         {"ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectClock",
          "ProtectControlGroups", "ProtectHostname", "RestrictSUIDSGID", "LockPersonality"})
        put(name, true);
    // Its end is to be seen by whoever started it.
    put("AddRef", true);
    return settings;
}

Result<std::string> environment_text(
    const std::vector<std::pair<std::string, std::string>>& environment) {
    std::string text;
    for (const auto& [name, value] : environment) {
        if (!is_name(name))
            return Error{Errc::invalid,
                         fmt::format("systemd can't carry a variable of the name \"{}\": use "
                                     "letters, digits and _, or runtime = \"process\"",
                                     name)};
        if (!is_utf8(value) || has_control(value))
            return Error{Errc::invalid,
                         fmt::format("systemd can't carry the value of {}: it is not UTF-8, or has "
                                     "control characters; encode it, or use runtime = \"process\"",
                                     name)};
        text += name + "=\"";
        for (char c : value) {
            if (std::string_view("\"\\`$").find(c) != std::string_view::npos) text += '\\';
            text += c;
        }
        text += "\"\n";
    }
    return text;
}

std::string policy_text(RestartPolicy policy) {
    return fmt::format("[Service]\nRestart={}\n",
                       policy == RestartPolicy::always ? "always" : "no");
}

std::string boot_unit_text(std::string_view transient) {
    std::string text = "# Written by Belay, which removes it with its release.\n";
    while (!transient.empty()) {
        auto line = transient.substr(0, transient.find('\n'));
        transient.remove_prefix(std::min(line.size() + 1, transient.size()));
        if (line.starts_with('#')) continue;
        text += fmt::format("{}\n", line);
    }
    // The daemon takes it over, and so comes after it.
    text += "\n[Unit]\nAfter=network.target local-fs.target\nBefore=belay.service\n\n" +
            policy_text(RestartPolicy::always);
    return text;
}

std::string boot_target_text(const std::string& app, const std::vector<std::string>& run_ids) {
    std::string text = fmt::format(
        "# Written by Belay: what of {} starts with the machine.\n[Unit]\n"
        "Description=The live release of {}, kept by Belay\n",
        app, app);
    for (const auto& id : run_ids)
        text += fmt::format("Wants={}\n", unit_of(id));
    return text;
}

std::string_view step_that_failed(int code) {
    switch (code) {
        case 200:
            return "200/CHDIR: its directory can't be entered";
        case 203:
            return "203/EXEC: /usr/bin/setpriv (package util-linux) can't be executed";
        case 209:
            return "209/STDOUT: its log can't be opened";
        case 226:
            return "226/NAMESPACE: this machine has no mount namespaces for its sandbox";
        default:
            return code >= 200 && code <= 245
                       ? "a step before the program failed (systemd.exec(5), exit status)"
                       : "";
    }
}

}  // namespace belay::runtime
