// Where pushed code comes from: the app's repository as the engine sees it.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/base/error.hpp>
#include <belay/base/secret.hpp>
#include <belay/base/time.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace belay::ports {

// The words of the closed list (decisions.md 12) that a repository can cause.
enum class SourceReason {
    fetch_failed,
    fetch_timeout,
    auth_failed,
    host_key_mismatch,
    sha_unavailable,
    tree_refused,
    config_invalid,  // e.g. an address that no transport can reach, or a scheme that isn't allowed
    disk_full,
    canceled,
    internal,
    sha256_repository_unsupported,  // not a failure: the delivery is ignored for this reason
};

std::string_view to_string(SourceReason reason);

// Why nothing was fetched or exported, with a message that names the thing and the cure. Never
// holds a secret.
struct [[nodiscard]] SourceError {
    SourceReason reason = SourceReason::internal;
    std::string message;
    bool transient = false;  // the same job may succeed later without anybody's doing

    bool operator==(const SourceError&) const = default;
};

[[noreturn]] void throw_exception_from_error(const SourceError& error,
                                             const boost::source_location& where);

template <class T>
using SourceResult = boost::system::result<T, SourceError>;

// Who the child is; needs a daemon that may change uids.
struct SourceUser {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
};

// How and for how long the child runs.
struct SourceChild {
    std::string app;
    std::optional<SourceUser> user;  // none: the daemon's own
    std::filesystem::path log;       // appended to, as the stage's log; empty: dropped
    Millis timeout{600'000};         // [git] timeout: bounds all of the job
};

// How to reach the repository. Files are read by the daemon and handed over by descriptor.
struct SourceAccess {
    std::string url;                 // https ssh git http file, git@host:path, or an absolute path
    std::vector<std::string> allow;  // schemes, as [git] allow
    std::filesystem::path key_file;  // ssh, ed25519; needn't exist where it isn't needed
    std::vector<std::filesystem::path>
        known_hosts;                // OpenSSH's format; those that don't exist are passed over
    std::string username;           // http(s); empty: "git"
    Secret token;                   // http(s)
    std::filesystem::path ca_file;  // PEM; trusted in place of the system's authorities
};

// What is wanted: a branch's tip, one tag, or the newest version among the tags that fit; a commit
// instead of the tip where `commit` is set. With `tag` the pattern only asks for the newest's name.
struct Wanted {
    std::string branch;
    std::string tag;
    std::string tag_pattern;  // "v*": * any characters, ? one, [a-z]
    std::string commit;       // 40 hex digits
};

enum class Submodules {
    automatic,  // refused, with the cure, where .gitmodules names one in the exported part
    fetched,
    empty,  // left as empty directories
};

struct FetchJob {
    SourceChild child;
    SourceAccess access;
    std::filesystem::path mirror;  // bare, created when missing
    Wanted wanted;
    std::string live;                 // the commit that has the traffic; empty: none
    std::vector<std::string> others;  // commits whose messages are wanted as well
    std::string directory;            // as in ExportJob: which submodules are needed
    Submodules submodules = Submodules::automatic;
};

struct CommitMessage {
    std::string commit;
    std::string text;  // at most 8 KiB

    bool operator==(const CommitMessage&) const = default;
};

struct Fetched {
    std::string commit;  // 40 hex digits; exactly what was wanted
    std::string tip;     // of the branch or tag, at this fetch; empty where neither is wanted
    bool is_tip = false;
    bool in_live = false;    // is, or is an ancestor of, FetchJob::live
    std::string newest_tag;  // of Wanted::tag_pattern; empty: no tag fits
    std::vector<CommitMessage>
        others;              // those of FetchJob::others that `commit` has and live has not
    bool on_branch = false;  // reachable from the tip
    std::string ref;         // refs/heads/main, refs/tags/v1; empty for a bare commit
    std::string branch;
    std::string tag;
    std::string describe;  // as `git describe --tags --always`
    std::string author_name;
    std::string author_email;
    TimePoint committed_at{};
    std::string subject;      // first line of the message
    std::string body;         // the rest, at most 8 KiB
    std::uint64_t files = 0;  // in the whole tree, submodules not counted
    std::uint64_t received_bytes = 0;
    std::uint64_t received_objects = 0;
    std::vector<std::string> warnings;
};

struct ExportLimits {
    std::uint64_t entries = 1'000'000;
    std::uint64_t bytes = std::uint64_t{16} << 30U;
    std::uint32_t depth = 128;
    std::uint32_t path_bytes = 2048;
};

struct ExportJob {
    SourceChild child;
    std::filesystem::path mirror;
    std::string repository;  // the url, for relative submodules
    std::vector<std::string> allow;
    std::string commit;
    std::string directory;       // part of the repository; empty: all
    std::filesystem::path into;  // exists, is empty, and belongs to the child's user
    Submodules submodules = Submodules::automatic;
    ExportLimits limits;
};

struct Exported {
    std::uint64_t files = 0;  // symlinks included
    std::uint64_t directories = 0;
    std::uint64_t bytes = 0;
    std::uint64_t submodules = 0;
    std::vector<std::string> warnings;
};

struct TipsJob {
    SourceChild child;
    SourceAccess access;
    std::string
        branch;  // only this one; empty: no branch, unless tag_pattern is empty too (then all)
    std::string tag_pattern;  // only tags that fit
};

struct Tip {
    std::string ref;     // refs/heads/main
    std::string commit;  // tags are peeled

    bool operator==(const Tip&) const = default;
};

struct ChangesJob {
    SourceChild child;
    std::filesystem::path mirror;
    std::string from;  // commit
    std::string to;    // commit
    std::uint32_t paths_max = 100'000;
};

struct Changes {
    std::vector<std::string> paths;  // of both sides of a rename, sorted
    bool complete =
        true;  // false: `from` is no longer known, or more than paths_max; take all as changed
};

// Loop thread only. Every call ends within its job's timeout, or soon after `cancel`, whatever the
// server does, and leaves no process behind. All may be repeated. Jobs on one mirror wait for each
// other.
class Source {
  public:
    virtual ~Source() = default;

    virtual Task<SourceResult<Fetched>> fetch(FetchJob job, async::Cancel cancel) = 0;
    virtual Task<SourceResult<Exported>> export_tree(ExportJob job, async::Cancel cancel) = 0;
    virtual Task<SourceResult<std::vector<Tip>>> tips(TipsJob job, async::Cancel cancel) = 0;
    virtual Task<SourceResult<Changes>> changed_paths(ChangesJob job, async::Cancel cancel) = 0;
};

}  // namespace belay::ports
