#include "export.hpp"

#include "gitmodules.hpp"
#include "mirror.hpp"

#include <belay/sys/unique_fd.hpp>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace belay::git {
namespace {

constexpr std::size_t kFilesWorthAThread = 500;
constexpr unsigned kThreadsMax = 2;
constexpr std::string_view kLfsHead = "version https://git-lfs.github.com/spec/v1";

std::string path_of(const TreePlan& plan, std::uint32_t directory) {
    std::string path;
    for (; directory != 0; directory = plan.directories[directory].parent) {
        path = plan.directories[directory].name + (path.empty() ? "" : "/") + path;
    }
    return path;
}

// Component by component, as only the last one is covered by O_NOFOLLOW.
sys::UniqueFd open_directory(const TreePlan& plan, int root, std::uint32_t directory) {
    std::vector<std::uint32_t> way;
    for (; directory != 0; directory = plan.directories[directory].parent)
        way.push_back(directory);
    sys::UniqueFd at(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (auto step = way.rbegin(); at && step != way.rend(); ++step) {
        at = sys::UniqueFd(::openat(at.get(), plan.directories[*step].name.c_str(),
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    return at;
}

Outcome<void> make_directories(const TreePlan& plan, int root) {
    sys::UniqueFd parent;
    std::uint32_t opened = 0;
    for (std::size_t i = 1; i < plan.directories.size(); ++i) {
        const auto& directory = plan.directories[i];
        if (!parent || opened != directory.parent)
            parent = open_directory(plan, root, directory.parent);
        opened = directory.parent;
        if (!parent || ::mkdirat(parent.get(), directory.name.c_str(), 0755) < 0) {
            return errno_failed(errno, fmt::format("creating directory {}",
                                                   path_of(plan, static_cast<std::uint32_t>(i))));
        }
    }
    return {};
}

// As git names a file's content. libgit2 would check it with a SHA-1 that also looks for
// collisions, at ten times the cost; whoever could forge those could as well push.
bool is_content_of(const git_oid& id, std::string_view content) {
    std::array<unsigned char, GIT_OID_RAWSZ> digest{};
    unsigned length = 0;
    auto head = fmt::format("blob {}", content.size());
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free);
    static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
    bool hashed = EVP_DigestInit_ex(context.get(), sha1, nullptr) == 1 &&
                  EVP_DigestUpdate(context.get(), head.c_str(), head.size() + 1) == 1 &&
                  EVP_DigestUpdate(context.get(), content.data(), content.size()) == 1 &&
                  EVP_DigestFinal_ex(context.get(), digest.data(), &length) == 1;
    return hashed && std::equal(digest.begin(), digest.end(), id.id);
}

bool write_all(int fd, const char* bytes, std::size_t size) {
    while (size > 0) {
        auto wrote = ::write(fd, bytes, size);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return false;
        bytes += wrote;
        size -= static_cast<std::size_t>(wrote);
    }
    return true;
}

// The files of one directory after the other, shared out among threads: two in one directory would
// wait for its lock.
class FileWriter {
  public:
    FileWriter(const TreePlan& plan, int root, const ports::ExportLimits& limits)
        : plan_(plan), root_(root), limits_(limits) {
        for (std::size_t i = 0; i < plan.files.size(); ++i) {
            if (i == 0 || plan.files[i].directory != plan.files[i - 1].directory)
                groups_.push_back(i);
        }
    }

    Outcome<void> run() {
        bool large = plan_.files.size() >= kFilesWorthAThread && groups_.size() > 1;
        auto count = large ? std::clamp(std::thread::hardware_concurrency(), 1U, kThreadsMax) : 1U;
        std::vector<std::thread> threads;
        for (unsigned i = 1; i < count; ++i)
            threads.emplace_back([this] { work(); });
        work();
        for (auto& thread : threads)
            thread.join();
        if (failed_) return failure_;
        return {};
    }

    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t lfs_pointers() const { return lfs_pointers_; }
    const std::string& lfs_example() const { return lfs_example_; }

  private:
    // libgit2's handles are not for two threads.
    struct Objects {
        std::vector<Odb> stores;
    };

    void work() {
        auto objects = open_objects();
        if (!objects) return fail(objects.error());
        while (!failed_) {
            auto group = next_group_++;
            if (group >= groups_.size()) return;
            auto end = group + 1 < groups_.size() ? groups_[group + 1] : plan_.files.size();
            if (auto written = write_group(*objects, groups_[group], end); !written)
                return fail(written.error());
        }
    }

    Outcome<Objects> open_objects() const {
        Objects objects;
        for (const auto& path : plan_.repositories) {
            auto& odb = objects.stores.emplace_back();
            if (git_odb_open(odb.out(), (path / "objects").c_str()) < 0)
                return damaged(git_message());
        }
        return objects;
    }

    Outcome<void> write_group(const Objects& objects, std::size_t first, std::size_t end) {
        auto directory = open_directory(plan_, root_, plan_.files[first].directory);
        if (!directory)
            return errno_failed(errno, "opening " + path_of(plan_, plan_.files[first].directory));
        for (auto i = first; i < end && !failed_; ++i) {
            const auto& file = plan_.files[i];
            auto* odb = objects.stores[file.repository].get();
            if (auto written = write_file(odb, directory.get(), file); !written) return written;
        }
        return {};
    }

    Outcome<void> write_file(git_odb* odb, int directory, const PlannedFile& file) {
        std::size_t size = 0;
        git_object_t type = GIT_OBJECT_INVALID;
        // Before it is unpacked into memory.
        if (git_odb_read_header(&size, &type, odb, &file.id) < 0) return damaged(git_message());
        if (type != GIT_OBJECT_BLOB) return damaged(fmt::format("{} is no file", to_hex(file.id)));
        if ((bytes_ += size) > limits_.bytes) {
            return failed(SourceReason::tree_refused,
                          fmt::format("\"{}\": more than {} in all", shown(name_of(file)),
                                      format_size(limits_.bytes)));
        }
        OdbObject object;
        if (git_odb_read(object.out(), odb, &file.id) < 0) return damaged(git_message());
        const auto* content = static_cast<const char*>(git_odb_object_data(object.get()));
        if (git_odb_object_size(object.get()) != size || !is_content_of(file.id, {content, size})) {
            return damaged(fmt::format("the content of {} is not its own", to_hex(file.id)));
        }
        note_lfs(file, std::string_view(content, size));
        sys::UniqueFd fd(::openat(directory, file.name.c_str(),
                                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                  file.executable ? 0755 : 0644));
        if (!fd || !write_all(fd.get(), content, size)) {
            return errno_failed(errno, fmt::format("writing {}", shown(name_of(file))));
        }
        return {};
    }

    void note_lfs(const PlannedFile& file, std::string_view content) {
        if (content.size() > 1024 || !content.starts_with(kLfsHead)) return;
        std::lock_guard guard(mutex_);
        if (lfs_pointers_++ == 0) lfs_example_ = name_of(file);
    }

    std::string name_of(const PlannedFile& file) const {
        auto directory = path_of(plan_, file.directory);
        return directory.empty() ? file.name : fmt::format("{}/{}", directory, file.name);
    }

    void fail(Failure failure) {
        std::lock_guard guard(mutex_);
        if (!failed_) failure_ = std::move(failure);
        failed_ = true;
    }

    const TreePlan& plan_;
    int root_;
    const ports::ExportLimits& limits_;
    std::vector<std::size_t> groups_;  // the first file of each directory
    std::atomic<std::size_t> next_group_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    Failure failure_;
    std::uint64_t lfs_pointers_ = 0;
    std::string lfs_example_;
};

// Last, so that no path above leads through one.
Outcome<void> make_links(const TreePlan& plan, int root) {
    for (const auto& link : plan.links) {
        auto directory = open_directory(plan, root, link.directory);
        if (!directory ||
            ::symlinkat(link.target.c_str(), directory.get(), link.name.c_str()) < 0) {
            return errno_failed(errno, fmt::format("linking {}", shown(link.path)));
        }
    }
    return {};
}

Outcome<sys::UniqueFd> open_target(const std::filesystem::path& into) {
    sys::UniqueFd root(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!root) return errno_failed(errno, fmt::format("opening {}", into.string()));
    std::error_code error;
    if (!std::filesystem::is_empty(into, error) || error) {
        return failed(SourceReason::internal, fmt::format("{} is not empty", into.string()));
    }
    return root;
}

Outcome<PlanRequest> request_of(const ports::ExportJob& job) {
    PlanRequest request;
    request.mirror = job.mirror;
    request.commit = job.commit;
    request.directory = job.directory;
    request.submodules = job.submodules;
    request.limits = job.limits;
    auto url = parse_repository_url(job.repository);
    if (!url) return failed(SourceReason::config_invalid, url.error().message);
    request.url = std::move(*url);
    request.submodule_mirror =
        [mirror = job.mirror](const RepositoryUrl& submodule) -> Outcome<std::filesystem::path> {
        return mirror / submodule_mirror_name(submodule);
    };
    return request;
}

}  // namespace

Outcome<ports::Exported> export_tree(const ports::ExportJob& job, Progress& progress) {
    progress.phase = Phase::writing;
    // Modes are exactly what is asked for.
    ::umask(022);
    auto mirror = Mirror::open_for_reading(job.mirror);
    if (!mirror) return mirror.error();
    auto root = open_target(job.into);
    if (!root) return root.error();
    auto request = request_of(job);
    if (!request) return request.error();
    auto plan = plan_tree(*request);
    if (!plan) return plan.error();
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
    FileWriter writer(*plan, root->get(), job.limits);
    if (auto made = make_directories(*plan, root->get()); !made) return made.error();
    if (auto written = writer.run(); !written) return written.error();
    if (auto linked = make_links(*plan, root->get()); !linked) return linked.error();
    ports::Exported exported;
    exported.files = plan->files.size() + plan->links.size();
    exported.directories = plan->directories.size() - 1;
    exported.bytes = writer.bytes();
    exported.submodules = plan->submodules;
    exported.warnings = plan->warnings;
    if (writer.lfs_pointers() > 0) {
        exported.warnings.push_back(
            fmt::format("{} file(s) are Git LFS pointers, not their content, {} for one: LFS is "
                        "not supported",
                        writer.lfs_pointers(), shown(writer.lfs_example())));
    }
    return exported;
}

}  // namespace belay::git
