// Whose the files of a release are: ours once sealed, the run user's where it may write.
#pragma once

#include "tree.hpp"

#include <belay/domain/release.hpp>

#include <string>

namespace belay::release {

class Ownership {
  public:
    explicit Ownership(const domain::AppUsers& users) : users_(users) {}

    // Of an open directory or file, where the app's users are separate; otherwise nothing changes.
    Result<void> to_build(int fd) const;  // group: run, so that the run user sees what it will run
    Result<void> to_run(int fd) const;
    Result<void> to_us(int fd) const;  // group: run
    Result<void> link_to_us(int directory, const std::string& name) const;

    // Sealed permissions: no write, no setuid; the group reads what the owner reads.
    std::uint32_t sealed_mode(std::uint32_t mode) const;
    // A file or a whole directory goes to the run user, writable to it, cut off from hard links
    // elsewhere.
    Result<void> give_to_run(Tree& tree, const std::string& path) const;

  private:
    Result<void> give_entry(Tree& tree, Entry& entry) const;

    domain::AppUsers users_;
};

// Replaces a file that has further hard links by a copy of its own, and notes the new inode:
// whoever holds the other link must not reach the sealed file, nor find its own changed.
Result<void> cut_links(Tree& tree, Entry& entry);

}  // namespace belay::release
