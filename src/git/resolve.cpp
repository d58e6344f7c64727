#include "resolve.hpp"

#include <belay/base/id.hpp>
#include <belay/ports/tag_order.hpp>

#include <fmt/ranges.h>

#include <algorithm>
#include <fnmatch.h>
#include <optional>
#include <vector>

namespace belay::git {
namespace {

constexpr std::size_t kNamesShown = 8;
constexpr std::size_t kBodyMax = 8 * 1024;
constexpr std::string_view kHeads = "refs/heads/";
constexpr std::string_view kTags = "refs/tags/";

std::vector<std::string> names_below(const RemoteRefs& refs, std::string_view prefix) {
    std::vector<std::string> names;
    for (const auto& [name, ref] : refs) {
        if (name.starts_with(prefix))
            names.push_back(shown(std::string_view(name).substr(prefix.size())));
    }
    return names;
}

std::string some_of(std::vector<std::string> names) {
    if (names.empty()) return "none";
    auto more = names.size() > kNamesShown ? fmt::format(" and {} more", names.size() - kNamesShown)
                                           : std::string();
    names.resize(std::min(names.size(), kNamesShown));
    return fmt::format("{}{}", fmt::join(names, ", "), more);
}

Outcome<git_oid> peel_to_commit(git_repository* repository, const git_oid& id,
                                std::string_view name) {
    Object object;
    if (git_object_lookup(object.out(), repository, &id, GIT_OBJECT_ANY) < 0)
        return damaged(git_message());
    Object commit;
    if (git_object_peel(commit.out(), object.get(), GIT_OBJECT_COMMIT) < 0) {
        return failed(SourceReason::sha_unavailable,
                      fmt::format("{} leads to no commit", shown(name)));
    }
    return *git_object_id(commit.get());
}

class Resolution {
  public:
    Resolution(git_repository* repository, const RemoteRefs& refs, const ports::FetchJob& job,
               std::string_view url)
        : repository_(repository), refs_(refs), job_(job), wanted_(job.wanted), url_(url) {}

    Outcome<ports::Fetched> run() {
        auto named = find_named();
        if (!named) return named.error();
        auto found = wanted_.commit.empty() ? named : find_commit();
        if (!found) return found.error();
        if (auto described = describe_commit(*found); !described) return described.error();
        compare_with_live(*found);
        return fetched_;
    }

  private:
    // The branch's tip or the tag's commit; zero where a bare commit is wanted.
    Outcome<git_oid> find_named() {
        if (!wanted_.branch.empty()) return find_branch();
        if (!wanted_.tag.empty()) return find_tag(wanted_.tag);
        if (!wanted_.tag_pattern.empty()) return find_newest_tag();
        if (!wanted_.commit.empty()) return git_oid{};
        return failed(SourceReason::internal,
                      "nothing was asked for: neither branch, tag nor commit");
    }

    Outcome<git_oid> find_branch() {
        auto at = refs_.find(std::string(kHeads) + wanted_.branch);
        if (at == refs_.end()) {
            return failed(SourceReason::sha_unavailable,
                          fmt::format("{} has no branch \"{}\"; there are: {}", url_,
                                      shown(wanted_.branch), some_of(names_below(refs_, kHeads))));
        }
        auto tip = peel_to_commit(repository_, at->second.id, at->first);
        if (!tip) return tip;
        fetched_.ref = at->first;
        fetched_.branch = wanted_.branch;
        fetched_.tip = to_hex(*tip);
        return tip;
    }

    Outcome<git_oid> find_tag(const std::string& tag) {
        auto at = refs_.find(std::string(kTags) + tag);
        if (at == refs_.end()) {
            return failed(SourceReason::sha_unavailable,
                          fmt::format("{} has no tag \"{}\"; there are: {}", url_, shown(tag),
                                      some_of(names_below(refs_, kTags))));
        }
        fetched_.ref = at->first;
        fetched_.tag = tag;
        fetched_.newest_tag = newest_fitting_tag();
        auto tip = peel_to_commit(repository_, at->second.id, at->first);
        if (tip) fetched_.tip = to_hex(*tip);
        return tip;
    }

    std::string newest_fitting_tag() const {
        std::string newest;
        if (wanted_.tag_pattern.empty()) return newest;
        for (const auto& [name, ref] : refs_) {
            if (!name.starts_with(kTags)) continue;
            auto tag = name.substr(kTags.size());
            if (!matches_tag(wanted_.tag_pattern, tag)) continue;
            if (newest.empty() || ports::compare_tags(newest, tag) < 0) newest = tag;
        }
        return newest;
    }

    Outcome<git_oid> find_newest_tag() {
        auto newest = newest_fitting_tag();
        if (newest.empty()) {
            return failed(
                SourceReason::sha_unavailable,
                fmt::format("{} has no tag that fits \"{}\"; there are: {}", url_,
                            shown(wanted_.tag_pattern), some_of(names_below(refs_, kTags))));
        }
        return find_tag(newest);
    }

