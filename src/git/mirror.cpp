#include "mirror.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <vector>

namespace belay::git {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = "belay.lock";
constexpr const char* kBrokenName = "broken";

bool lock(int fd, int kind) {
    while (::flock(fd, kind) < 0) {
        if (errno != EINTR) return false;
    }
    return true;
}

template <class Iterator>
void remove_all_of(const fs::path& directory, std::string_view prefix, std::string_view suffix) {
    std::error_code ignored;
    std::vector<fs::path> found;
    for (Iterator at(directory, ignored), end; at != end; at.increment(ignored)) {
        auto name = at->path().filename().string();
        if (name.starts_with(prefix) && name.ends_with(suffix)) found.push_back(at->path());
    }
    for (const auto& file : found)
        fs::remove(file, ignored);
}

// Every ref leads to an object that is there: cheap, and what a lost or cut pack shows up by.
bool refs_resolve(git_repository* repository) {
    auto refs = read_refs(repository);
    Odb odb;
    if (!refs || git_repository_odb(odb.out(), repository) < 0) return false;
    for (const auto& [name, ref] : *refs) {
        if (git_odb_exists(odb.get(), &ref.id) == 0) return false;
    }
    return true;
}

Outcome<void> read_ref(git_reference* reference, RemoteRefs& refs) {
    std::string name = git_reference_name(reference);
    if (!name.starts_with("refs/heads/") && !name.starts_with("refs/tags/")) return {};
    Reference direct;
    if (git_reference_resolve(direct.out(), reference) < 0) return {};  // a symbolic one to nowhere
    refs[name].id = *git_reference_target(direct.get());
    return {};
}

}  // namespace

Outcome<RemoteRefs> read_refs(git_repository* repository) {
    ReferenceIterator iterator;
    if (git_reference_iterator_new(iterator.out(), repository) < 0) {
        return git_failed(SourceReason::fetch_failed, "reading references");
    }
    RemoteRefs refs;
    while (true) {
        Reference reference;
        int next = git_reference_next(reference.out(), iterator.get());
        if (next == GIT_ITEROVER) return refs;
        if (next < 0) return git_failed(SourceReason::fetch_failed, "reading references");
        if (auto read = read_ref(reference.get(), refs); !read) return read.error();
    }
}

Outcome<Mirror> Mirror::open_for_writing(fs::path path, bool fresh, Progress& progress) {
    Mirror mirror(std::move(path));
    if (::mkdir(mirror.path_.c_str(), 0755) < 0 && errno != EEXIST) {
        return errno_failed(errno, fmt::format("creating the mirror {}", mirror.path_.string()));
    }
    auto lock_path = mirror.path_ / kLockName;
    mirror.lock_ =
        sys::UniqueFd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!mirror.lock_) return errno_failed(errno, fmt::format("opening {}", lock_path.string()));
    progress.phase = Phase::waiting_for_lock;
    if (!lock(mirror.lock_.get(), LOCK_EX | LOCK_NB)) {
        say("waiting for another job on this mirror");
        if (!lock(mirror.lock_.get(), LOCK_EX)) return errno_failed(errno, "locking the mirror");
    }
    if (!fs::exists(mirror.path_ / "HEAD")) {
        auto created = mirror.create();
        return created ? Outcome<Mirror>(std::move(mirror)) : Outcome<Mirror>(created.error());
    }
    mirror.remove_leftovers();
    Outcome<void> opened = fresh ? damaged("objects that can't be read") : mirror.open();
    if (opened && !refs_resolve(mirror.repository()))
        opened = damaged("references to objects that are gone");
    if (!opened) opened = mirror.reset(opened.error().error.message);
    return opened ? Outcome<Mirror>(std::move(mirror)) : Outcome<Mirror>(opened.error());
}

Outcome<Mirror> Mirror::open_for_reading(fs::path path) {
    Mirror mirror(std::move(path));
    mirror.lock_ = sys::UniqueFd(
        ::open((mirror.path_ / kLockName).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (mirror.lock_ && !lock(mirror.lock_.get(), LOCK_SH))
        return errno_failed(errno, "locking the mirror");
    if (auto opened = mirror.open(); !opened) return opened.error();
    return mirror;
}

Outcome<void> Mirror::create() {
    git_repository_init_options options = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
    if (git_repository_init_ext(repository_.out(), path_.c_str(), &options) < 0) {
        return git_failed(SourceReason::internal,
                          fmt::format("creating the mirror {}", path_.string()));
    }
    return {};
}

Outcome<void> Mirror::open() {
    if (::access(path_.c_str(), R_OK | X_OK) != 0) {
        return errno_failed(errno, fmt::format("opening the mirror {}", path_.string()));
    }
    if (git_repository_open_bare(repository_.out(), path_.c_str()) < 0)
        return damaged(git_message());
    Config config;
    if (git_repository_config(config.out(), repository_.get()) < 0) return damaged(git_message());
    return {};
}

// Only ever called under the exclusive lock, so whoever made these is dead.
void Mirror::remove_leftovers() const {
    remove_all_of<fs::directory_iterator>(path_ / "objects" / "pack", "pack_git2_", "");
    remove_all_of<fs::directory_iterator>(path_ / "objects", "belay-import-", "");
    remove_all_of<fs::recursive_directory_iterator>(path_ / "refs", "", ".lock");
    std::error_code ignored;
    for (const auto* name : {"packed-refs.lock", "HEAD.lock", "config.lock"})
        fs::remove(path_ / name, ignored);
}

Outcome<void> Mirror::reset(std::string_view why) {
    say(fmt::format("the mirror {} is made anew: {}", path_.string(), why));
    repository_.reset();
    std::error_code error;
    auto broken = path_ / kBrokenName;
    fs::remove_all(broken, error);
    fs::create_directory(broken, error);
    std::vector<fs::path> entries;
    for (fs::directory_iterator at(path_, error), end; at != end; at.increment(error))
        entries.push_back(at->path());
    for (const auto& entry : entries) {
        if (entry.filename() == kLockName || entry.filename() == kBrokenName) continue;
        fs::rename(entry, broken / entry.filename(), error);
        if (error)
            return errno_failed(error.value(), fmt::format("moving {} aside", entry.string()));
    }
    return create();
}

void Mirror::forget_broken() const {
    std::error_code ignored;
    fs::remove_all(path_ / kBrokenName, ignored);
}

Outcome<void> Mirror::set_refs(const RemoteRefs& wanted) const {
    auto present = read_refs(repository());
    if (!present) return present.error();
    for (const auto& [name, ref] : *present) {
        if (!wanted.contains(name) && git_reference_remove(repository(), name.c_str()) < 0) {
            return git_failed(SourceReason::fetch_failed, fmt::format("deleting {}", shown(name)));
        }
    }
    for (const auto& [name, ref] : wanted) {
        auto old = present->find(name);
        if (old != present->end() && git_oid_equal(&old->second.id, &ref.id) != 0) continue;
        Reference reference;
        if (git_reference_create(reference.out(), repository(), name.c_str(), &ref.id, 1, nullptr) <
            0) {
            return git_failed(SourceReason::fetch_failed, fmt::format("setting {}", shown(name)));
        }
    }
    return {};
}

}  // namespace belay::git
