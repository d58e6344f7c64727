#include "run_directory.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/sockets.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace belay::sys {

namespace {

constexpr std::string_view kMagic = "belay-run 1";

std::string one_line(std::string text) {
    for (auto& character : text)
        if (static_cast<unsigned char>(character) < ' ') character = ' ';
    return text;
}

std::string describe(const ServiceSpec& spec, const std::string& token, TimePoint now) {
    const auto& program = spec.program;
    Fields fields;
    fields["run"] = spec.run_id;
    fields["token"] = token;
    fields["argv"] = one_line(fmt::format("{}", fmt::join(program.argv, " ")));
    fields["cwd"] = one_line(program.cwd);
    fields["uid"] = program.user ? std::to_string(program.user->uid) : "-";
    fields["port"] = std::to_string(spec.port);
    fields["log"] = one_line(spec.log_path);
    fields["stop-signal"] = std::to_string(program.stop.signal);
    fields["stop-to"] = program.stop.to == StopTo::main ? "main" : "tree";
    fields["stop-timeout"] = std::to_string(program.stop.timeout.count());
    const auto& group = program.group.directories();
    for (std::size_t at = 0; at < group.size(); ++at)
        fields[fmt::format("group-{}", at)] = group[at];
    fields["started"] = std::to_string(now.time_since_epoch().count());
    return make_record(kMagic, fields);
}

Result<RunDirectory> fill(const std::filesystem::path& place, const ServiceSpec& spec,
                          const std::string& token, TimePoint now) {
    RunDirectory run;
    auto directory = open_file(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) return directory.error();
    run.directory = std::move(*directory);
    struct {
        const char* name;
        UniqueFd& fd;
    } records[] = {{"identity", run.identity}, {"exit", run.exit}, {"policy", run.policy}};
    for (auto& record : records) {
        auto fd = open_file_at(run.directory.get(), record.name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (!fd) return fd.error();
        record.fd = std::move(*fd);
    }
    auto socket = listen_unix_at(run.directory.get(), "s", 0600);
    if (!socket) return socket.error();
    run.socket = std::move(*socket);
    auto log = open_file(spec.log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0600);
    if (!log) return log.error();
    run.log = std::move(*log);
    auto written = write_file(place / "spec", describe(spec, token, now), 0600, false);
    if (!written) return written.error();
    return run;
}

}  // namespace

Result<RunDirectory> make_run_directory(const std::filesystem::path& place, const ServiceSpec& spec,
                                        const std::string& token, TimePoint now) {
    if (::mkdir(place.c_str(), 0700) != 0)
        return errno_error(errno, "making the run directory " + place.string());
    auto run = fill(place, spec, token, now);
    if (!run) static_cast<void>(remove_tree(place).has_value());
    return run;
}

Result<SpecRecord> read_spec_record(int directory) {
    auto content = read_file_at(directory, "spec", 1 << 20);
    if (!content) return content.error();
    auto fields = parse_record(*content, kMagic);
    if (!fields) return prefixed("spec", fields.error());
    SpecRecord record;
    record.run_id = (*fields)["run"];
    record.token = (*fields)["token"];
    record.stop.signal = static_cast<int>(number_in(*fields, "stop-signal"));
    record.stop.to = (*fields)["stop-to"] == "main" ? StopTo::main : StopTo::tree;
    record.stop.timeout = Millis(static_cast<std::int64_t>(number_in(*fields, "stop-timeout")));
    record.port = static_cast<std::uint16_t>(number_in(*fields, "port"));
    for (std::size_t at = 0; fields->contains(fmt::format("group-{}", at)); ++at)
        record.group.push_back((*fields)[fmt::format("group-{}", at)]);
    record.started_at = TimePoint(Millis(static_cast<std::int64_t>(number_in(*fields, "started"))));
    return record;
}

namespace {

// Nothing in it but what fill() makes, whatever of that there is: also a removal may be cut off.
bool only_of_a_run(const std::filesystem::path& directory) {
    std::error_code failure;
    for (std::filesystem::directory_iterator at(directory, failure), end; !failure && at != end;
         at.increment(failure)) {
        const auto name = at->path().filename().string();
        const bool ours = name == "identity" || name == "exit" || name == "policy" || name == "s" ||
                          name.starts_with("spec");
        if (!ours) return false;
    }
    return !failure;
}

}  // namespace

bool remove_abandoned_run(const std::filesystem::path& directory) {
    auto opened = open_file(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!opened || read_spec_record(opened->get())) return false;
    if (!only_of_a_run(directory)) return false;
    auto identity = read_identity_record(opened->get());
    if (identity && (open_process(identity->shim) || open_process(identity->program))) return false;
    return remove_tree(directory).has_value();
}

}  // namespace belay::sys
