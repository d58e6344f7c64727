#include "order.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace belay::git {
namespace {

using Json = nlohmann::json;
using namespace ports;

// Names, messages and authors of strangers needn't be UTF-8.
std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const SourceAccess& access, const Material& material) {
    auto known_hosts = Json::array();
    for (const auto& file : material.known_hosts) {
        known_hosts.push_back({{"path", file.path}, {"text", file.text}});
    }
    return {{"url", access.url},
            {"allow", access.allow},
            {"key_file", access.key_file.string()},
            {"key", material.key},
            {"known_hosts", known_hosts},
            {"username", access.username},
            {"token", access.token.reveal()},
            {"ca_file", access.ca_file.string()},
            {"ca", material.ca}};
}

SourceAccess access_of(const Json& json) {
    SourceAccess access;
    access.url = json.at("url");
    access.allow = json.at("allow").get<std::vector<std::string>>();
    access.key_file = json.at("key_file").get<std::string>();
    access.username = json.at("username");
    access.token = Secret(json.at("token").get<std::string>());
    access.ca_file = json.at("ca_file").get<std::string>();
    return access;
}

Material material_of(const Json& json) {
    Material material;
    material.key = json.at("key");
    material.ca = json.at("ca");
    for (const auto& file : json.at("known_hosts")) {
        material.known_hosts.push_back({file.at("path"), file.at("text")});
    }
    return material;
}

Json to_json(const SourceChild& child) {
    return {{"timeout_ms", child.timeout.count()}, {"app", child.app}};
}

SourceChild child_of(const Json& json) {
    SourceChild child;
    child.timeout = Millis(json.at("timeout_ms").get<std::int64_t>());
    child.app = json.at("app");
    return child;
}

template <class Function>
auto decode(std::string_view text, Function read) -> Result<decltype(read(Json()))> {
    try {
        return read(Json::parse(text));
    } catch (const Json::exception& error) {
        return Error{Errc::invalid,
                     fmt::format("not a job of this version of belay: {}", error.what())};
    }
}

Json to_json(const Failure& failure) {
    return {{"reason", ports::to_string(failure.error.reason)},
            {"message", failure.error.message},
            {"transient", failure.error.transient},
            {"damaged", failure.damaged}};
}

constexpr std::array kReasons = {SourceReason::fetch_failed,
                                 SourceReason::fetch_timeout,
                                 SourceReason::auth_failed,
                                 SourceReason::host_key_mismatch,
                                 SourceReason::sha_unavailable,
                                 SourceReason::tree_refused,
                                 SourceReason::config_invalid,
                                 SourceReason::disk_full,
                                 SourceReason::canceled,
                                 SourceReason::internal,
                                 SourceReason::sha256_repository_unsupported};

SourceReason reason_of(std::string_view word) {
    for (auto reason : kReasons) {
        if (ports::to_string(reason) == word) return reason;
    }
    return SourceReason::internal;
}

Failure failure_of(const Json& json) {
    Failure failure;
    failure.error.reason = reason_of(json.at("reason").get<std::string>());
    failure.error.message = json.at("message");
    failure.error.transient = json.at("transient");
    failure.damaged = json.at("damaged");
    return failure;
}

template <class T, class Function>
std::string encode_outcome(const Outcome<T>& outcome, Function to) {
    if (!outcome) return encode_failure(outcome.error());
    return dump({{"result", to(*outcome)}});
}

template <class T, class Function>
Outcome<T> decode_outcome(std::string_view text, Function from) {
    try {
        auto json = Json::parse(text);
        if (json.contains("failure")) return failure_of(json.at("failure"));
        return from(json.at("result"));
    } catch (const Json::exception&) {
        return failed(SourceReason::internal, "the git helper left no result that can be read");
    }
}

Json messages_to_json(const std::vector<CommitMessage>& messages) {
    auto json = Json::array();
    for (const auto& message : messages)
        json.push_back({{"commit", message.commit}, {"text", message.text}});
    return json;
}

