// The unit files by which a machine starts live releases by itself: one for each run, and for each
// app a target that names them. The target is what counts, and is replaced in one step.
#pragma once

#include <belay/base/error.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace belay::runtime {

// All calls block; what they change is on the disk when they return.
class BootFiles {
  public:
    explicit BootFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

    bool has_unit(const std::string& run_id) const;
    Result<void> write_unit(const std::string& run_id, std::string_view text);
    // True where it was there.
    Result<bool> remove_unit(const std::string& run_id);
    // The app starts with these runs and no others; without any there is no target. True where
    // anything was changed.
    Result<bool> write_target(const std::string& app, const std::vector<std::string>& run_ids);
    // One run less in its app's target. True where it was there.
    Result<bool> remove_from_target(const std::string& run_id);

  private:
    std::filesystem::path target(const std::string& app) const;
    std::filesystem::path link(const std::string& app) const;
    std::vector<std::string> named(const std::string& app) const;

    std::filesystem::path directory_;
};

}  // namespace belay::runtime
