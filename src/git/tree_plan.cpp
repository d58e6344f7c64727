#include "tree_plan.hpp"

#include "gitmodules.hpp"
#include "tree_rules.hpp"

#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace belay::git {
namespace {

constexpr std::uint32_t kSubmoduleDepth = 5;
constexpr unsigned kTypeMask = 0170000;

Failure refused(std::string_view path, std::string_view rule) {
    return failed(SourceReason::tree_refused, fmt::format("\"{}\": {}", shown(path), rule));
}

std::string below(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : fmt::format("{}/{}", path, name);
}

// One repository on the way: the app's, or a submodule's.
struct Level {
    Repository repository;
    std::uint16_t index = 0;
    std::uint32_t depth = 0;  // of submodules
    RepositoryUrl url;
    bool has_gitmodules = false;
    std::map<std::string, std::string> modules;  // path within the repository to url
};

// Where a tree lies: in the layout and in its own repository.
struct Place {
    std::uint32_t directory = 0;
    std::uint32_t depth = 0;
    std::string path;             // in the layout
    std::string repository_path;  // in its repository
};

class Planner {
  public:
    explicit Planner(const PlanRequest& request) : request_(request) {}

    Outcome<TreePlan> run() {
        plan_.directories.push_back({0, ""});
        auto level = open_level(request_.mirror, request_.url, 0);
        if (!level) return level.error();
        auto root = root_tree(*level, request_.commit);
        if (!root) return root.error();
        read_modules(*level, root->get());
        auto tree = go_to_directory(*level, std::move(*root));
        if (!tree) return tree.error();
        Place place;
        place.repository_path = request_.directory;
        if (auto walked = walk(*level, tree->get(), place); !walked) return walked.error();
        if (auto checked = check_links(); !checked) return checked.error();
        return std::move(plan_);
    }

  private:
    Outcome<Level> open_level(const std::filesystem::path& mirror, RepositoryUrl url,
                              std::uint32_t depth) {
        Level level;
        if (git_repository_open_bare(level.repository.out(), mirror.c_str()) < 0)
            return damaged(git_message());
        level.index = static_cast<std::uint16_t>(plan_.repositories.size());
        level.url = std::move(url);
        level.depth = depth;
        plan_.repositories.push_back(mirror);
        return level;
    }

    Outcome<Tree> root_tree(const Level& level, const std::string& commit_id) {
        git_oid id;
        Commit commit;
        if (git_oid_fromstr(&id, commit_id.c_str()) < 0 ||
            git_commit_lookup(commit.out(), level.repository.get(), &id) < 0) {
            return failed(SourceReason::sha_unavailable,
                          fmt::format("{} has no commit {}", level.url.text(), shown(commit_id)));
        }
        Tree tree;
        if (git_commit_tree(tree.out(), commit.get()) < 0) return damaged(git_message());
        return tree;
    }

    void read_modules(Level& level, const git_tree* root) {
        const auto* entry = git_tree_entry_byname(root, ".gitmodules");
        if (entry == nullptr) return;
        level.has_gitmodules = true;
        if ((git_tree_entry_filemode_raw(entry) & kTypeMask) != 0100000U) return;
        Blob blob;
        if (git_blob_lookup(blob.out(), level.repository.get(), git_tree_entry_id(entry)) < 0)
            return;
        level.modules = parse_gitmodules(
            std::string_view(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                             static_cast<std::size_t>(git_blob_rawsize(blob.get()))));
    }

    Outcome<Tree> go_to_directory(const Level& level, Tree root) {
        if (request_.directory.empty()) return root;
        TreeEntry entry;
        Tree tree;
        if (git_tree_entry_bypath(entry.out(), root.get(), request_.directory.c_str()) < 0 ||
            git_tree_entry_type(entry.get()) != GIT_OBJECT_TREE) {
            return failed(SourceReason::tree_refused,
                          fmt::format("commit {} has no directory \"{}\" (the app's `directory`)",
                                      request_.commit, shown(request_.directory)));
        }
        if (git_tree_lookup(tree.out(), level.repository.get(), git_tree_entry_id(entry.get())) <
            0) {
            return damaged(git_message());
        }
        return tree;
    }

    Outcome<void> walk(Level& level, const git_tree* tree, const Place& place) {
        if (place.depth > request_.limits.depth) {
            return refused(place.path,
                           fmt::format("deeper than {} directories", request_.limits.depth));
        }
        std::vector<const git_tree_entry*> trees;
        std::vector<const git_tree_entry*> modules;
        // Sorted as git sorts them, equal names needn't be neighbours: "x", "x.y", "x/".
        std::unordered_set<std::string_view> names;
        auto count = git_tree_entrycount(tree);
        names.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto* entry = git_tree_entry_byindex(tree, i);
            std::string_view name = git_tree_entry_name(entry);
            if (auto checked = check_entry(place, name); !checked) return checked;
            if (!names.insert(name).second)
                return refused(below(place.path, name), "the name is there twice");
            switch (static_cast<unsigned>(git_tree_entry_filemode_raw(entry)) & kTypeMask) {
                case 0040000:
                    trees.push_back(entry);
                    break;
                case 0160000:
                    modules.push_back(entry);
                    break;
                case 0100000:
                    add_file(level, place, entry);
                    break;
                case 0120000:
                    if (auto added = add_link(level, place, entry); !added) return added;
                    break;
                default:
                    return refused(below(place.path, name),
                                   "neither a file, a link nor a directory");
            }
        }
        for (const auto* entry : trees) {
            if (auto walked = walk_into(level, entry, place); !walked) return walked;
        }
        for (const auto* entry : modules) {
            if (auto walked = add_submodule(level, entry, place); !walked) return walked;
        }
        return {};
    }

