#include "config/load.hpp"

#include "config/app_checks.hpp"
#include "config/channels.hpp"
#include "config/files.hpp"
#include "config/secrets.hpp"
#include "config/tables.hpp"
#include "config/toml_text.hpp"

#include <belay/base/certificate.hpp>
#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>

namespace belay::config {
namespace {

void complain_text(Reading& reading, Source source, const TextError& error) {
    reading.error({source, error.line, error.column}, "", error.message);
}

// As merged(), but [[build]] steps each inherit from [defaults.build].
Value with_defaults(const Value& defaults, const Value& app) {
    auto result = merged(defaults, app);
    for (const auto* name : {"build", "test"}) {
        const auto* below = defaults.get(name);
        const auto* own = app.find(name);
        if (below == nullptr || own == nullptr || !below->is(Value::Kind::table) ||
            !own->value.is_table_list())
            continue;
        auto steps = own->value;
        for (auto& step : steps.items)
            step = merged(*below, step);
        result.set(name, own->key_place, std::move(steps));
    }
    return result;
}

// [defaults] is judged once, by itself; what is still missing in it the apps say.
void read_defaults(LoadedServer& server, const Value& defaults) {
    Reading reading(File::app, server.file, server.file);
    domain::AppConfig scratch;
    if (!defaults.is(Value::Kind::table))
        complain_no_table(reading, "defaults", defaults);
    else
        read_table(reading, "", defaults, scratch, app_keys());
    server.config.notify = scratch.notify;
    server.ok = server.ok && reading.ok();
    server.defaults = defaults.is(Value::Kind::table) ? defaults : table();
    auto complaints = reading.take();
    server.complaints.insert(server.complaints.end(), complaints.begin(), complaints.end());
}

void complete_server(Reading& reading, LoadedServer& server, const Surroundings& surroundings) {
    bool has_runtime = surroundings.variable("XDG_RUNTIME_DIR").starts_with('/');
    if (!surroundings.root() && !has_runtime && !reading.given("server.socket"))
        server.config.socket = server.config.state + "/belay.sock";
    check_server(reading, server.config);
    check_channels(reading, server.config);
    for (const auto& channel : server.config.channels)
        for (const auto& [key, secret] : channel_secrets(channel))
            if (*secret)
                check_secret(reading, fmt::format("notify.{}.{}", channel.name, key), **secret,
                             surroundings);
}

void check_certificate(const Reading& reading, LoadedServer& server) {
    const auto& cert = server.config.tls_cert;
    const auto& key = server.config.tls_key;
    if (cert.empty() || key.empty()) return;
    auto loaded = load_certificate(cert, key);
    auto now = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
    auto valid = loaded ? check_not_expired(*loaded, cert, now) : Result<void>(loaded.error());
    if (valid) return;
    auto place = reading.place_of("server.tls");
    server.certificate.push_back(
        {server.file, place.line, place.column, "server.tls: " + valid.error().message, false});
}

void sort_by_place(std::vector<ports::Complaint>& complaints) {
    std::stable_sort(complaints.begin(), complaints.end(), [](const auto& a, const auto& b) {
        return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
}

}  // namespace

LoadedServer read_server(std::string_view text, const std::string& path,
                         const Surroundings& surroundings) {
    LoadedServer server;
    server.file = path;
    server.config = default_server(surroundings, path);
    Reading reading(File::server, path, path);
    auto parsed = parse_toml(text, Source::server);
    if (parsed.error) {
        complain_text(reading, Source::server, *parsed.error);
    } else {
        if (const auto* defaults = parsed.root.find("defaults")) {
            auto value = defaults->value;
            parsed.root.erase("defaults");
            read_defaults(server, value);
        }
        read_table(reading, "", parsed.root, server.config, server_keys());
        complete_server(reading, server, surroundings);
        check_certificate(reading, server);
    }
    server.ok = server.ok && reading.ok();
    for (auto& complaint : reading.take())
        server.complaints.push_back(std::move(complaint));
    sort_by_place(server.complaints);
    return server;
}

LoadedServer load_server(const std::string& path, const Surroundings& surroundings) {
    auto text = read_text_file(path);
    if (text) return read_server(*text, path, surroundings);
    auto server = read_server("", path, surroundings);
    if (text.error().code == Errc::not_found) return server;
    server.complaints.push_back({path, 0, 0, text.error().message, false});
    server.ok = false;
    return server;
}

AppDraft read_app(std::string_view text, const std::string& name, const std::string& file,
                  const LoadedServer& server, const Surroundings& surroundings) {
    AppDraft draft{name, file, std::make_unique<Reading>(File::app, file, server.file), {}, false};
    auto& reading = *draft.reading;
    draft.config.name = name;
    draft.config.file = file;
    if (auto checked = check_app_name(name); !checked) {
        reading.error(
            {}, "",
            checked.error().message + "; it is the file's name without .toml: rename the file");
        return draft;
    }
    auto parsed = parse_toml(text, Source::app);
    if (parsed.error) {
        complain_text(reading, Source::app, *parsed.error);
        return draft;
    }
    draft.readable = true;
    read_table(reading, "", with_defaults(server.defaults, parsed.root), draft.config, app_keys());
    complete(reading, draft.config);
    Beside beside(server.file);
    add_default_secrets(draft.config, beside);
    check_secrets(reading, draft.config, beside, surroundings);
    AppContext context{server.config, surroundings, {}, true};
    auto env_file = read_env_file(beside.env_file(name), surroundings);
    context.env_file_known = env_file.has_value();
    if (env_file)
        for (const auto& [variable, value] : *env_file)
            context.env_file_names.insert(variable);
    check_app(reading, draft.config, context);
    return draft;
}

AppDraft load_app(const std::string& file, const LoadedServer& server,
                  const Surroundings& surroundings) {
    auto name = std::filesystem::path(file).stem().string();
    auto text = read_text_file(file);
    if (text) return read_app(*text, name, file, server, surroundings);
    AppDraft draft{name, file, std::make_unique<Reading>(File::app, file, server.file), {}, false};
    draft.reading->error({}, "", text.error().message);
    return draft;
}

ports::AppFile finish(AppDraft draft, const LoadedServer& server) {
    ports::AppFile result;
    result.name = draft.name;
    result.file = draft.file;
    bool ok = draft.reading->ok() && draft.readable;
    for (auto& complaint : draft.reading->take()) {
        if (complaint.file == server.file && draft.file != server.file) {
            const auto& known = server.complaints;
            if (std::find(known.begin(), known.end(), complaint) != known.end()) continue;
            complaint.message +=
                fmt::format(" (said in [defaults], {}:{})", server.file, complaint.line);
            complaint.file = draft.file;
            complaint.line = complaint.column = 0;
        }
        result.complaints.push_back(std::move(complaint));
    }
    sort_by_place(result.complaints);
    if (ok) result.config = std::move(draft.config);
    return result;
}

AppFiles find_app_files(const std::string& directory) {
    AppFiles found;
    auto names = list_directory(directory);
    if (!names) {
        if (names.error().code != Errc::not_found)
            found.complaints.push_back({directory, 0, 0, names.error().message, false});
        return found;
    }
    for (const auto& name : *names) {
        auto path = directory + "/" + name;
        bool silent = name.starts_with('.') || name.ends_with('~') || name.ends_with(".swp") ||
                      name.ends_with(".bak");
        if (silent) continue;
        if (name.ends_with(".toml") && !std::filesystem::is_directory(path))
            found.files.push_back(path);
        else
            found.complaints.push_back(
                {path, 0, 0, "is passed over: apps are files called NAME.toml", true});
    }
    return found;
}

std::string absolute(const std::string& path) {
    std::error_code failure;
    auto whole = std::filesystem::absolute(path, failure);
    return failure ? path : whole.lexically_normal().string();
}

}  // namespace belay::config
