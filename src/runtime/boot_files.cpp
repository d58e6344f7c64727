#include "boot_files.hpp"

#include "unit_text.hpp"

#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace belay::runtime {

namespace fs = std::filesystem;

fs::path BootFiles::target(const std::string& app) const {
    return directory_ / fmt::format("belay-{}.target", app);
}

fs::path BootFiles::link(const std::string& app) const {
    return directory_ / "multi-user.target.wants" / fmt::format("belay-{}.target", app);
}

bool BootFiles::has_unit(const std::string& run_id) const {
    std::error_code ignored;
    return fs::exists(directory_ / unit_of(run_id), ignored);
}

Result<void> BootFiles::write_unit(const std::string& run_id, std::string_view text) {
    return sys::write_file(directory_ / unit_of(run_id), text, 0644);
}

Result<bool> BootFiles::remove_unit(const std::string& run_id) {
    const auto file = directory_ / unit_of(run_id);
    if (::unlink(file.c_str()) != 0) {
        if (errno == ENOENT) return false;
        return errno_error(errno, "removing " + file.string());
    }
    if (auto kept = sys::fsync_dir(directory_); !kept) return kept.error();
    return true;
}

std::vector<std::string> BootFiles::named(const std::string& app) const {
    std::vector<std::string> ids;
    auto text = sys::read_file(target(app));
    if (!text) return ids;
    constexpr std::string_view kWants = "Wants=";
    for (std::size_t at = 0; at < text->size();) {
        auto end = std::min(text->find('\n', at), text->size());
        auto line = std::string_view(*text).substr(at, end - at);
        at = end + 1;
        if (!line.starts_with(kWants)) continue;
        line.remove_prefix(kWants.size());
        if (auto id = run_of(line)) ids.push_back(*id);
    }
    return ids;
}

Result<bool> BootFiles::write_target(const std::string& app,
                                     const std::vector<std::string>& run_ids) {
    std::error_code failure;
    const bool linked = fs::is_symlink(fs::symlink_status(link(app), failure));
    bool changed = false;
    if (run_ids.empty()) {
        for (const auto& file : {link(app), target(app)}) {
            if (::unlink(file.c_str()) == 0)
                changed = true;
            else if (errno != ENOENT)
                return errno_error(errno, "removing " + file.string());
        }
    } else {
        if (named(app) != run_ids) {
            auto written = sys::write_file(target(app), boot_target_text(app, run_ids), 0644);
            if (!written) return written.error();
            changed = true;
        }
        if (!linked) {
            if (auto made = sys::make_directories(link(app).parent_path()); !made)
                return made.error();
            if (::symlink(target(app).c_str(), link(app).c_str()) != 0 && errno != EEXIST)
                return errno_error(errno, "linking " + link(app).string());
            changed = true;
            if (auto kept = sys::fsync_dir(link(app).parent_path()); !kept) return kept.error();
        }
    }
    if (changed)
        if (auto kept = sys::fsync_dir(directory_); !kept) return kept.error();
    return changed;
}

Result<bool> BootFiles::remove_from_target(const std::string& run_id) {
    const auto app = app_of(run_id);
    auto rest = named(app);
    if (app.empty() || std::erase(rest, run_id) == 0) return false;
    auto written = write_target(app, rest);
    if (!written) return written.error();
    return true;
}

}  // namespace belay::runtime