    Outcome<void> check_entry(const Place& place, std::string_view name) {
        if (auto rule = broken_name_rule(name)) return refused(below(place.path, name), *rule);
        if (place.path.size() + 1 + name.size() > request_.limits.path_bytes) {
            return refused(below(place.path, name),
                           fmt::format("a path longer than {} bytes", request_.limits.path_bytes));
        }
        if (++entries_ > request_.limits.entries) {
            return refused(place.path, fmt::format("more than {} files and directories in all",
                                                   request_.limits.entries));
        }
        return {};
    }

    void add_file(const Level& level, const Place& place, const git_tree_entry* entry) {
        plan_.files.push_back({*git_tree_entry_id(entry), place.directory, level.index,
                               (git_tree_entry_filemode_raw(entry) & 0100) != 0,
                               git_tree_entry_name(entry)});
    }

    Outcome<void> add_link(const Level& level, const Place& place, const git_tree_entry* entry) {
        auto path = below(place.path, git_tree_entry_name(entry));
        Blob blob;
        if (git_blob_lookup(blob.out(), level.repository.get(), git_tree_entry_id(entry)) < 0)
            return damaged(git_message());
        std::string target(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                           static_cast<std::size_t>(git_blob_rawsize(blob.get())));
        if (target.empty() || target.size() > 4095 || target.find('\0') != std::string::npos) {
            return refused(path, "a symbolic link to nothing that could be a path");
        }
        plan_.links.push_back(
            {place.directory, git_tree_entry_name(entry), std::move(target), std::move(path)});
        return {};
    }

    Outcome<Place> enter(const Place& place, std::string_view name) {
        Place inner;
        inner.directory = static_cast<std::uint32_t>(plan_.directories.size());
        inner.depth = place.depth + 1;
        inner.path = below(place.path, name);
        inner.repository_path = below(place.repository_path, name);
        plan_.directories.push_back({place.directory, std::string(name)});
        return inner;
    }

    Outcome<void> walk_into(Level& level, const git_tree_entry* entry, const Place& place) {
        Tree tree;
        if (git_tree_lookup(tree.out(), level.repository.get(), git_tree_entry_id(entry)) < 0) {
            return damaged(git_message());
        }
        auto inner = enter(place, git_tree_entry_name(entry));
        return walk(level, tree.get(), *inner);
    }

    Outcome<void> add_submodule(Level& level, const git_tree_entry* entry, const Place& place) {
        auto inner = enter(place, git_tree_entry_name(entry));
        if (request_.submodules == ports::Submodules::automatic) {
            if (level.has_gitmodules) {
                return refused(inner->path,
                               "a submodule; say whether it is needed: submodules = true fetches "
                               "it, submodules = false "
                               "leaves an empty directory");
            }
            plan_.warnings.push_back(
                fmt::format("{}: a submodule without .gitmodules, left empty", shown(inner->path)));
        }
        if (request_.submodules != ports::Submodules::fetched) return {};
        return walk_submodule(level, to_hex(*git_tree_entry_id(entry)), *inner);
    }

    Outcome<void> walk_submodule(const Level& outer, const std::string& commit,
                                 const Place& place) {
        if (outer.depth >= kSubmoduleDepth) {
            return refused(place.path,
                           fmt::format("submodules nested deeper than {}", kSubmoduleDepth));
        }
        auto module = outer.modules.find(place.repository_path);
        if (module == outer.modules.end())
            return refused(place.path, "a submodule that .gitmodules has no url for");
        auto url = resolve_submodule_url(outer.url, module->second);
        if (!url) return refused(place.path, url.error().message);
        auto mirror = request_.submodule_mirror(*url);
        if (!mirror) {
            auto failure = mirror.error();
            failure.error.message =
                fmt::format("submodule {}: {}", shown(place.path), failure.error.message);
            return failure;
        }
        auto level = open_level(*mirror, *url, outer.depth + 1);
        if (!level) return level.error();
        auto root = root_tree(*level, commit);
        if (!root) return root.error();
        read_modules(*level, root->get());
        ++plan_.submodules;
        auto inner = place;
        inner.repository_path.clear();
        return walk(*level, root->get(), inner);
    }

    Outcome<void> check_links() {
        std::unordered_map<std::string, const std::string*> targets;
        for (const auto& link : plan_.links)
            targets.emplace(link.path, &link.target);
        auto link_at = [&](const std::string& path) -> std::optional<std::string> {
            auto at = targets.find(path);
            return at == targets.end() ? std::nullopt : std::optional(*at->second);
        };
        for (const auto& link : plan_.links) {
            if (leads_outside(link.path, link.target, link_at)) {
                return refused(link.path,
                               fmt::format("a symbolic link to \"{}\", outside of what is deployed",
                                           shown(link.target)));
            }
        }
        return {};
    }

    const PlanRequest& request_;
    TreePlan plan_;
    std::uint64_t entries_ = 0;
};

}  // namespace

Outcome<TreePlan> plan_tree(const PlanRequest& request) {
    return Planner(request).run();
}

}  // namespace belay::git
