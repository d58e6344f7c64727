#include "environment_file.hpp"
#include "layout.hpp"
#include "manifest_file.hpp"
#include "ownership.hpp"
#include "sealing.hpp"
#include "tree.hpp"

#include <belay/async/offload.hpp>
#include <belay/release/releases.hpp>
#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <fcntl.h>
#include <set>
#include <string_view>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>

namespace belay::release {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxListing = 512ull << 20;
// Parents that a stranger may cross but not list.
constexpr mode_t kCrossable = 0711;
constexpr std::uint64_t kInodeReserve = 10'000;

Result<void> exists_not(const std::string& path, std::string_view what) {
    if (::access(path.c_str(), F_OK) == 0) return Error{Errc::conflict, std::string(what)};
    return {};
}

// "12" and "12.json" -> 12; 0: neither.
ReleaseNumber number_of(std::string_view name) {
    if (name.ends_with(".json")) name.remove_suffix(5);
    ReleaseNumber number = 0;
    auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
    bool whole = failure == std::errc() && end == name.data() + name.size();
    return whole && number > 0 && name.front() != '0' && name.front() != '-' ? number : 0;
}

class DiskReleases : public ports::Releases {
  public:
    explicit DiskReleases(ReleasesOptions options) : layout_(std::move(options.state_dir)) {}
    ~DiskReleases() override { pool_.join(); }

    std::string directory(const std::string& app, ReleaseNumber number) const override {
        return layout_.directory(app, number);
    }

