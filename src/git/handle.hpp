// libgit2's objects with owners. Not to be shared between threads.
#pragma once

#include <git2.h>

#include <string>
#include <utility>

namespace belay::git {

template <class T, void (*Free)(T*)>
class Handle {
  public:
    Handle() = default;
    Handle(Handle&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Handle& operator=(Handle&& other) noexcept {
        reset();
        object_ = std::exchange(other.object_, nullptr);
        return *this;
    }
    ~Handle() { reset(); }

    T* get() const { return object_; }
    // Where a call of libgit2 puts the object.
    T** out() {
        reset();
        return &object_;
    }
    void reset() {
        if (object_ != nullptr) Free(std::exchange(object_, nullptr));
    }

  private:
    T* object_ = nullptr;
};

using Repository = Handle<git_repository, git_repository_free>;
using Remote = Handle<git_remote, git_remote_free>;
using Odb = Handle<git_odb, git_odb_free>;
using OdbObject = Handle<git_odb_object, git_odb_object_free>;
using Object = Handle<git_object, git_object_free>;
using Blob = Handle<git_blob, git_blob_free>;
using Commit = Handle<git_commit, git_commit_free>;
using Tree = Handle<git_tree, git_tree_free>;
using TreeEntry = Handle<git_tree_entry, git_tree_entry_free>;
using Reference = Handle<git_reference, git_reference_free>;
using ReferenceIterator = Handle<git_reference_iterator, git_reference_iterator_free>;
using Diff = Handle<git_diff, git_diff_free>;
using Config = Handle<git_config, git_config_free>;
using Describe = Handle<git_describe_result, git_describe_result_free>;

inline std::string to_hex(const git_oid& id) {
    char text[GIT_OID_HEXSZ + 1];
    git_oid_tostr(text, sizeof text, &id);
    return text;
}

}  // namespace belay::git
