#include "local_import.hpp"

#include <belay/sys/unique_fd.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace belay::git {
namespace {

namespace fs = std::filesystem;

constexpr int kAlternatesDepth = 5;
constexpr int kTries = 3;

struct Source {
    Repository repository;
    std::vector<fs::path> object_directories;  // its own, then its alternates'
};

Failure unreadable(const fs::path& path, int error_number) {
    return failed(
        SourceReason::fetch_failed,
        fmt::format(
            "repository {}: {} (uid {}); its files and the directories above must be readable for "
            "this user",
            path.string(), std::generic_category().message(error_number), ::geteuid()));
}

// As git: the path itself, path/.git, path.git.
Outcome<fs::path> find_git_directory(const fs::path& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) < 0) {
        int error_number = errno;
        auto suffixed = fs::path(path.string() + ".git");
        if (::stat(suffixed.c_str(), &status) == 0) return suffixed;
        if (error_number == ENOENT) {
            return failed(SourceReason::fetch_failed,
                          fmt::format("repository {}: no such directory", path.string()));
        }
        return unreadable(path, error_number);
    }
    if (::access(path.c_str(), R_OK | X_OK) < 0) return unreadable(path, errno);
    return path;
}

Outcome<void> check_format(const fs::path& common) {
    Config config;
    if (::access((common / "config").c_str(), R_OK) < 0) return {};
    if (git_config_open_ondisk(config.out(), (common / "config").c_str()) < 0) return {};
    git_config_entry* entry = nullptr;
    bool sha256 = git_config_get_entry(&entry, config.get(), "extensions.objectformat") == 0 &&
                  std::string_view(entry->value) == "sha256";
    git_config_entry_free(entry);
    if (sha256) {
        return failed(SourceReason::sha256_repository_unsupported,
                      fmt::format("repository {} uses SHA-256 object ids, which are not supported",
                                  common.string()));
    }
    if (fs::exists(common / "shallow")) {
        return failed(SourceReason::fetch_failed,
                      fmt::format("repository {} is a shallow clone; make it whole: git -C {} "
                                  "fetch --unshallow",
                                  common.string(), common.string()));
    }
    return {};
}

// The directory of refs and objects: of a linked work tree, that of the main one.
fs::path common_directory(const fs::path& git_directory) {
    fs::path directory = git_directory;
    if (fs::is_directory(directory / ".git")) return directory / ".git";
    if (std::ifstream link(directory / ".git"); fs::is_regular_file(directory / ".git") && link) {
        std::string line;
        std::getline(link, line);
        if (line.starts_with("gitdir: "))
            directory = (git_directory / line.substr(8)).lexically_normal();
    }
    if (std::ifstream file(directory / "commondir"); file) {
        std::string line;
        std::getline(file, line);
        directory = (directory / line).lexically_normal();
    }
    return directory;
}

void add_alternates(const fs::path& objects, int depth, std::vector<fs::path>& found) {
    found.push_back(objects);
    std::ifstream file(objects / "info" / "alternates");
    for (std::string line; depth > 0 && std::getline(file, line);) {
        if (line.empty() || line.front() == '#') continue;
        auto path = (objects / line).lexically_normal();
        if (std::ranges::find(found, path) == found.end()) add_alternates(path, depth - 1, found);
    }
}

Outcome<Source> open_source(const fs::path& path) {
    auto git_directory = find_git_directory(path);
    if (!git_directory) return git_directory.error();
    auto common = common_directory(*git_directory);
    if (auto format = check_format(common); !format) return format.error();
    Source source;
    if (git_repository_open_ext(source.repository.out(), git_directory->c_str(),
                                GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr) < 0) {
        if (::access((common / "HEAD").c_str(), R_OK) < 0 && errno == EACCES)
            return unreadable(common / "HEAD", EACCES);
        return git_failed(SourceReason::fetch_failed, fmt::format("repository {}", path.string()));
    }
    add_alternates(common / "objects", kAlternatesDepth, source.object_directories);
    return source;
}

// Reflink where the file system can, else in the kernel.
bool copy_content(int from, int to) {
    while (true) {
        auto copied = ::copy_file_range(from, nullptr, to, nullptr, std::size_t{1} << 30U, 0);
        if (copied == 0) return true;
        if (copied < 0) break;
    }
    if (::lseek(from, 0, SEEK_SET) < 0 || ::ftruncate(to, 0) < 0 || ::lseek(to, 0, SEEK_SET) < 0)
        return false;
    std::vector<char> buffer(std::size_t{1} << 17U);
    while (true) {
        auto got = ::read(from, buffer.data(), buffer.size());
        if (got <= 0) return got == 0;
        for (ssize_t done = 0; done < got;) {
            auto wrote = ::write(to, buffer.data() + done, static_cast<std::size_t>(got - done));
            if (wrote < 0) return false;
            done += wrote;
        }
    }
}

// One object directory's missing files into the mirror's. A file that goes while we look (gc in the
// source) is told by `vanished`.
class Import {
  public:
    Import(fs::path to, Progress& progress) : to_(std::move(to)), progress_(progress) {}

    Outcome<void> all_of(const fs::path& from) {
        if (auto packs = packs_of(from / "pack"); !packs) return packs;
        return loose_of(from);
    }
    bool vanished() const { return vanished_; }

