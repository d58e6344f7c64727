#include "spool.hpp"

#include "json_access.hpp"
#include "whole_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::cli {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFolderMode = 02770;
constexpr mode_t kFileMode = 0660;

}  // namespace

Result<Waiting> Spool::keep(const std::string& app, std::string id, std::string body,
                            TimePoint now) const {
    if (::mkdir(directory_.c_str(), kFolderMode) != 0 && errno != EEXIST)
        return errno_error(errno, "making " + directory_);
    auto file =
        fmt::format("{}/{}.{:015}.{}.json", directory_, app, now.time_since_epoch().count(), id);
    auto content = Json{{"id", id}, {"body", body}}.dump();
    if (auto written = replace_file(file, content, kFileMode); !written) return written.error();
    return Waiting{std::move(id), std::move(body), std::move(file)};
}

std::vector<Waiting> Spool::waiting(const std::string& app, std::size_t most) const {
    std::vector<std::string> files;
    std::error_code failure;
    for (fs::directory_iterator each(directory_, failure), end; !failure && each != end;
         each.increment(failure)) {
        auto name = each->path().filename().string();
        if (name.starts_with(app + ".") && name.ends_with(".json"))
            files.push_back(each->path().string());
    }
    std::sort(files.begin(), files.end());
    while (files.size() > most) {
        ::unlink(files.front().c_str());
        files.erase(files.begin());
    }
    std::vector<Waiting> found;
    for (const auto& file : files) {
        auto content = read_file(file);
        if (!content) continue;
        auto parsed = parse_json(*content);
        Waiting waiting{text_of(parsed, "id"), text_of(parsed, "body"), file};
        if (!waiting.id.empty() && !waiting.body.empty()) found.push_back(std::move(waiting));
    }
    return found;
}

void Spool::drop(const Waiting& waiting) const {
    ::unlink(waiting.file.c_str());
}

}  // namespace belay::cli
