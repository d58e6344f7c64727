// An app's bare mirror on disk: one writer at a time, and no trace of a writer that was killed.
#pragma once

#include "connection.hpp"
#include "failure.hpp"
#include "handle.hpp"

#include <belay/sys/unique_fd.hpp>

#include <filesystem>
#include <string>

namespace belay::git {

class Mirror {
  public:
    // Created when missing. Waits for the lock. `fresh`: what is there is not trusted.
    static Outcome<Mirror> open_for_writing(std::filesystem::path path, bool fresh,
                                            Progress& progress);
    // Under a shared lock where the lock's file can be opened. A mirror that can't be read is
    // damaged.
    static Outcome<Mirror> open_for_reading(std::filesystem::path path);

    git_repository* repository() const { return repository_.get(); }
    const std::filesystem::path& path() const { return path_; }

    // Moves all there is aside and begins anew; forget_broken() removes it once the new one is
    // good.
    Outcome<void> reset(std::string_view why);
    void forget_broken() const;

    // Makes branches and tags exactly these. Those that went are deleted first, as "a" and "a/b"
    // can't both be.
    Outcome<void> set_refs(const RemoteRefs& wanted) const;

  private:
    explicit Mirror(std::filesystem::path path) : path_(std::move(path)) {}
    Outcome<void> create();
    Outcome<void> open();
    void remove_leftovers() const;

    std::filesystem::path path_;
    sys::UniqueFd lock_;
    Repository repository_;
};

// Branches and tags of any repository, symbolic ones resolved.
Outcome<RemoteRefs> read_refs(git_repository* repository);

}  // namespace belay::git
