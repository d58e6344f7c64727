// libgit2's objects with owners. Not to be shared between threads.
#pragma once

#include <git2.h>

#include <memory>
#include <string>

namespace belay::git {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

template <class T, auto Free>
using Handle = std::unique_ptr<T, Freed<Free>>;

using Repository = Handle<git_repository, git_repository_free>;
using Remote = Handle<git_remote, git_remote_free>;
using Odb = Handle<git_odb, git_odb_free>;
using OdbObject = Handle<git_odb_object, git_odb_object_free>;
using Object = Handle<git_object, git_object_free>;
using Commit = Handle<git_commit, git_commit_free>;
using Tree = Handle<git_tree, git_tree_free>;
using TreeEntry = Handle<git_tree_entry, git_tree_entry_free>;
using Reference = Handle<git_reference, git_reference_free>;
using ReferenceIterator = Handle<git_reference_iterator, git_reference_iterator_free>;
using Diff = Handle<git_diff, git_diff_free>;
using Config = Handle<git_config, git_config_free>;
using Describe = Handle<git_describe_result, git_describe_result_free>;

// Fills a handle from a call with an out parameter: `git_commit_lookup(Slot(commit), …)`.
template <class T>
struct Slot {
    explicit Slot(T& handle) : handle_(handle) {}
    ~Slot() { handle_.reset(raw_); }
    operator typename T::pointer *() { return &raw_; }

  private:
    T& handle_;
    typename T::pointer raw_ = nullptr;
};

inline std::string to_hex(const git_oid& id) {
    char text[GIT_OID_HEXSZ + 1];
    git_oid_tostr(text, sizeof text, &id);
    return text;
}

}  // namespace belay::git