Json fetched_to_json(const Fetched& fetched) {
    return {{"commit", fetched.commit},
            {"tip", fetched.tip},
            {"is_tip", fetched.is_tip},
            {"on_branch", fetched.on_branch},
            {"ref", fetched.ref},
            {"branch", fetched.branch},
            {"tag", fetched.tag},
            {"describe", fetched.describe},
            {"author_name", fetched.author_name},
            {"author_email", fetched.author_email},
            {"committed_at_ms", fetched.committed_at.time_since_epoch().count()},
            {"subject", fetched.subject},
            {"body", fetched.body},
            {"files", fetched.files},
            {"received_bytes", fetched.received_bytes},
            {"received_objects", fetched.received_objects},
            {"warnings", fetched.warnings},
            {"in_live", fetched.in_live},
            {"newest_tag", fetched.newest_tag},
            {"others", messages_to_json(fetched.others)}};
}

Fetched fetched_from_json(const Json& json) {
    Fetched fetched;
    fetched.commit = json.at("commit");
    fetched.tip = json.at("tip");
    fetched.is_tip = json.at("is_tip");
    fetched.on_branch = json.at("on_branch");
    fetched.ref = json.at("ref");
    fetched.branch = json.at("branch");
    fetched.tag = json.at("tag");
    fetched.describe = json.at("describe");
    fetched.author_name = json.at("author_name");
    fetched.author_email = json.at("author_email");
    fetched.committed_at = TimePoint(Millis(json.at("committed_at_ms").get<std::int64_t>()));
    fetched.subject = json.at("subject");
    fetched.body = json.at("body");
    fetched.files = json.at("files");
    fetched.received_bytes = json.at("received_bytes");
    fetched.received_objects = json.at("received_objects");
    fetched.warnings = json.at("warnings").get<std::vector<std::string>>();
    fetched.in_live = json.at("in_live");
    fetched.newest_tag = json.at("newest_tag");
    for (const auto& other : json.at("others"))
        fetched.others.push_back({other.at("commit"), other.at("text")});
    return fetched;
}

Submodules submodules_of(const Json& json) {
    return static_cast<Submodules>(json.get<int>());
}

FetchOrder read_fetch_order(const Json& json) {
    FetchOrder order;
    order.job.child = child_of(json.at("child"));
    order.job.access = access_of(json.at("access"));
    order.material = material_of(json.at("access"));
    order.job.mirror = json.at("mirror").get<std::string>();
    const auto& wanted = json.at("wanted");
    order.job.wanted = {wanted.at("branch"), wanted.at("tag"), wanted.at("tag_pattern"),
                        wanted.at("commit")};
    order.job.live = json.at("live");
    order.job.others = json.at("others").get<std::vector<std::string>>();
    order.job.directory = json.at("directory");
    order.job.submodules = submodules_of(json.at("submodules"));
    order.fresh_mirror = json.at("fresh_mirror");
    return order;
}

TipsOrder read_tips_order(const Json& json) {
    TipsOrder order;
    order.job.child = child_of(json.at("child"));
    order.job.access = access_of(json.at("access"));
    order.material = material_of(json.at("access"));
    order.job.branch = json.at("branch");
    order.job.tag_pattern = json.at("tag_pattern");
    return order;
}

ExportJob read_export_job(const Json& json) {
    ExportJob job;
    job.child = child_of(json.at("child"));
    job.mirror = json.at("mirror").get<std::string>();
    job.repository = json.at("repository");
    job.allow = json.at("allow").get<std::vector<std::string>>();
    job.commit = json.at("commit");
    job.directory = json.at("directory");
    job.into = json.at("into").get<std::string>();
    job.submodules = submodules_of(json.at("submodules"));
    const auto& limits = json.at("limits");
    job.limits = {limits.at("entries"), limits.at("bytes"), limits.at("depth"),
                  limits.at("path_bytes")};
    return job;
}

ChangesJob read_changes_job(const Json& json) {
    ChangesJob job;
    job.child = child_of(json.at("child"));
    job.mirror = json.at("mirror").get<std::string>();
    job.from = json.at("from");
    job.to = json.at("to");
    job.paths_max = json.at("paths_max");
    return job;
}

}  // namespace

