// Release directories, their seals, and the files that a boot needs.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/base/secret.hpp>
#include <belay/domain/release.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace belay::ports {

// What a directory held at one moment: to tell what the tests added or changed.
struct TreeMark {
    std::string digest_file;  // where the listing is kept
};

struct SealJob {
    domain::Manifest manifest;  // all but bytes, files, sealed_at
    std::vector<std::string> ship;
    std::vector<std::string> shared;
    std::vector<std::string> writable;
    domain::AppUsers users;
    std::optional<TreeMark> before_tests;
    // Process (or "release", "run") -> its resolved environment, stored in
    // secrets/APP/NUMBER/PROCESS.env.
    std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>>
        environments;
};

// What was found wrong: `reason` is artifact_changed, seal_failed or disk_full.
struct SealFailure {
    domain::Reason reason = domain::Reason::seal_failed;
    Error error;
};

enum class Check {
    quick,  // size, mode, mtime of every file
    full,   // and its hash
};

// Loop thread only; long work is done elsewhere. Paths are those of spec/interfaces.md §6.
class Releases {
  public:
    virtual ~Releases() = default;

    virtual std::string directory(const std::string& app, ReleaseNumber number) const = 0;
    // An empty directory where the release is built, writable by the build user; what an
    // interrupted attempt left goes.
    virtual Task<Result<std::string>> prepare(std::string app, ReleaseNumber number,
                                              domain::AppUsers users) = 0;
    // Fills an empty directory with the sealed files of another release (Plan::copy).
    virtual Task<Result<void>> copy(std::string app, ReleaseNumber from, ReleaseNumber to,
                                    domain::AppUsers users) = 0;
    virtual Task<Result<TreeMark>> mark(std::string app, ReleaseNumber number) = 0;
    // Removes what the tests added, checks what they changed, drops what is not shipped, links
    // shared, makes writable, takes write bits away, syncs, and puts the manifest in place: from
    // then on the release exists.
    virtual Task<boost::system::result<domain::Manifest, SealFailure>> seal(SealJob job) = 0;
    // none where there is no manifest; an error where there is one that can't be read or has a
    // higher schema.
    virtual Task<Result<std::optional<domain::Manifest>>> manifest(std::string app,
                                                                   ReleaseNumber number) = 0;
    // Errc::conflict names the files that differ from the seal.
    virtual Task<Result<void>> verify(std::string app, ReleaseNumber number, Check check) = 0;
    // Numbers that have a directory or a manifest, ascending.
    virtual Task<Result<std::vector<ReleaseNumber>>> list(std::string app) = 0;
    // Removes directory, manifest and environment. Refuses the one `current` points to.
    virtual Task<Result<void>> remove(std::string app, ReleaseNumber number) = 0;
    // Points releases/APP/current at the release, atomically; 0 removes it.
    virtual Task<Result<void>> set_current(std::string app, ReleaseNumber number) = 0;

    virtual Task<Result<void>> write_live(domain::LiveManifest live) = 0;
    virtual Task<Result<void>> remove_live(std::string app) = 0;
    // All of live/*.json; a file that can't be read is left alone and named in the second list.
    virtual Task<Result<std::pair<std::vector<domain::LiveManifest>, std::vector<Error>>>>
    read_live() = 0;

    // The environment that was stored at sealing; for `belay run` and for starting.
    virtual Task<Result<std::vector<std::pair<std::string, std::string>>>> environment(
        std::string app, ReleaseNumber number, std::string process) = 0;
    // The app's shared directory, made where missing, owned by its run user.
    virtual Task<Result<std::string>> shared_directory(std::string app, domain::AppUsers users) = 0;
    // A private HOME and TMPDIR of one of the app's users: ("build" or "run") -> directory.
    virtual Task<Result<std::string>> home(std::string app, std::string kind,
                                           domain::AppUsers users) = 0;
    // logs/APP/NAME, made where missing; for one deployment's stages ("d12") or one release's
    // processes ("r12").
    virtual Result<std::string> log_directory(const std::string& app, const std::string& name) = 0;
    // Everything of the app on disk (`belay remove --purge`).
    virtual Task<Result<void>> purge(std::string app) = 0;
    // Errc::disk_full when the state directory's file system has less free than this.
    virtual Result<void> check_free(std::uint64_t reserve) const = 0;
};

}  // namespace belay::ports
