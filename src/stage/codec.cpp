#include "codec.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>

namespace belay::stage {
namespace {

using Json = nlohmann::json;

std::string to_bytes(const Json& json) {
    std::string bytes;
    Json::to_cbor(json, bytes);
    return bytes;
}

template <class T>
Json optional_json(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

template <class T>
std::optional<T> optional_of(const Json& json) {
    return json.is_null() ? std::nullopt : std::optional<T>(json.get<T>());
}

Json mask_json(const std::vector<Secret>& mask) {
    auto list = Json::array();
    for (const auto& secret : mask)
        list.push_back(secret.reveal());
    return list;
}

}  // namespace

std::string frame(std::string_view content) {
    std::string bytes;
    for (std::size_t i = 0; i < kFrameHeader; ++i)
        bytes += static_cast<char>((content.size() >> (8 * i)) & 0xff);
    bytes += content;
    return bytes;
}

std::uint64_t frame_length(std::string_view header) {
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < kFrameHeader; ++i)
        length |= std::uint64_t{static_cast<unsigned char>(header[i])} << (8 * i);
    return length;
}

std::string encode(const WorkerJob& worker) {
    const auto& job = worker.job;
    return to_bytes({{"shim", worker.shim},
                     {"group", worker.group},
                     {"limit_user", worker.limit_user},
                     {"app", job.app},
                     {"name", job.name},
                     {"shell", job.run.shell},
                     {"argv", job.run.argv},
                     {"cwd", job.cwd},
                     {"env", job.env},
                     {"mask", mask_json(job.mask)},
                     {"log_path", job.log_path},
                     {"uid", job.uid},
                     {"gid", job.gid},
                     {"groups", job.groups},
                     {"timeout_ms", job.timeout.count()},
                     {"silence_ms", job.silence.count()},
                     {"grace_ms", job.grace.count()},
                     {"memory", optional_json(job.limits.memory)},
                     {"cpu", optional_json(job.limits.cpu)},
                     {"processes", optional_json(job.limits.processes)},
                     {"log_cap", job.log_cap}});
}

Result<WorkerJob> decode_job(std::string_view content) {
    try {
        auto json = Json::from_cbor(content);
        WorkerJob worker;
        auto& job = worker.job;
        worker.shim = json.at("shim").get<std::string>();
        json.at("group").get_to(worker.group);
        json.at("limit_user").get_to(worker.limit_user);
        json.at("app").get_to(job.app);
        json.at("name").get_to(job.name);
        json.at("shell").get_to(job.run.shell);
        json.at("argv").get_to(job.run.argv);
        json.at("cwd").get_to(job.cwd);
        json.at("env").get_to(job.env);
        for (const auto& secret : json.at("mask"))
            job.mask.emplace_back(secret.get<std::string>());
        json.at("log_path").get_to(job.log_path);
        json.at("uid").get_to(job.uid);
        json.at("gid").get_to(job.gid);
        json.at("groups").get_to(job.groups);
        job.timeout = Millis(json.at("timeout_ms").get<std::int64_t>());
        job.silence = Millis(json.at("silence_ms").get<std::int64_t>());
        job.grace = Millis(json.at("grace_ms").get<std::int64_t>());
        job.limits.memory = optional_of<std::uint64_t>(json.at("memory"));
        job.limits.cpu = optional_of<double>(json.at("cpu"));
        job.limits.processes = optional_of<int>(json.at("processes"));
        json.at("log_cap").get_to(job.log_cap);
        return worker;
    } catch (const Json::exception&) {
        // Its words may hold what it read, and that holds secrets.
        return Error{Errc::internal, "the job can't be read"};
    }
}

std::string encode(const Result<ports::StageOutcome>& outcome) {
    if (!outcome)
        return to_bytes({{"code", static_cast<int>(outcome.error().code)},
                         {"message", outcome.error().message}});
    return to_bytes({{"verdict", static_cast<int>(outcome->verdict)},
                     {"exit_code", optional_json(outcome->exit_code)},
                     {"signal", optional_json(outcome->signal)},
                     {"peak_memory", outcome->peak_memory},
                     {"cpu_ms", outcome->cpu_ms},
                     {"log_bytes", outcome->log_bytes},
                     {"tail", outcome->tail},
                     {"detail", outcome->detail}});
}

Result<ports::StageOutcome> decode_outcome(std::string_view content) {
    try {
        auto json = Json::from_cbor(content);
        if (json.contains("code"))
            return Error{static_cast<Errc>(json.at("code").get<int>()),
                         json.at("message").get<std::string>()};
        ports::StageOutcome outcome;
        outcome.verdict = static_cast<ports::StageVerdict>(json.at("verdict").get<int>());
        outcome.exit_code = optional_of<int>(json.at("exit_code"));
        outcome.signal = optional_of<int>(json.at("signal"));
        json.at("peak_memory").get_to(outcome.peak_memory);
        json.at("cpu_ms").get_to(outcome.cpu_ms);
        json.at("log_bytes").get_to(outcome.log_bytes);
        json.at("tail").get_to(outcome.tail);
        json.at("detail").get_to(outcome.detail);
        return outcome;
    } catch (const Json::exception&) {
        return Error{Errc::internal, "the worker's result can't be read"};
    }
}

}  // namespace belay::stage
