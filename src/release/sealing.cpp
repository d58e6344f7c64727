#include "sealing.hpp"

#include "environment_file.hpp"
#include "manifest_file.hpp"

#include <belay/base/glob.hpp>
#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace belay::release {
namespace {

constexpr std::uint64_t kMaxListing = 512ull << 20;

bool lies_in(std::string_view path, std::string_view directory) {
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

// Untouched since: nobody but the kernel sets an inode's ctime.
bool same_inode(const Entry& a, const Entry& b) {
    return a.kind == b.kind && a.inode == b.inode && a.ctime_ns == b.ctime_ns && a.size == b.size &&
           a.mtime_ns == b.mtime_ns;
}

std::string cleaned(std::string name) {
    while (name.starts_with("./"))
        name.erase(0, 2);
    while (name.ends_with('/'))
        name.pop_back();
    return name;
}

Result<void> check_names(const char* key, std::vector<std::string>& names) {
    for (auto& name : names) {
        name = cleaned(name);
        if (!is_plain_path(name))
            return Error{Errc::invalid,
                         fmt::format("{}: \"{}\" is no path inside of the release", key, name)};
    }
    return {};
}

}  // namespace

std::string join_some(const std::vector<std::string>& names, std::size_t most) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < most; ++i)
        text += (i ? ", " : "") + names[i];
    if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
    return text;
}

Sealing::Sealing(const Layout& layout, ports::SealJob job, StepHook hook)
    : layout_(layout), job_(std::move(job)), hook_(std::move(hook)), ownership_(job_.users) {}

SealResult Sealing::run() {
    using Step = Result<void> (Sealing::*)();
    const std::pair<std::string_view, Step> steps[] = {
        {"open", &Sealing::open},
        {"mark", &Sealing::read_mark},
        {"undo_tests", &Sealing::undo_tests},
        {"ship", &Sealing::drop_unshipped},
        {"shared", &Sealing::link_shared},
        {"writable", &Sealing::make_writable},
        {"protect", &Sealing::protect},
        {"environments", &Sealing::write_environments},
        {"list", &Sealing::write_list},
        {"sync", &Sealing::sync},
        {"manifest", &Sealing::write_manifest},
    };
    for (const auto& [name, step] : steps) {
        if (hook_) hook_(name);
        if (auto done = (this->*step)(); !done) {
            auto reason = artifact_changed_                      ? domain::Reason::artifact_changed
                          : done.error().code == Errc::disk_full ? domain::Reason::disk_full
                                                                 : domain::Reason::seal_failed;
            return ports::SealFailure{reason, done.error()};
        }
    }
    return std::move(job_.manifest);
}

Result<void> Sealing::open() {
    if (auto done = check_names("shared", job_.shared); !done) return done;
    if (auto done = check_names("writable", job_.writable); !done) return done;
    auto& manifest = job_.manifest;
    manifest.directory = layout_.directory(manifest.app, manifest.number);
    if (::access(layout_.manifest(manifest.app, manifest.number).c_str(), F_OK) == 0)
        return Error{Errc::conflict, fmt::format("release {} is sealed already", manifest.number)};
    auto tree = Tree::open(manifest.directory);
    if (!tree) return tree.error();
    tree_.emplace(std::move(*tree));
    auto listing = scan(*tree_, Access::opened);
    if (!listing) return listing.error();
    listing_ = std::move(*listing);
    return {};
}

Result<void> Sealing::read_mark() {
    const auto& manifest = job_.manifest;
    auto file = job_.before_tests ? job_.before_tests->digest_file
                                  : layout_.mark(manifest.app, manifest.number);
    auto content = sys::read_file(file, kMaxListing);
    // Without tests it is only a store of hashes, which a copy leaves.
    if (!content && !job_.before_tests && content.error().code == Errc::not_found) return {};
    if (!content) return content.error();
    auto mark = decode_listing(*content);
    if (!mark) return prefixed(file, mark.error());
    mark_ = std::move(*mark);
    take_known_hashes();
    return {};
}