    Task<Result<std::string>> prepare(std::string app, ReleaseNumber number,
                                      domain::AppUsers users) override {
        auto work = [this, app, number, users] { return prepare_now(app, number, users); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<void>> copy(std::string app, ReleaseNumber from, ReleaseNumber to,
                            domain::AppUsers users) override {
        auto work = [this, app, from, to, users] { return copy_now(app, from, to, users); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<ports::TreeMark>> mark(std::string app, ReleaseNumber number) override {
        auto work = [this, app, number] { return mark_now(app, number); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<SealResult> seal(ports::SealJob job) override {
        auto work = [this, job = std::move(job)]() mutable {
            return Sealing(layout_, std::move(job)).run();
        };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<std::optional<domain::Manifest>>> manifest(std::string app,
                                                           ReleaseNumber number) override {
        auto work = [this, app, number] { return manifest_now(app, number); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<void>> verify(std::string app, ReleaseNumber number, ports::Check check) override {
        auto work = [this, app, number, check] { return verify_now(app, number, check); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<std::vector<ReleaseNumber>>> list(std::string app) override {
        auto work = [this, app] { return list_now(app); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<void>> remove(std::string app, ReleaseNumber number) override {
        auto work = [this, app, number] { return remove_now(app, number); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<void>> set_current(std::string app, ReleaseNumber number) override {
        auto work = [this, app, number] { return set_current_now(app, number); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<void>> write_live(domain::LiveManifest live) override {
        auto work = [this, live = std::move(live)] { return write_live_now(live); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<void>> remove_live(std::string app) override {
        auto work = [this, app] { return remove_live_now(app); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<std::pair<std::vector<domain::LiveManifest>, std::vector<Error>>>> read_live()
        override {
        auto work = [this] { return read_live_now(); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<Variables>> environment(std::string app, ReleaseNumber number,
                                        std::string process) override {
        auto work = [this, app, number, process] { return environment_now(app, number, process); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<std::string>> shared_directory(std::string app, domain::AppUsers users) override {
        auto work = [this, app, users] { return shared_now(app, users); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Task<Result<std::string>> home(std::string app, std::string kind,
                                   domain::AppUsers users) override {
        auto work = [this, app, kind, users] { return home_now(app, kind, users); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Result<std::string> log_directory(const std::string& app, const std::string& name) override;
    Task<Result<void>> purge(std::string app) override {
        auto work = [this, app] { return purge_now(app); };
        co_return co_await async::offload(pool_, std::move(work));
    }
    Result<void> check_free(std::uint64_t reserve) const override;

  private:
    Result<std::string> prepare_now(const std::string& app, ReleaseNumber number,
                                    const domain::AppUsers& users) const;
    Result<void> clear(const std::string& app, ReleaseNumber number) const;
    Result<void> copy_now(const std::string& app, ReleaseNumber from, ReleaseNumber to,
                          const domain::AppUsers& users) const;
    Result<void> copy_entry(const std::string& app, Tree& from, Tree& to, Entry& entry) const;
    Result<ports::TreeMark> mark_now(const std::string& app, ReleaseNumber number) const;
    Result<std::optional<domain::Manifest>> manifest_now(const std::string& app,
                                                         ReleaseNumber number) const;
    Result<Listing> sealed_listing(const std::string& app, ReleaseNumber number) const;
    Result<void> verify_now(const std::string& app, ReleaseNumber number, ports::Check check) const;
    Result<std::vector<ReleaseNumber>> list_now(const std::string& app) const;
    Result<void> remove_now(const std::string& app, ReleaseNumber number) const;
    Result<void> set_current_now(const std::string& app, ReleaseNumber number) const;
    Result<void> write_live_now(const domain::LiveManifest& live) const;
    Result<void> remove_live_now(const std::string& app) const;
    Result<std::pair<std::vector<domain::LiveManifest>, std::vector<Error>>> read_live_now() const;
    Result<Variables> environment_now(const std::string& app, ReleaseNumber number,
                                      const std::string& process) const;
    Result<std::string> shared_now(const std::string& app, const domain::AppUsers& users) const;
    Result<std::string> home_now(const std::string& app, const std::string& kind,
                                 const domain::AppUsers& users) const;
    Result<void> purge_now(const std::string& app) const;

    Layout layout_;
    // Two, so that one app's long seal doesn't hold up another's switch.
    boost::asio::thread_pool pool_{2};
};

// What `current` points to; 0 where it doesn't, or is no link.
ReleaseNumber current_of(const std::string& releases) {
    std::error_code failure;
    auto target = fs::read_symlink(releases + "/current", failure);
    return failure ? 0 : number_of(target.string());
}

Result<std::string> DiskReleases::prepare_now(const std::string& app, ReleaseNumber number,
                                              const domain::AppUsers& users) const {
    auto sealed = fmt::format("release {} of {} is sealed: it is not built again", number, app);
    if (auto done = exists_not(layout_.manifest(app, number), sealed); !done) return done.error();
    if (auto done = clear(app, number); !done) return done.error();
    if (auto done = sys::make_directories(layout_.state() + "/releases", kCrossable); !done)
        return done.error();
    Ownership ownership(users);
    if (auto done = sys::make_directories(layout_.releases(app), users.separate() ? 0750 : 0700);
        !done)
        return done.error();
    auto parent = open_directory(layout_.releases(app));
    if (!parent) return parent.error();
    if (auto done = ownership.to_us(parent->get()); !done)
        return prefixed(layout_.releases(app), done.error());
    auto made = make_directory_at(parent->get(), std::to_string(number), 0700);
    if (!made) return prefixed(layout_.releases(app), made.error());
    if (auto done = ownership.to_build(made->get()); !done)
        return prefixed(directory(app, number), done.error());
    if (users.separate()) ::fchmod(made->get(), 0750);
    return directory(app, number);
}

// What an attempt that never got its manifest left behind.
Result<void> DiskReleases::clear(const std::string& app, ReleaseNumber number) const {
    for (const auto& path : {directory(app, number), layout_.listing(app, number),
                             layout_.mark(app, number), layout_.secrets(app, number)})
        if (auto done = sys::remove_tree(path); !done) return done;
    return {};
}

Result<ports::TreeMark> DiskReleases::mark_now(const std::string& app, ReleaseNumber number) const {
    auto tree = Tree::open(directory(app, number));
    if (!tree) return tree.error();
    auto listing = scan(*tree, Access::opened);
    if (!listing) return listing.error();
    std::int64_t newest = 0;
    for (const auto& entry : *listing)
        newest = std::max(newest, entry.ctime_ns);
    if (auto done = hash_files(*tree, *listing); !done) return done.error();
    // Times have the grain of the kernel's tick: a change within the same one as the last would go
    // unseen.
    constexpr std::chrono::nanoseconds kTick = std::chrono::milliseconds(10);
    auto now = std::chrono::system_clock::now().time_since_epoch();
    auto wait = std::chrono::nanoseconds(newest) + kTick - now;
    if (wait > wait.zero() && wait <= kTick) std::this_thread::sleep_for(wait);
    auto file = layout_.mark(app, number);
    if (auto done = sys::write_file(file, encode(*listing), 0600, false); !done)
        return done.error();
    return ports::TreeMark{file};
}

Result<void> DiskReleases::copy_now(const std::string& app, ReleaseNumber from, ReleaseNumber to,
                                    const domain::AppUsers& users) const {
    auto listing = sealed_listing(app, from);
    if (!listing) return listing.error();
    auto source = Tree::open(directory(app, from));
    if (!source) return source.error();
    auto target = Tree::open(directory(app, to));
    if (!target) return target.error();
    // From now on no build writes here.
    if (auto done = Ownership(users).to_us(target->root()); !done) return done;
    for (auto& entry : *listing)
        if (auto done = copy_entry(app, *source, *target, entry); !done)
            return prefixed(entry.path, done.error());
    // The content is the same, so its hashes are: the seal finds them here.
    std::erase_if(*listing, [](const Entry& entry) { return entry.kind != Kind::file; });
    return sys::write_file(layout_.mark(app, to), encode(*listing), 0600, false);
}

Result<void> DiskReleases::copy_entry(const std::string& app, Tree& from, Tree& to,
                                      Entry& entry) const {
    auto [parent, leaf] = split_path(entry.path);
    auto name = std::string(leaf);
    auto directory = to.directory(parent);
    if (!directory) return directory.error();
    if (entry.kind == Kind::link) {
        auto target = from.read_link(entry.path);
        if (!target) return target.error();
        // The seal makes these anew, from the present configuration.
        if (target->starts_with(layout_.shared(app) + "/")) return {};
        if (::symlinkat(target->c_str(), *directory, name.c_str()) != 0)
            return errno_error(errno, "linking");
        return {};
    }
    if (entry.kind != Kind::file) {
        // What an app wrote into its scratch was not tested: it begins empty.
        auto made = make_directory_at(*directory, name, 0700);
        return made ? Result<void>() : made.error();
    }
    auto source = from.open_file(entry.path);
    if (!source) return source.error();
    sys::UniqueFd copy(::openat(*directory, name.c_str(),
                                O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!copy) return errno_error(errno, "creating");
    if (auto done = copy_content(source->get(), copy.get()); !done) return done;
    const struct timespec times[2] = {
        {0, UTIME_NOW}, {entry.mtime_ns / 1'000'000'000, entry.mtime_ns % 1'000'000'000}};
    ::fchmod(copy.get(), entry.mode | 0600);
    ::futimens(copy.get(), times);
    struct stat status{};
    if (::fstat(copy.get(), &status) != 0) return errno_error(errno, "looking at the copy");
    auto digest = entry.digest;
    auto size = entry.size;
    entry = entry_of(entry.path, status);
    if (entry.size != size) return Error{Errc::conflict, "it is no longer what was sealed"};
    entry.hashed = true;
    entry.digest = digest;
    return {};
}

Result<std::optional<domain::Manifest>> DiskReleases::manifest_now(const std::string& app,
                                                                   ReleaseNumber number) const {
    auto file = layout_.manifest(app, number);
    auto content = sys::read_file(file);
    if (!content && content.error().code == Errc::not_found)
        return std::optional<domain::Manifest>();
    if (!content) return content.error();
    auto manifest = decode_manifest(*content);
    if (!manifest) return prefixed(file, manifest.error());
    return std::optional(std::move(*manifest));
}

Result<Listing> DiskReleases::sealed_listing(const std::string& app, ReleaseNumber number) const {
    auto file = layout_.manifest(app, number);
    auto json = sys::read_file(file);
    if (!json) return json.error();
    auto sealed = decode_sealed(*json);
    if (!sealed) return prefixed(file, sealed.error());
    auto list = layout_.listing(app, number);
    auto content = sys::read_file(list, kMaxListing);
    if (!content) return content.error();
    if (digest_of(*content) != sealed->list)
        return Error{Errc::conflict, list + " is not the list that was sealed"};
    auto listing = decode_listing(*content);
    if (!listing) return prefixed(list, listing.error());
    return listing;
}

std::vector<std::string> differences(const Listing& sealed, const Listing& present) {
    std::vector<std::string> found;
    auto is_changed = [](const Entry& a, const Entry& b) {
        if (a.kind == Kind::scratch) return false;
        if (a.kind != b.kind) return true;
        if (a.kind == Kind::link) return a.digest != b.digest;
        if (a.kind != Kind::file) return false;
        return a.mode != b.mode || a.size != b.size || a.mtime_ns != b.mtime_ns ||
               (b.hashed && a.digest != b.digest);
    };
    for (const auto& entry : sealed) {
        auto* now = find(present, entry.path);
        if (!now)
            found.push_back(entry.path + " (missing)");
        else if (is_changed(entry, *now))
            found.push_back(entry.path + " (changed)");
    }
    for (const auto& entry : present)
        if (!find(sealed, entry.path)) found.push_back(entry.path + " (added)");
    return found;
}

Result<void> DiskReleases::verify_now(const std::string& app, ReleaseNumber number,
                                      ports::Check check) const {
    auto sealed = sealed_listing(app, number);
    if (!sealed) return sealed.error();
    auto tree = Tree::open(directory(app, number));
    if (!tree) {
        if (tree.error().code != Errc::not_found) return tree.error();
        return Error{Errc::conflict, directory(app, number) + " is gone"};
    }
    auto present = scan(*tree, Access::as_it_is, [&](const std::string& path) {
        auto* entry = find(*sealed, path);
        return entry && entry->kind == Kind::scratch;
    });
    if (!present) return present.error();
    auto found = differences(*sealed, *present);
    if (found.empty() && check == ports::Check::full) {
        if (auto done = hash_files(*tree, *present); !done) return done;
        found = differences(*sealed, *present);
    }
    if (found.empty()) return {};
    return Error{Errc::conflict, fmt::format("release {} of {} is not what was sealed: {}", number,
                                             app, join_some(found))};
}

Result<std::vector<ReleaseNumber>> DiskReleases::list_now(const std::string& app) const {
    std::set<ReleaseNumber> numbers;
    std::error_code failure;
    fs::directory_iterator at(layout_.releases(app), failure);
    if (failure && failure != std::errc::no_such_file_or_directory)
        return errno_error(failure.value(), "reading " + layout_.releases(app));
    for (; !failure && at != fs::directory_iterator(); at.increment(failure))
        if (auto number = number_of(at->path().filename().string())) numbers.insert(number);
    if (failure && failure != std::errc::no_such_file_or_directory)
        return errno_error(failure.value(), "reading " + layout_.releases(app));
    return std::vector<ReleaseNumber>(numbers.begin(), numbers.end());
}

Result<void> DiskReleases::remove_now(const std::string& app, ReleaseNumber number) const {
    if (current_of(layout_.releases(app)) == number)
        return Error{Errc::conflict,
                     fmt::format("release {} of {} is the current one", number, app)};
    // The manifest first: what is left after a crash is no release.
    if (::unlink(layout_.manifest(app, number).c_str()) == 0) {
        if (auto done = sys::fsync_dir(layout_.releases(app)); !done) return done;
    } else if (errno != ENOENT) {
        return errno_error(errno, "removing " + layout_.manifest(app, number));
    }
    return clear(app, number);
}

Result<void> DiskReleases::set_current_now(const std::string& app, ReleaseNumber number) const {
    auto releases = layout_.releases(app);
    auto link = releases + "/current";
    if (number == 0) {
        if (::unlink(link.c_str()) != 0 && errno != ENOENT)
            return errno_error(errno, "removing " + link);
        if (::access(releases.c_str(), F_OK) != 0) return {};
        return sys::fsync_dir(releases);
    }
    auto next = releases + "/.current";
    ::unlink(next.c_str());
    if (::symlink(std::to_string(number).c_str(), next.c_str()) != 0)
        return errno_error(errno, "making " + next);
    if (::rename(next.c_str(), link.c_str()) != 0) return errno_error(errno, "replacing " + link);
    return sys::fsync_dir(releases);
}

Result<void> DiskReleases::write_live_now(const domain::LiveManifest& live) const {
    if (auto done = sys::make_directories(layout_.live(), 0700); !done) return done;
    return sys::write_file(layout_.live(live.app), encode(live), 0600);
}

Result<void> DiskReleases::remove_live_now(const std::string& app) const {
    auto file = layout_.live(app);
    if (::unlink(file.c_str()) == 0) return sys::fsync_dir(layout_.live());
    if (errno == ENOENT) return {};
    return errno_error(errno, "removing " + file);
}

Result<std::pair<std::vector<domain::LiveManifest>, std::vector<Error>>>
DiskReleases::read_live_now() const {
    std::pair<std::vector<domain::LiveManifest>, std::vector<Error>> found;
    std::vector<fs::path> files;
    std::error_code failure;
    for (fs::directory_iterator at(layout_.live(), failure);
         !failure && at != fs::directory_iterator(); at.increment(failure))
        if (at->path().extension() == ".json" && !at->path().filename().string().starts_with('.'))
            files.push_back(at->path());
    if (failure && failure != std::errc::no_such_file_or_directory)
        return errno_error(failure.value(), "reading " + layout_.live());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        auto content = sys::read_file(file);
        auto live = content ? decode_live(*content) : Result<domain::LiveManifest>(content.error());
        if (live && live->app != file.stem().string())
            live = Error{Errc::invalid, fmt::format("it speaks of the app \"{}\"", live->app)};
        if (live)
            found.first.push_back(std::move(*live));
        else
            found.second.push_back(prefixed(file.string(), live.error()));
    }
    return found;
}

Result<Variables> DiskReleases::environment_now(const std::string& app, ReleaseNumber number,
                                                const std::string& process) const {
    if (!is_plain_path(process) || process.find('/') != process.npos)
        return Error{Errc::invalid, "\"" + process + "\" is no process name"};
    auto file = layout_.environment(app, number, process);
    auto content = sys::read_file(file);
    if (!content) return content.error();
    auto variables = decode_environment(*content);
    if (!variables) return prefixed(file, variables.error());
    return variables;
}

// What a release before holds there goes on being its own: it may be live, and be so again.
Result<void> may_take(int directory, const std::string& path, const domain::AppUsers& users) {
    struct stat status{};
    std::error_code failure;
    if (::fstat(directory, &status) != 0) return errno_error(errno, "looking at " + path);
    const auto owner = static_cast<int>(status.st_uid);
    if (!users.separate() || owner == users.run || owner == static_cast<int>(::geteuid()) ||
        fs::is_empty(path, failure))
        return {};
    const auto app = fs::path(path).filename().string();
    return Error{
        Errc::conflict,
        fmt::format("{0} holds files of uid {1}, as which the app ran before, and its user is "
                    "uid {2} now: belay stop {3} && chown -R {2}:{4} {0}, then deploy it anew",
                    path, owner, users.run, app, users.files_group())};
}

Result<std::string> DiskReleases::shared_now(const std::string& app,
                                             const domain::AppUsers& users) const {
    if (auto done = sys::make_directories(layout_.state() + "/shared", kCrossable); !done)
        return done.error();
    auto parent = open_directory(layout_.state() + "/shared");
    if (!parent) return parent.error();
    auto made = make_directory_at(parent->get(), app, 0700);
    if (!made) return prefixed(layout_.state() + "/shared", made.error());
    if (auto done = may_take(made->get(), layout_.shared(app), users); !done) return done.error();
    if (auto done = Ownership(users).to_run(made->get()); !done)
        return prefixed(layout_.shared(app), done.error());
    return layout_.shared(app);
}

Result<std::string> DiskReleases::home_now(const std::string& app, const std::string& kind,
                                           const domain::AppUsers& users) const {
    if (kind != "build" && kind != "run")
        return Error{Errc::invalid, "\"" + kind + "\" is none of the app's users"};
    if (auto done = sys::make_directories(layout_.home(app), kCrossable); !done)
        return done.error();
    auto parent = open_directory(layout_.home(app));
    if (!parent) return parent.error();
    // Each user has one of its own: what another left in it would be closed to this one.
    const auto& named = kind == "build" ? users.named_build : users.named_run;
    const auto name = named ? fmt::format("{}-{}", kind, named->uid) : kind;
    auto home = make_directory_at(parent->get(), name, 0700);
    if (!home) return prefixed(layout_.home(app), home.error());
    auto path = layout_.home(app) + "/" + name;
    auto temporary = make_directory_at(home->get(), "tmp", 0700);
    if (!temporary) {
        // The user may have put anything there.
        Tree tree(std::move(*home));
        if (auto done = tree.remove_all("tmp"); !done) return prefixed(path, done.error());
        temporary = make_directory_at(tree.root(), "tmp", 0700);
        if (!temporary) return prefixed(path, temporary.error());
        home = open_directory_at(parent->get(), name);
        if (!home) return prefixed(layout_.home(app), home.error());
    }
    if (!users.separate()) return path;
    const auto user = kind == "build" ? users.builder() : users.runner();
    for (int fd : {home->get(), temporary->get()})
        if (::fchown(fd, user.uid, user.gid) != 0)
            return errno_error(errno, "changing the owner of " + path);
    return path;
}

Result<std::string> DiskReleases::log_directory(const std::string& app, const std::string& name) {
    if (!is_plain_path(name))
        return Error{Errc::invalid, "\"" + name + "\" can't name a directory of logs"};
    if (auto done = sys::make_directories(layout_.state() + "/logs", kCrossable); !done)
        return done.error();
    auto path = layout_.state() + "/logs/" + app + "/" + name;
    if (auto done = sys::make_directories(path, 0750); !done) return done.error();
    return path;
}

Result<void> DiskReleases::purge_now(const std::string& app) const {
    const auto& state = layout_.state();
    Result<void> result;
    // What boots it goes first; all are tried.
    for (const auto& path : {layout_.live(app), layout_.releases(app), layout_.secrets(app),
                             layout_.shared(app), layout_.home(app), state + "/cache/" + app,
                             state + "/logs/" + app, state + "/git/" + app + ".git"})
        if (auto done = sys::remove_tree(path); !done && result) result = done;
    return result;
}

Result<void> DiskReleases::check_free(std::uint64_t reserve) const {
    struct statvfs space{};
    if (::statvfs(layout_.state().c_str(), &space) != 0)
        return errno_error(errno, "looking at " + layout_.state());
    auto free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
    if (free_bytes < reserve)
        return Error{Errc::disk_full,
                     fmt::format("{} has {} free, less than limits.disk_reserve = {}",
                                 layout_.state(), format_size(free_bytes), format_size(reserve))};
    // Some file systems count no inodes, and say 0 of 0.
    if (reserve > 0 && space.f_files > 0 &&
        space.f_favail < std::min<std::uint64_t>(kInodeReserve, space.f_files / 20))
        return Error{Errc::disk_full,
                     fmt::format("{} has only {} inodes free", layout_.state(), space.f_favail)};
    return {};
}

}  // namespace

std::unique_ptr<ports::Releases> make_releases(ReleasesOptions options) {
    return std::make_unique<DiskReleases>(std::move(options));
}

}  // namespace belay::release
