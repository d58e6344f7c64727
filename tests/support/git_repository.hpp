// Real repositories, made by the git command.
#pragma once

#include "support/git_process.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace belay::test {

// Removed with all below it.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "belay-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
        // Children under another uid look in.
        std::filesystem::permissions(path_, std::filesystem::perms(0755));
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

inline Environment git_environment() {
    return {{"GIT_CONFIG_GLOBAL", "/dev/null"}, {"GIT_CONFIG_SYSTEM", "/dev/null"},
            {"GIT_AUTHOR_NAME", "Ada"},         {"GIT_AUTHOR_EMAIL", "ada@example.com"},
            {"GIT_COMMITTER_NAME", "Ada"},      {"GIT_COMMITTER_EMAIL", "ada@example.com"},
            {"GIT_ALLOW_PROTOCOL", "file"},     {"HOME", "/nonexistent"}};
}

// A repository with a work tree, and a bare one that it pushes to.
class GitRepository {
  public:
    // Below `parent`: NAME (work tree) and NAME.git (bare).
    GitRepository(const std::filesystem::path& parent, const std::string& name,
                  const Argv& init = {})
        : work_(parent / name), bare_(parent / (name + ".git")) {
        Argv bare_argv = {"git", "init", "-q", "--bare", "-b", "main"};
        Argv work_argv = {"git", "init", "-q", "-b", "main"};
        for (const auto& option : init) {
            bare_argv.push_back(option);
            work_argv.push_back(option);
        }
        bare_argv.push_back(bare_.string());
        work_argv.push_back(work_.string());
        run(bare_argv, git_environment());
        run(work_argv, git_environment());
        git({"remote", "add", "origin", bare_.string()});
    }

    const std::filesystem::path& work() const { return work_; }
    const std::filesystem::path& bare() const { return bare_; }

    std::string git(const Argv& arguments) const {
        Argv argv = {"git"};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return run(argv, git_environment(), work_.string());
    }

    void write(const std::string& file, std::string_view content) const {
        std::filesystem::create_directories((work_ / file).parent_path());
        std::ofstream(work_ / file, std::ios::binary) << content;
    }

    // All changes of the work tree; returns the commit's id.
    std::string commit(const std::string& message) const {
        git({"add", "-A"});
        git({"commit", "-q", "--allow-empty", "-m", message});
        return git({"rev-parse", "HEAD"});
    }
    std::string commit_file(const std::string& file, std::string_view content) const {
        write(file, content);
        return commit("Change " + file);
    }
    // All branches and tags; branches that are gone here are deleted there.
    void push() const {
        git({"push", "-q", "--force", "--prune", "origin", "refs/heads/*:refs/heads/*",
             "refs/tags/*:refs/tags/*"});
    }

    // An object of any content, without git's checks.
    std::string object(const std::string& type, std::string_view content) const {
        auto file = work_.parent_path() / "object";
        std::ofstream(file, std::ios::binary) << content;
        return git({"hash-object", "-t", type, "-w", "--literally", file.string()});
    }
    // A commit of this tree, as branch main here and in the bare repository.
    std::string commit_tree(const std::string& tree) const {
        auto id = git({"commit-tree", "-m", "made by hand", tree});
        git({"update-ref", "refs/heads/main", id});
        push();
        return id;
    }

  private:
    std::filesystem::path work_;
    std::filesystem::path bare_;
};

// An entry of a raw tree object, whatever the name.
inline std::string tree_entry(std::string_view mode, std::string_view name,
                              std::string_view hex_id) {
    std::string entry(mode);
    entry.append(" ").append(name).push_back('\0');
    for (std::size_t i = 0; i + 1 < hex_id.size(); i += 2) {
        entry.push_back(
            static_cast<char>(std::stoi(std::string(hex_id.substr(i, 2)), nullptr, 16)));
    }
    return entry;
}

}  // namespace belay::test
