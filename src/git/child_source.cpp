#include "child_run.hpp"
#include "material.hpp"
#include "order.hpp"

#include <belay/git/child_source.hpp>
#include <belay/sys/files.hpp>

#include <algorithm>
#include <cerrno>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace belay::git {
namespace {

using namespace ports;

template <class T>
SourceResult<T> told(Outcome<T> outcome) {
    if (outcome) return std::move(*outcome);
    return outcome.error().error;
}

// The daemon makes it, as the directory above isn't the child's. One that belongs to another uid is
// only a cache: it is made anew.
Outcome<void> prepare_mirror(const std::filesystem::path& mirror, const SourceUser& user) {
    struct stat status{};
    bool there = ::lstat(mirror.c_str(), &status) == 0;
    if (there && S_ISDIR(status.st_mode) && status.st_uid == user.uid && status.st_gid == user.gid)
        return {};
    if (auto removed = sys::remove_tree(mirror); !removed) {
        return failed(SourceReason::internal, removed.error().message);
    }
    // Its group is what lets an export's user read it.
    if (::mkdir(mirror.c_str(), 0750) < 0 || ::lchown(mirror.c_str(), user.uid, user.gid) < 0) {
        return errno_failed(errno, fmt::format("creating the mirror {}", mirror.string()));
    }
    return {};
}

// Lets a user other than the mirror's read it, for this one child only.
SourceChild with_group_of(SourceChild child, const std::filesystem::path& mirror) {
    struct stat status{};
    if (!child.user || ::stat(mirror.c_str(), &status) < 0) return child;
    auto& groups = child.user->groups;
    bool has = child.user->gid == status.st_gid ||
               std::ranges::find(groups, status.st_gid) != groups.end();
    if (!has) groups.push_back(status.st_gid);
    return child;
}

class ChildSource final : public Source {
  public:
    ChildSource(boost::asio::any_io_executor executor, ChildSourceOptions options)
        : executor_(std::move(executor)), options_(std::move(options)) {}

    Task<SourceResult<Fetched>> fetch(FetchJob job, async::Cancel cancel) override {
        auto material = read_material(job.access);
        if (!material) co_return material.error().error;
        if (job.child.user) {
            if (auto ready = prepare_mirror(job.mirror, *job.child.user); !ready)
                co_return ready.error().error;
        }
        FetchOrder order;
        order.material = std::move(*material);
        order.fresh_mirror = damaged_.contains(job.mirror);
        order.job = std::move(job);
        // Other apps' users have no business in it.
        auto run = make_run("fetch", encode(order), order.job.child, 027);
        auto text = co_await run_child(std::move(run), cancel);
        if (!text) co_return text.error().error;
        auto fetched = decode_fetched(*text);
        if (fetched) damaged_.erase(order.job.mirror);
        co_return told(std::move(fetched));
    }

    Task<SourceResult<Exported>> export_tree(ExportJob job, async::Cancel cancel) override {
        auto run = make_run("export", encode(job), with_group_of(job.child, job.mirror), 022);
        auto text = co_await run_child(std::move(run), cancel);
        if (!text) co_return text.error().error;
        auto exported = decode_exported(*text);
        remember_damage(exported, job.mirror);
        co_return told(std::move(exported));
    }

    Task<SourceResult<std::vector<Tip>>> tips(TipsJob job, async::Cancel cancel) override {
        auto material = read_material(job.access);
        if (!material) co_return material.error().error;
        TipsOrder order;
        order.material = std::move(*material);
        order.job = std::move(job);
        auto run = make_run("tips", encode(order), order.job.child, 022);
        auto text = co_await run_child(std::move(run), cancel);
        if (!text) co_return text.error().error;
        co_return told(decode_tips(*text));
    }

    Task<SourceResult<Changes>> changed_paths(ChangesJob job, async::Cancel cancel) override {
        auto run = make_run("diff", encode(job), with_group_of(job.child, job.mirror), 022);
        auto text = co_await run_child(std::move(run), cancel);
        if (!text) co_return text.error().error;
        auto changes = decode_changes(*text);
        remember_damage(changes, job.mirror);
        co_return told(std::move(changes));
    }

  private:
    ChildRun make_run(std::string operation, std::string job, SourceChild child,
                      mode_t umask) const {
        ChildRun run;
        run.executor = executor_;
        run.options = options_;
        run.operation = std::move(operation);
        run.job = std::move(job);
        run.child = std::move(child);
        run.umask = umask;
        return run;
    }

    // Who reads a mirror may not write to it, so the next fetch is told.
    template <class T>
    void remember_damage(const Outcome<T>& outcome, const std::filesystem::path& mirror) {
        if (!outcome && outcome.error().damaged) damaged_.insert(mirror);
    }

    boost::asio::any_io_executor executor_;
    ChildSourceOptions options_;
    std::set<std::filesystem::path> damaged_;
};

}  // namespace

std::unique_ptr<Source> make_child_source(boost::asio::any_io_executor executor,
                                          ChildSourceOptions options) {
    return std::make_unique<ChildSource>(std::move(executor), std::move(options));
}

}  // namespace belay::git
