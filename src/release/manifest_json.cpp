// One description of each record serves both directions, so that what is written can be read.
#include "manifest_file.hpp"

#include <belay/release/releases.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace belay::release {
namespace {

using Json = nlohmann::json;
using namespace domain;

template <class Archive>
void describe(Archive& at, Command& command) {
    at("shell", command.shell);
    at("argv", command.argv);
}

template <class Archive>
void describe(Archive& at, ResourceLimits& limits) {
    at("memory", limits.memory);
    at("cpu", limits.cpu);
    at("processes", limits.processes);
}

template <class Archive>
void describe(Archive& at, ProcessPlan& process) {
    at("name", process.name);
    at("instances", process.instances);
    at("argv", process.argv);
    at("env_file", process.env_file);
    at("uid", process.uid);
    at("gid", process.gid);
    at("groups", process.groups);
    at("limits", process.limits);
    at("overlap", process.overlap);
    at("stop_signal", process.stop_signal);
    at("stop_to", process.stop_to);
    at("stop_timeout_ms", process.stop_timeout);
    at("socket_activation", process.socket_activation);
    at("runtime", process.runtime);
    at("ports", process.ports);
}

template <class Archive>
void describe(Archive& at, CommandPlan& command) {
    at("argv", command.argv);
    at("uid", command.uid);
    at("gid", command.gid);
    at("groups", command.groups);
    at("timeout_ms", command.timeout);
}

template <class Archive>
void describe(Archive& at, UnitPlan& unit) {
    at("name", unit.name);
    at("action", unit.action);
    at("uid", unit.uid);
    at("gid", unit.gid);
}

template <class Archive>
void describe(Archive& at, StatusRange& range) {
    at("first", range.first);
    at("last", range.last);
}

template <class Archive>
void describe(Archive& at, Health& health) {
    at("type", health.type);
    at("path", health.path);
    at("url", health.url);
    at("method", health.method);
    at("headers", health.headers);
    at("expect_status", health.expect_status);
    at("expect_body", health.expect_body);
    at("run", health.run);
    at("interval_ms", health.interval);
    at("live_interval_ms", health.live_interval);
    at("timeout_ms", health.timeout);
    at("healthy", health.healthy);
    at("min_healthy_time_ms", health.min_healthy_time);
    at("unhealthy", health.unhealthy);
    at("deadline_ms", health.deadline);
    at("on_unhealthy", health.on_unhealthy);
}

template <class Archive>
void describe(Archive& at, RoutePlan& route) {
    at("hosts", route.hosts);
    at("path_prefix", route.path_prefix);
    at("listen", route.listen);
    at("drain_ms", route.drain);
}

template <class Archive>
void describe(Archive& at, RollbackOn& limits) {
    at("error_ratio", limits.error_ratio);
    at("baseline", limits.baseline);
    at("min_requests", limits.min_requests);
}

template <class Archive>
void describe(Archive& at, Traffic& traffic) {
    at("hosts", traffic.hosts);
    at("path_prefix", traffic.path_prefix);
    at("listen", traffic.listen);
    at("https", traffic.https);
    at("drain_ms", traffic.drain);
    at("bake_ms", traffic.bake);
    at("strategy", traffic.strategy);
    at("canary_steps", traffic.canary_steps);
    at("canary_step_time_ms", traffic.canary_step_time);
    at("rollback_on", traffic.rollback_on);
}

template <class Archive>
void describe(Archive& at, Manifest& manifest) {
    at("schema", manifest.schema);
    at("app", manifest.app);
    at("number", manifest.number);
    at("commit", manifest.commit);
    at("ref", manifest.ref);
    at("deployment", manifest.deployment.value);
    at("config", manifest.config);
    at("build_key", manifest.build_key);
    at("directory", manifest.directory);
    at("sealed_at", manifest.sealed_at);
    at("bytes", manifest.bytes);
    at("files", manifest.files);
    at("processes", manifest.processes);
    at("command", manifest.command);
    at("unit", manifest.unit);
    at("secrets", manifest.secrets);
    at("health", manifest.health);
    at("route", manifest.route);
    at("traffic", manifest.traffic);
}

template <class Archive>
void describe(Archive& at, LiveManifest& live) {
    at("schema", live.schema);
    at("app", live.app);
    at("epoch", live.epoch);
    at("stopped", live.stopped);
    at("stable", live.stable);
    at("live", live.live);
}

template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsPlain =
    std::is_arithmetic_v<T> || std::is_same_v<T, std::string> || std::is_same_v<T, Environment>;

class Writer {
  public:
    template <class T>
    static Json write(T& value) {
        if constexpr (kIsPlain<T>) {
            return value;
        } else if constexpr (std::is_same_v<T, Millis>) {
            return value.count();
        } else if constexpr (std::is_same_v<T, TimePoint>) {
            return format_time(value);
        } else if constexpr (kIsOptional<T>) {
            return value ? write(*value) : Json();
        } else if constexpr (kIsVector<T>) {
            auto list = Json::array();
            for (auto& item : value)
                list.push_back(write(item));
            return list;
        } else {
            Writer writer;
            describe(writer, value);
            return std::move(writer.object_);
        }
    }

