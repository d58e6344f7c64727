#include "run_record.hpp"

#include <belay/sys/files.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace belay::runtime {
namespace {

using Json = nlohmann::json;

constexpr int kSchema = 1;
constexpr const char* kFile = "run.json";

}  // namespace

Result<void> write_record(const std::filesystem::path& directory, const RunRecord& record,
                          bool sync) {
    Json json{{"schema", kSchema},
              {"run", record.run_id},
              {"port", record.port},
              {"started_at", format_time(record.started_at)},
              {"stop_timeout_ms", record.stop_timeout.count()},
              {"boot", record.boot},
              {"invocation", record.invocation}};
    return sys::write_file(directory / kFile, json.dump(1) + "\n", 0600, sync);
}

Result<RunRecord> read_record(const std::filesystem::path& directory) {
    auto text = sys::read_file(directory / kFile, 64 * 1024);
    if (!text) return text.error();
    const auto where = (directory / kFile).string();
    try {
        auto json = Json::parse(*text);
        if (json.at("schema").get<int>() > kSchema)
            return Error{Errc::invalid, where + " is of a newer Belay"};
        RunRecord record;
        json.at("run").get_to(record.run_id);
        json.at("port").get_to(record.port);
        auto started = parse_time(json.at("started_at").get<std::string>());
        if (!started) return prefixed(where, started.error());
        record.started_at = *started;
        record.stop_timeout = Millis{json.at("stop_timeout_ms").get<std::int64_t>()};
        json.at("boot").get_to(record.boot);
        json.at("invocation").get_to(record.invocation);
        if (record.run_id != directory.filename())
            return Error{Errc::invalid, fmt::format("{} is of run {}", where, record.run_id)};
        return record;
    } catch (const Json::exception& problem) {
        return Error{Errc::invalid, fmt::format("{}: {}", where, problem.what())};
    }
}

}  // namespace belay::runtime