  private:
    Outcome<void> packs_of(const fs::path& from) {
        auto names = list(from);
        if (!names) return names.error();
        // The index last, as it is what makes a pack seen.
        for (std::string_view suffix : {".pack", ".idx"}) {
            for (const auto& name : *names) {
                if (!name.starts_with("pack-") || !name.ends_with(suffix)) continue;
                if (auto taken = take(from / name, to_ / "pack" / name); !taken) return taken;
            }
        }
        return {};
    }

    Outcome<void> loose_of(const fs::path& from) {
        auto folders = list(from);
        if (!folders) return folders.error();
        for (const auto& folder : *folders) {
            if (folder.size() != 2 ||
                folder.find_first_not_of("0123456789abcdef") != std::string::npos)
                continue;
            auto names = list(from / folder);
            if (!names) return names.error();
            if (!names->empty()) ::mkdir((to_ / folder).c_str(), 0755);
            for (const auto& name : *names) {
                if (name.size() != 38) continue;
                if (auto taken = take(from / folder / name, to_ / folder / name); !taken)
                    return taken;
            }
        }
        return {};
    }

    Outcome<std::vector<std::string>> list(const fs::path& directory) {
        std::error_code error;
        std::vector<std::string> names;
        for (fs::directory_iterator at(directory, error), end; at != end; at.increment(error)) {
            names.push_back(at->path().filename().string());
            if (error) break;
        }
        if (error && error != std::errc::no_such_file_or_directory)
            return unreadable(directory, error.value());
        return names;
    }

    Outcome<void> take(const fs::path& from, const fs::path& to) {
        if (::faccessat(AT_FDCWD, to.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return {};
        if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0 ||
            errno == EEXIST) {
            ++progress_.objects;
            return {};
        }
        return copy(from, to);
    }

    Outcome<void> copy(const fs::path& from, const fs::path& to) {
        sys::UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
        if (!source) {
            vanished_ = vanished_ || errno == ENOENT;
            return errno == ENOENT ? Outcome<void>() : unreadable(from, errno);
        }
        auto temporary = to_ / fmt::format("belay-import-{}", ::getpid());
        sys::UniqueFd target(
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0444));
        if (!target || !copy_content(source.get(), target.get()) ||
            ::rename(temporary.c_str(), to.c_str()) < 0) {
            return errno_failed(errno, fmt::format("copying {} to {}", from.string(), to.string()));
        }
        struct stat status{};
        if (::fstat(target.get(), &status) == 0)
            progress_.bytes += static_cast<std::uint64_t>(status.st_size);
        ++progress_.objects;
        return {};
    }

    fs::path to_;
    Progress& progress_;
    bool vanished_ = false;
};

bool exists_in_any(const std::vector<fs::path>& directories, const fs::path& relative) {
    return std::ranges::any_of(directories, [&](const fs::path& directory) {
        return ::faccessat(AT_FDCWD, (directory / relative).c_str(), F_OK, 0) == 0;
    });
}

}  // namespace

Outcome<RemoteRefs> import_local(const Mirror& mirror, const fs::path& path, Progress& progress) {
    progress.phase = Phase::importing;
    for (int attempt = 1;; ++attempt) {
        auto source = open_source(path);
        if (!source) return source.error();
        // Before the objects: whatever they name is then there, but for a gc in between, which
        // shows.
        auto refs = read_refs(source->repository.get());
        if (!refs) return refs.error();
        Import import(mirror.path() / "objects", progress);
        for (const auto& objects : source->object_directories) {
            if (auto done = import.all_of(objects); !done) return done.error();
        }
        if (!import.vanished()) return refs;
        if (attempt == kTries) {
            return failed_for_now(SourceReason::fetch_failed,
                                  fmt::format("repository {} is being repacked", path.string()));
        }
    }
}

Outcome<RemoteRefs> read_local_refs(const fs::path& path) {
    auto source = open_source(path);
    if (!source) return source.error();
    auto refs = read_refs(source->repository.get());
    if (!refs) return refs.error();
    for (auto& [name, ref] : *refs) {
        Object object;
        Object commit;
        if (git_object_lookup(object.out(), source->repository.get(), &ref.id, GIT_OBJECT_ANY) ==
                0 &&
            git_object_peel(commit.out(), object.get(), GIT_OBJECT_COMMIT) == 0) {
            ref.peeled = *git_object_id(commit.get());
        }
    }
    return refs;
}

void drop_what_source_dropped(const Mirror& mirror, const fs::path& path) {
    auto source = open_source(path);
    if (!source) return;
    auto objects = mirror.path() / "objects";
    std::error_code ignored;
    std::vector<fs::path> dropped;
    for (fs::recursive_directory_iterator at(objects, ignored), end; at != end;
         at.increment(ignored)) {
        auto relative = at->path().lexically_relative(objects);
        bool index = relative.extension() == ".idx";
        bool object =
            index || relative.extension() == ".pack" || relative.filename().string().size() == 38;
        if (!object || exists_in_any(source->object_directories, relative)) continue;
        // The index first, as it is what makes a pack seen.
        dropped.insert(index ? dropped.begin() : dropped.end(), at->path());
    }
    for (const auto& file : dropped)
        fs::remove(file, ignored);
}

}  // namespace belay::git