    Outcome<git_oid> find_commit() {
        git_oid id;
        Commit commit;
        if (wanted_.commit.size() != GIT_OID_HEXSZ || !is_commit_id(wanted_.commit) ||
            git_oid_fromstr(&id, wanted_.commit.c_str()) < 0) {
            return failed(SourceReason::sha_unavailable,
                          fmt::format("\"{}\" is not a whole commit id (40 hex digits)",
                                      shown(wanted_.commit)));
        }
        if (git_commit_lookup(commit.out(), repository_, &id) == 0) return id;
        // Some forges name an annotated tag's object in place of its commit.
        Object tag;
        if (git_object_lookup(tag.out(), repository_, &id, GIT_OBJECT_TAG) == 0)
            return peel_to_commit(repository_, id, wanted_.commit);
        return failed(SourceReason::sha_unavailable,
                      fmt::format("{} has no commit {} on any branch or tag: force-pushed "
                                  "away, or not pushed yet",
                                  url_, wanted_.commit));
    }

    Outcome<void> describe_commit(const git_oid& id) {
        Commit commit;
        if (git_commit_lookup(commit.out(), repository_, &id) < 0) return damaged(git_message());
        fetched_.commit = to_hex(id);
        fetched_.is_tip = fetched_.commit == fetched_.tip;
        fetched_.on_branch = !fetched_.tip.empty() && reaches(id);
        const auto* author = git_commit_author(commit.get());
        fetched_.author_name = author->name;
        fetched_.author_email = author->email;
        fetched_.committed_at =
            TimePoint(std::chrono::duration_cast<Millis>(Seconds(git_commit_time(commit.get()))));
        const auto* subject = git_commit_summary(commit.get());
        const auto* body = git_commit_body(commit.get());
        fetched_.subject = subject == nullptr ? "" : subject;
        fetched_.body = std::string(body == nullptr ? "" : body).substr(0, kBodyMax);
        fetched_.describe = name_of(commit.get());
        Tree tree;
        if (git_commit_tree(tree.out(), commit.get()) < 0) return damaged(git_message());
        return count_files(tree.get(), 0);
    }

    bool reaches(const git_oid& id) const {
        git_oid tip;
        git_oid_fromstr(&tip, fetched_.tip.c_str());
        return contains(tip, id);
    }

    bool contains(const git_oid& descendant, const git_oid& id) const {
        return git_oid_equal(&descendant, &id) != 0 ||
               git_graph_descendant_of(repository_, &descendant, &id) == 1;
    }

    // What isn't in the mirror any more is contained in nothing.
    std::optional<git_oid> known_commit(const std::string& hex, Commit& commit) const {
        git_oid id;
        if (hex.size() != GIT_OID_HEXSZ || git_oid_fromstr(&id, hex.c_str()) < 0 ||
            git_commit_lookup(commit.out(), repository_, &id) < 0)
            return std::nullopt;
        return id;
    }

    void compare_with_live(const git_oid& found) {
        Commit live_commit;
        auto live = known_commit(job_.live, live_commit);
        fetched_.in_live = live && contains(*live, found);
        for (const auto& hex : job_.others) {
            Commit commit;
            auto id = known_commit(hex, commit);
            if (!id || !contains(found, *id) || (live && contains(*live, *id))) continue;
            const auto* message = git_commit_message(commit.get());
            std::string_view text = message == nullptr ? "" : message;
            fetched_.others.push_back({hex, std::string(text.substr(0, kBodyMax))});
        }
    }

    std::string name_of(git_commit* commit) const {
        auto short_id = fetched_.commit.substr(0, 7);
        // Without tags libgit2 would walk the whole history to find none.
        if (names_below(refs_, kTags).empty()) return short_id;
        git_describe_options options = GIT_DESCRIBE_OPTIONS_INIT;
        options.describe_strategy = GIT_DESCRIBE_TAGS;
        options.show_commit_oid_as_fallback = 1;
        Describe result;
        git_buf text = GIT_BUF_INIT;
        auto* object = reinterpret_cast<git_object*>(commit);
        if (git_describe_commit(result.out(), object, &options) < 0 ||
            git_describe_format(&text, result.get(), nullptr) < 0) {
            return short_id;
        }
        std::string name(text.ptr, text.size);
        git_buf_dispose(&text);
        return name;
    }

    // Every tree is read: a mirror that lost one is found out here, not in the middle of an export.
    Outcome<void> count_files(const git_tree* tree, std::uint32_t depth) {
        const ports::ExportLimits limits;
        for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i) {
            const auto* entry = git_tree_entry_byindex(tree, i);
            auto type = git_tree_entry_type(entry);
            // A tree that refers to itself many times over: the export refuses it.
            if (depth > limits.depth || ++entries_ > limits.entries) return {};
            if (type == GIT_OBJECT_BLOB) ++fetched_.files;
            if (type != GIT_OBJECT_TREE) continue;
            Tree below;
            if (git_tree_lookup(below.out(), repository_, git_tree_entry_id(entry)) < 0)
                return damaged(git_message());
            if (auto counted = count_files(below.get(), depth + 1); !counted) return counted;
        }
        return {};
    }

    git_repository* repository_;
    const RemoteRefs& refs_;
    const ports::FetchJob& job_;
    const ports::Wanted& wanted_;
    std::string_view url_;
    ports::Fetched fetched_;
    std::uint64_t entries_ = 0;
};

}  // namespace

Outcome<ports::Fetched> resolve(git_repository* repository, const RemoteRefs& refs,
                                const ports::FetchJob& job, std::string_view url) {
    return Resolution(repository, refs, job, url).run();
}

bool matches_tag(const std::string& pattern, const std::string& tag) {
    return ::fnmatch(pattern.c_str(), tag.c_str(), 0) == 0;
}

}  // namespace belay::git
