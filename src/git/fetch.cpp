#include "fetch.hpp"

#include "connection.hpp"
#include "consolidate.hpp"
#include "gitmodules.hpp"
#include "local_import.hpp"
#include "mirror.hpp"
#include "resolve.hpp"
#include "tree_plan.hpp"

#include <set>
#include <string>

namespace belay::git {
namespace {

constexpr std::size_t kPacksMax = 50;

Outcome<RepositoryUrl> allowed_url(Result<RepositoryUrl> url,
                                   const std::vector<std::string>& allow) {
    if (!url) return failed(SourceReason::config_invalid, url.error().message);
    if (auto allowed = check_scheme(*url, allow); !allowed) {
        return failed(SourceReason::config_invalid, allowed.error().message);
    }
    return std::move(*url);
}

Outcome<RemoteRefs> update(const Mirror& mirror, const Endpoint& endpoint, Progress& progress) {
    if (endpoint.url.scheme == "file") {
        auto refs = import_local(mirror, endpoint.url.path, progress);
        if (!refs) return refs;
        if (auto set = mirror.set_refs(*refs); !set) return set.error();
        drop_what_source_dropped(mirror, endpoint.url.path);
        return refs;
    }
    Connection connection(mirror.repository(), endpoint, progress);
    if (auto opened = connection.open(); !opened) return opened.error();
    auto refs = connection.refs();
    if (!refs) return refs;
    if (auto downloaded = connection.download(); !downloaded) return downloaded.error();
    if (auto set = mirror.set_refs(*refs); !set) return set.error();
    if (auto consolidated = consolidate_packs(mirror, kPacksMax); !consolidated)
        return consolidated.error();
    return refs;
}

class Fetch {
  public:
    Fetch(const FetchOrder& order, Progress& progress)
        : order_(order), job_(order.job), progress_(progress) {}

    Outcome<ports::Fetched> run() {
        auto url = allowed_url(parse_repository_url(job_.access.url), job_.access.allow);
        if (!url) return url.error();
        // Known from the delivery already, where the server wouldn't say it as clearly.
        if (job_.wanted.commit.size() == 64) {
            return failed(
                SourceReason::sha256_repository_unsupported,
                fmt::format("{}: commit {} is of a SHA-256 repository, which is not supported",
                            url->text(), shown(job_.wanted.commit)));
        }
        endpoint_ = make_endpoint(std::move(*url), job_.access, order_.material);
        auto mirror = Mirror::open_for_writing(job_.mirror, order_.fresh_mirror, progress_);
        if (!mirror) return mirror.error();
        auto fetched = update_and_resolve(*mirror);
        if (!fetched && fetched.error().damaged) {
            if (auto reset = mirror->reset(fetched.error().error.message); !reset)
                return reset.error();
            fetched = update_and_resolve(*mirror);
        }
        if (!fetched) return fetched;
        mirror->forget_broken();
        if (auto submodules = fetch_submodules(*fetched); !submodules) return submodules.error();
        fetched->received_bytes = progress_.bytes;
        fetched->received_objects = progress_.objects;
        return fetched;
    }

  private:
    Outcome<ports::Fetched> update_and_resolve(const Mirror& mirror) {
        say(fmt::format("fetching {}", endpoint_.url.text()));
        auto refs = update(mirror, endpoint_, progress_);
        if (!refs) return refs.error();
        progress_.phase = Phase::resolving;
        auto fetched = resolve(mirror.repository(), *refs, job_, endpoint_.url.text());
        if (fetched) say(fmt::format("{} {} {}", fetched->ref, fetched->commit, fetched->subject));
        return fetched;
    }

    // The walk that an export will make, so that it finds all it needs.
    Outcome<void> fetch_submodules(const ports::Fetched& fetched) {
        if (job_.submodules != ports::Submodules::fetched) return {};
        PlanRequest request;
        request.mirror = job_.mirror;
        request.commit = fetched.commit;
        request.directory = job_.directory;
        request.url = endpoint_.url;
        request.submodules = job_.submodules;
        request.submodule_mirror = [this](const RepositoryUrl& url) {
            return fetch_submodule(url);
        };
        auto plan = plan_tree(request);
        if (!plan) return plan.error();
        return {};
    }

