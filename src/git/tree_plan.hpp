// All that is to be laid out of a commit, judged whole before the first file is written.
#pragma once

#include "failure.hpp"
#include "handle.hpp"

#include <belay/git/repository_url.hpp>
#include <belay/ports/source.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace belay::git {

struct PlannedDirectory {
    std::uint32_t parent = 0;  // an index; the first directory is the root, its own parent
    std::string name;
};

struct PlannedFile {
    git_oid id{};
    std::uint32_t directory = 0;
    std::uint16_t repository = 0;
    bool executable = false;
    std::string name;
};

struct PlannedLink {
    std::uint32_t directory = 0;
    std::string name;
    std::string target;
    std::string path;  // from the root
};

// Directories come after their parents; files of one directory are neighbours.
struct TreePlan {
    std::vector<std::filesystem::path> repositories;
    std::vector<PlannedDirectory> directories;
    std::vector<PlannedFile> files;
    std::vector<PlannedLink> links;
    std::uint64_t submodules = 0;
    std::vector<std::string> warnings;
};

struct PlanRequest {
    std::filesystem::path mirror;
    std::string commit;
    std::string directory;
    RepositoryUrl url;
    ports::Submodules submodules = ports::Submodules::automatic;
    ports::ExportLimits limits;
    // A submodule's mirror by its address; asked only where submodules are fetched.
    std::function<Outcome<std::filesystem::path>(const RepositoryUrl&)> submodule_mirror;
};

// SourceReason::tree_refused names the path and the rule.
Outcome<TreePlan> plan_tree(const PlanRequest& request);

}  // namespace belay::git