void Sealing::take_known_hashes() {
    for (auto& entry : listing_) {
        if (entry.hashed) continue;
        auto* before = find(mark_, entry.path);
        if (!before || !before->hashed || !same_inode(*before, entry)) continue;
        entry.hashed = true;
        entry.digest = before->digest;
    }
}

Result<void> Sealing::undo_tests() {
    if (!job_.before_tests) return {};
    std::vector<std::string> changed;
    Listing kept, added;
    for (auto& entry : listing_) {
        auto* before = find(mark_, entry.path);
        if (!before) {
            added.push_back(std::move(entry));
            continue;
        }
        if (!is_scratch(entry.path)) {
            auto same = is_same(*before, entry);
            if (!same) return same.error();
            if (!*same) changed.push_back(entry.path + " (changed)");
        }
        kept.push_back(std::move(entry));
    }
    for (const auto& before : mark_)
        if (!is_scratch(before.path) && !find(kept, before.path))
            changed.push_back(before.path + " (removed)");
    if (!changed.empty()) {
        artifact_changed_ = true;
        return Error{Errc::conflict, "the tests changed what was built: " + join_some(changed)};
    }
    for (auto entry = added.rbegin(); entry != added.rend(); ++entry)
        if (auto done = tree_->remove(*entry); !done) return done;
    listing_ = std::move(kept);
    return {};
}

// The same content written again, or only touched, is no change.
Result<bool> Sealing::is_same(const Entry& before, Entry& now) {
    if (before.kind != now.kind) return false;
    if (now.kind == Kind::directory) return true;
    if (before.mode != now.mode || before.size != now.size) return false;
    if (now.kind == Kind::file && !now.hashed) {
        auto file = tree_->open_file(now.path);
        if (!file) return file.error();
        auto digest = digest_of_file(file->get());
        if (!digest) return prefixed(now.path, digest.error());
        now.digest = *digest;
        now.hashed = true;
    }
    return before.digest == now.digest;
}

Result<void> Sealing::drop_unshipped() {
    PathPatterns shipping(job_.ship);
    std::set<std::string, std::less<>> needed;  // directories above something that is shipped
    Listing kept;
    // From the end, so that a directory comes after what it holds.
    for (auto entry = listing_.rbegin(); entry != listing_.rend(); ++entry) {
        if (needed.contains(entry->path) || shipping.takes(entry->path)) {
            for (auto parent = split_path(entry->path).first; !parent.empty();
                 parent = split_path(parent).first)
                if (!needed.emplace(parent).second) break;
            kept.push_back(std::move(*entry));
        } else if (auto done = tree_->remove(*entry); !done) {
            return done;
        }
    }
    std::reverse(kept.begin(), kept.end());
    listing_ = std::move(kept);
    return refuse_specials();
}

Result<void> Sealing::refuse_specials() const {
    std::vector<std::string> refused;
    for (const auto& entry : listing_)
        if (entry.kind == Kind::other && !is_scratch(entry.path)) refused.push_back(entry.path);
    if (refused.empty()) return {};
    return Error{Errc::invalid,
                 "devices, FIFOs and sockets can't be part of a release: " + join_some(refused)};
}

bool Sealing::is_scratch(std::string_view path) const {
    auto holds = [&](const std::string& directory) { return lies_in(path, directory); };
    return std::any_of(job_.writable.begin(), job_.writable.end(), holds) ||
           std::any_of(job_.shared.begin(), job_.shared.end(), holds);
}

Result<void> Sealing::link_shared() {
    if (job_.shared.empty()) return {};
    auto shared = Tree::open(layout_.shared(job_.manifest.app));
    if (!shared) return prefixed("shared", shared.error());
    for (const auto& name : job_.shared)
        if (auto done = link_one(*shared, name); !done)
            return prefixed("shared " + name, done.error());
    return {};
}