    template <class T>
    void operator()(const char* key, T& value) {
        object_[key] = write(value);
    }

  private:
    Json object_ = Json::object();
};

// Throws Json::exception or ErrorException; a key that is missing leaves the default.
class Reader {
  public:
    explicit Reader(const Json& object) : object_(object) {
        if (!object.is_object()) throw ErrorException({Errc::invalid, "an object is expected"});
    }

    template <class T>
    static void read(const Json& json, T& value) {
        if constexpr (kIsPlain<T>) {
            json.get_to(value);
        } else if constexpr (std::is_same_v<T, Millis>) {
            value = Millis(json.get<std::int64_t>());
        } else if constexpr (std::is_same_v<T, TimePoint>) {
            auto time = parse_time(json.get<std::string>());
            if (!time) throw ErrorException(time.error());
            value = *time;
        } else if constexpr (kIsOptional<T>) {
            if (json.is_null())
                value.reset();
            else
                read(json, value.emplace());
        } else if constexpr (kIsVector<T>) {
            value.clear();
            for (const auto& item : json)
                read(item, value.emplace_back());
        } else {
            Reader reader(json);
            describe(reader, value);
        }
    }

    template <class T>
    void operator()(const char* key, T& value) {
        if (auto at = object_.find(key); at != object_.end()) read(*at, value);
    }

  private:
    const Json& object_;
};

std::string to_text(const Json& json) {
    // A ref is bytes, not always text; what can't be shown doesn't matter for starting.
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

template <class Record>
std::string encode_record(Record record) {
    return to_text(Writer::write(record));
}

void check_schema(const Json& json) {
    if (!json.is_object() || !json.contains("schema") || !json["schema"].is_number_integer())
        throw ErrorException({Errc::invalid, "it has no schema number"});
    if (auto schema = json["schema"].get<std::int64_t>(); schema > kManifestSchema)
        throw ErrorException(
            {Errc::conflict,
             fmt::format("it was written by a newer belay (schema {}, this one knows {}); "
                         "it is left alone",
                         schema, kManifestSchema)});
}

template <class Record>
Result<Record> decode_record(const std::string& text) {
    try {
        auto json = Json::parse(text);
        check_schema(json);
        Record record;
        Reader::read(json, record);
        return record;
    } catch (const Json::exception& exception) {
        return Error{Errc::invalid, exception.what()};
    } catch (const ErrorException& exception) {
        return exception.error();
    }
}

constexpr const char* kListKey = "list_sha256";

}  // namespace

std::string encode(const SealedManifest& sealed) {
    auto manifest = sealed.manifest;
    auto json = Writer::write(manifest);
    json[kListKey] = to_hex(sealed.list);
    return to_text(json);
}

Result<SealedManifest> decode_sealed(const std::string& text) {
    auto manifest = decode_manifest(text);
    if (!manifest) return manifest.error();
    auto json = Json::parse(text);
    auto list = json.contains(kListKey) && json[kListKey].is_string()
                    ? parse_hex(json[kListKey].get<std::string>())
                    : std::nullopt;
    if (!list) return Error{Errc::invalid, "it doesn't name its file list"};
    return SealedManifest{std::move(*manifest), *list};
}

std::string encode(const Manifest& manifest) {
    return encode_record(manifest);
}
std::string encode(const LiveManifest& live) {
    return encode_record(live);
}
Result<Manifest> decode_manifest(const std::string& json) {
    return decode_record<Manifest>(json);
}

Result<LiveManifest> decode_live(const std::string& json) {
    auto live = decode_record<LiveManifest>(json);
    if (!live) return live;
    for (const auto* part : {&live->stable, &live->live})
        if (*part && (*part)->schema > kManifestSchema)
            return Error{Errc::conflict,
                         "it holds a manifest that was written by a newer belay; it is left alone"};
    return live;
}

}  // namespace belay::release