std::string encode(const FetchOrder& order) {
    const auto& job = order.job;
    Json json = {{"child", to_json(job.child)},
                 {"access", to_json(job.access, order.material)},
                 {"mirror", job.mirror.string()},
                 {"live", job.live},
                 {"others", job.others},
                 {"directory", job.directory},
                 {"submodules", static_cast<int>(job.submodules)},
                 {"fresh_mirror", order.fresh_mirror}};
    json["wanted"] = {{"branch", job.wanted.branch},
                      {"tag", job.wanted.tag},
                      {"tag_pattern", job.wanted.tag_pattern},
                      {"commit", job.wanted.commit}};
    return dump(json);
}

std::string encode(const TipsOrder& order) {
    return dump({{"child", to_json(order.job.child)},
                 {"access", to_json(order.job.access, order.material)},
                 {"branch", order.job.branch},
                 {"tag_pattern", order.job.tag_pattern}});
}

std::string encode(const ExportJob& job) {
    Json json = {{"child", to_json(job.child)},  {"mirror", job.mirror.string()},
                 {"repository", job.repository}, {"allow", job.allow},
                 {"commit", job.commit},         {"directory", job.directory},
                 {"into", job.into.string()},    {"submodules", static_cast<int>(job.submodules)}};
    json["limits"] = {{"entries", job.limits.entries},
                      {"bytes", job.limits.bytes},
                      {"depth", job.limits.depth},
                      {"path_bytes", job.limits.path_bytes}};
    return dump(json);
}

std::string encode(const ChangesJob& job) {
    return dump({{"child", to_json(job.child)},
                 {"mirror", job.mirror.string()},
                 {"from", job.from},
                 {"to", job.to},
                 {"paths_max", job.paths_max}});
}

Result<FetchOrder> decode_fetch_order(std::string_view text) {
    return decode(text, read_fetch_order);
}
Result<TipsOrder> decode_tips_order(std::string_view text) {
    return decode(text, read_tips_order);
}
Result<ExportJob> decode_export_job(std::string_view text) {
    return decode(text, read_export_job);
}
Result<ChangesJob> decode_changes_job(std::string_view text) {
    return decode(text, read_changes_job);
}

std::string encode_failure(const Failure& failure) {
    return dump({{"failure", to_json(failure)}});
}

std::string encode_result(const Outcome<Fetched>& outcome) {
    return encode_outcome(outcome, fetched_to_json);
}

std::string encode_result(const Outcome<Exported>& outcome) {
    return encode_outcome(outcome, [](const Exported& exported) {
        return Json{{"files", exported.files},
                    {"directories", exported.directories},
                    {"bytes", exported.bytes},
                    {"submodules", exported.submodules},
                    {"warnings", exported.warnings}};
    });
}

std::string encode_result(const Outcome<std::vector<Tip>>& outcome) {
    return encode_outcome(outcome, [](const std::vector<Tip>& tips) {
        auto json = Json::array();
        for (const auto& tip : tips)
            json.push_back({{"ref", tip.ref}, {"commit", tip.commit}});
        return json;
    });
}

std::string encode_result(const Outcome<Changes>& outcome) {
    return encode_outcome(outcome, [](const Changes& changes) {
        return Json{{"paths", changes.paths}, {"complete", changes.complete}};
    });
}

Outcome<Fetched> decode_fetched(std::string_view text) {
    return decode_outcome<Fetched>(text, fetched_from_json);
}

Outcome<Exported> decode_exported(std::string_view text) {
    return decode_outcome<Exported>(text, [](const Json& json) {
        Exported exported;
        exported.files = json.at("files");
        exported.directories = json.at("directories");
        exported.bytes = json.at("bytes");
        exported.submodules = json.at("submodules");
        exported.warnings = json.at("warnings").get<std::vector<std::string>>();
        return exported;
    });
}

Outcome<std::vector<Tip>> decode_tips(std::string_view text) {
    return decode_outcome<std::vector<Tip>>(text, [](const Json& json) {
        std::vector<Tip> tips;
        for (const auto& tip : json)
            tips.push_back({tip.at("ref"), tip.at("commit")});
        return tips;
    });
}

Outcome<Changes> decode_changes(std::string_view text) {
    return decode_outcome<Changes>(text, [](const Json& json) {
        Changes changes;
        changes.paths = json.at("paths").get<std::vector<std::string>>();
        changes.complete = json.at("complete");
        return changes;
    });
}

}  // namespace belay::git