Result<void> Sealing::link_one(Tree& shared, const std::string& name) {
    auto there = shared.status(name);
    if (!there && there.error().code != Errc::not_found) return there.error();
    auto own = tree_->status(name);
    if (!own && own.error().code != Errc::not_found) return own.error();
    if (!there) {
        auto done = own && (S_ISDIR(own->st_mode) || S_ISREG(own->st_mode))
                        ? seed(shared, name)
                        : make_shared(shared, name);
        if (!done) return done;
    }
    if (own)
        if (auto done = tree_->remove_all(name); !done) return done;
    auto [parent, leaf] = split_path(name);
    auto directory = tree_->make_directories(parent, 0755);
    if (!directory) return directory.error();
    auto target = layout_.shared(job_.manifest.app) + "/" + name;
    if (::symlinkat(target.c_str(), *directory, std::string(leaf).c_str()) != 0)
        return errno_error(errno, "linking");
    return {};
}

// The first release that has it gives its own content.
Result<void> Sealing::seed(Tree& shared, const std::string& name) {
    // Given away here, where the run user has no access yet, so that nothing can be swapped
    // meanwhile.
    if (auto done = ownership_.give_to_run(*tree_, name); !done) return done;
    auto [parent, leaf] = split_path(name);
    if (auto done = make_shared(shared, std::string(parent)); !done) return done;
    auto to = shared.directory(parent);
    if (!to) return to.error();
    auto from = tree_->directory(parent);
    if (!from) return from.error();
    auto file = std::string(leaf);
    if (::renameat2(*from, file.c_str(), *to, file.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno == EXDEV)
        return Error{
            Errc::invalid,
            fmt::format("{} lies on another file system: put the first content there by hand",
                        layout_.shared(job_.manifest.app))};
    return errno_error(errno, "moving it to the shared directory");
}

Result<void> Sealing::make_shared(Tree& shared, const std::string& name) {
    for (std::size_t end = 0; end != name.npos && !name.empty();) {
        end = name.find('/', end + 1);
        auto part = name.substr(0, end);
        if (shared.directory(part)) continue;
        auto made = shared.make_directories(part, 0750);
        if (!made) return made.error();
        if (auto done = ownership_.to_run(*made); !done) return done;
    }
    return {};
}

Result<void> Sealing::make_writable() {
    for (const auto& name : job_.writable) {
        auto status = tree_->status(name);
        if (!status && status.error().code != Errc::not_found)
            return prefixed("writable " + name, status.error());
        if (status && S_ISLNK(status->st_mode)) {
            if (std::find(job_.shared.begin(), job_.shared.end(), name) != job_.shared.end())
                continue;
            return Error{Errc::invalid, "writable " + name + ": it is a symbolic link"};
        }
        if (!status) {
            auto made = tree_->make_directories(name, 0750);
            if (!made) return prefixed("writable " + name, made.error());
        }
        if (auto done = ownership_.give_to_run(*tree_, name); !done)
            return prefixed("writable " + name, done.error());
    }
    return {};
}

Result<void> Sealing::protect() {
    auto known = std::move(listing_);
    auto listing = scan(*tree_, Access::opened, [&](const std::string& path) {
        return std::find(job_.writable.begin(), job_.writable.end(), path) != job_.writable.end();
    });
    if (!listing) return listing.error();
    listing_ = std::move(*listing);
    mark_ = std::move(known);
    take_known_hashes();
    for (auto& entry : listing_)
        if (entry.kind != Kind::link && std::find(job_.writable.begin(), job_.writable.end(),
                                                  entry.path) != job_.writable.end())
            entry.kind = Kind::scratch;
    auto done = for_each_file(
        *tree_, listing_, [this](Tree& tree, Entry& entry) { return protect_file(tree, entry); });
    if (!done) return done;
    return protect_directories();
}

Result<void> Sealing::protect_file(Tree& tree, Entry& entry) const {
    if (auto done = cut_links(tree, entry); !done) return done;
    auto file = tree.open_file(entry.path);
    if (!file) return file.error();
    struct stat status{};
    if (::fstat(file->get(), &status) != 0) return errno_error(errno, "looking at " + entry.path);
    if (status.st_ino != entry.inode || status.st_nlink > 1)
        return Error{Errc::conflict, entry.path + " was replaced while it was sealed"};
    // Closed to others first, then read.
    if (auto done = ownership_.to_us(file->get()); !done) return prefixed(entry.path, done.error());
    entry.mode = ownership_.sealed_mode(entry.mode);
    if (::fchmod(file->get(), entry.mode) != 0)
        return errno_error(errno, "taking write bits from " + entry.path);
    if (entry.hashed) return {};
    auto digest = digest_of_file(file->get());
    if (!digest) return prefixed(entry.path, digest.error());
    entry.digest = *digest;
    entry.hashed = true;
    return {};
}

Result<void> Sealing::protect_directories() {
    for (auto entry = listing_.rbegin(); entry != listing_.rend(); ++entry) {
        if (entry->kind == Kind::link) {
            auto [parent, name] = split_path(entry->path);
            auto directory = tree_->directory(parent);
            if (!directory) return directory.error();
            if (auto done = ownership_.link_to_us(*directory, std::string(name)); !done)
                return done;
        } else if (entry->kind == Kind::directory) {
            auto directory = tree_->directory(entry->path);
            if (!directory) return directory.error();
            if (auto done = ownership_.to_us(*directory); !done)
                return prefixed(entry->path, done.error());
            ::fchmod(*directory, 0550);
        }
    }
    if (auto done = ownership_.to_us(tree_->root()); !done) return done;
    ::fchmod(tree_->root(), 0550);
    return {};
}

Result<void> Sealing::sync() {
    // Once for the whole file system: fsync of every file takes twenty times as long.
    if (::syncfs(tree_->root()) != 0)
        return errno_error(errno, "syncing " + job_.manifest.directory);
    return {};
}

Result<void> Sealing::write_environments() {
    const auto& manifest = job_.manifest;
    auto directory = layout_.secrets(manifest.app, manifest.number);
    if (auto done = sys::make_directories(directory, 0700); !done) return done;
    for (const auto& [process, variables] : job_.environments) {
        if (!is_plain_path(process) || process.find('/') != process.npos)
            return Error{Errc::invalid, "\"" + process + "\" is no process name"};
        auto content = encode_environment(variables);
        if (!content) return prefixed("environment of " + process, content.error());
        auto file = layout_.environment(manifest.app, manifest.number, process);
        if (auto done = sys::write_file(file, *content, 0600, false); !done) return done;
    }
    return {};
}

Result<void> Sealing::write_list() {
    auto& manifest = job_.manifest;
    manifest.bytes = 0;
    manifest.files = 0;
    for (auto& entry : listing_) {
        entry.inode = 0;  // a restored copy has others
        entry.ctime_ns = 0;
        if (entry.kind != Kind::file) continue;
        manifest.bytes += static_cast<std::int64_t>(entry.size);
        ++manifest.files;
    }
    auto list = encode(listing_);
    list_digest_ = digest_of(list);
    return sys::write_file(layout_.listing(manifest.app, manifest.number), list, 0600, false);
}

Result<void> Sealing::write_manifest() {
    auto& manifest = job_.manifest;
    manifest.schema = manifest.needed_schema();
    manifest.sealed_at = std::chrono::floor<Millis>(std::chrono::system_clock::now());
    auto json = encode(SealedManifest{manifest, list_digest_});
    auto file = layout_.manifest(manifest.app, manifest.number);
    if (auto done = sys::write_file(file, json, 0600); !done) return done;
    ::unlink(layout_.mark(manifest.app, manifest.number).c_str());
    return {};
}

}  // namespace belay::release