    Outcome<std::filesystem::path> fetch_submodule(const RepositoryUrl& submodule) {
        auto url = allowed_url(submodule, job_.access.allow);
        if (!url) return url.error();
        auto path = job_.mirror / submodule_mirror_name(*url);
        if (!fetched_submodules_.insert(path).second) return path;
        // A stranger's .gitmodules must not have our key or token sent to a host of its choice.
        auto endpoint = endpoint_;
        if (same_host(endpoint_.url, *url)) {
            endpoint.url = *url;
        } else {
            endpoint = without_credentials(endpoint_, *url);
        }
        auto mirror = Mirror::open_for_writing(path, false, progress_);
        if (!mirror) return mirror.error();
        say(fmt::format("fetching submodule {}", url->text()));
        auto refs = update(*mirror, endpoint, progress_);
        if (!refs) return refs.error();
        mirror->forget_broken();
        return path;
    }

    const FetchOrder& order_;
    const ports::FetchJob& job_;
    Progress& progress_;
    Endpoint endpoint_;
    std::set<std::filesystem::path> fetched_submodules_;
};

bool is_asked_for(const std::string& ref, const ports::TipsJob& job) {
    constexpr std::string_view heads = "refs/heads/";
    constexpr std::string_view tags = "refs/tags/";
    if (job.branch.empty() && job.tag_pattern.empty()) return true;
    if (ref.starts_with(heads))
        return !job.branch.empty() && ref.substr(heads.size()) == job.branch;
    return !job.tag_pattern.empty() && matches_tag(job.tag_pattern, ref.substr(tags.size()));
}

Outcome<RemoteRefs> list_refs(const Endpoint& endpoint, Progress& progress) {
    if (endpoint.url.scheme == "file") return read_local_refs(endpoint.url.path);
    Connection connection(nullptr, endpoint, progress);
    if (auto opened = connection.open(); !opened) return opened.error();
    return connection.refs();
}

Outcome<Tree> tree_of(git_repository* repository, const std::string& commit_id) {
    git_oid id;
    Commit commit;
    Tree tree;
    if (git_oid_fromstr(&id, commit_id.c_str()) < 0 ||
        git_commit_lookup(commit.out(), repository, &id) < 0) {
        return failed(SourceReason::sha_unavailable,
                      fmt::format("the mirror has no commit {}", shown(commit_id)));
    }
    if (git_commit_tree(tree.out(), commit.get()) < 0) return damaged(git_message());
    return tree;
}

}  // namespace

Outcome<ports::Fetched> fetch(const FetchOrder& order, Progress& progress) {
    return Fetch(order, progress).run();
}

Outcome<std::vector<ports::Tip>> list_tips(const TipsOrder& order, Progress& progress) {
    auto url = allowed_url(parse_repository_url(order.job.access.url), order.job.access.allow);
    if (!url) return url.error();
    auto refs =
        list_refs(make_endpoint(std::move(*url), order.job.access, order.material), progress);
    if (!refs) return refs.error();
    std::vector<ports::Tip> tips;
    for (const auto& [name, ref] : *refs) {
        if (is_asked_for(name, order.job))
            tips.push_back({name, to_hex(ref.peeled.value_or(ref.id))});
    }
    return tips;
}

Outcome<ports::Changes> list_changes(const ports::ChangesJob& job) {
    auto mirror = Mirror::open_for_reading(job.mirror);
    if (!mirror) return mirror.error();
    auto to = tree_of(mirror->repository(), job.to);
    if (!to) return to.error();
    ports::Changes changes;
    auto from = tree_of(mirror->repository(), job.from);
    if (!from) {
        if (from.error().damaged) return from.error();
        changes.complete = false;
        return changes;
    }
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    options.flags = GIT_DIFF_SKIP_BINARY_CHECK | GIT_DIFF_INCLUDE_TYPECHANGE;
    Diff diff;
    if (git_diff_tree_to_tree(diff.out(), mirror->repository(), from->get(), to->get(), &options) <
        0) {
        return damaged(git_message());
    }
    std::set<std::string> paths;
    for (std::size_t i = 0; i < git_diff_num_deltas(diff.get()); ++i) {
        const auto* delta = git_diff_get_delta(diff.get(), i);
        paths.insert(delta->new_file.path);
        paths.insert(delta->old_file.path);
        if (paths.size() > job.paths_max) {
            changes.complete = false;
            break;
        }
    }
    changes.paths.assign(paths.begin(), paths.end());
    return changes;
}

}  // namespace belay::git
