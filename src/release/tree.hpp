// A tree that somebody else filled: walked and changed by descriptors only, never through a
// symbolic link.
#pragma once

#include "listing.hpp"

#include <belay/base/error.hpp>
#include <belay/sys/unique_fd.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/types.h>
#include <utility>

namespace belay::release {

// Deeper, or with more entries, than any honest build: refused, before it costs memory or
// descriptors.
inline constexpr int kMaxDepth = 200;
inline constexpr std::size_t kMaxEntries = 2'000'000;

// Opens one name of a directory, without following a link.
Result<sys::UniqueFd> open_directory_at(int directory, const std::string& name);
Result<sys::UniqueFd> open_directory(const std::string& path);
// The same, made where it is missing. A file or a link of that name is Errc::conflict.
Result<sys::UniqueFd> make_directory_at(int directory, const std::string& name, mode_t mode);

// "a/b/c" -> "a/b", "c"
std::pair<std::string_view, std::string_view> split_path(std::string_view path);
// Relative, and every segment a real name: no "..", ".", empty one, NUL.
bool is_plain_path(std::string_view path);

// An open tree. Keeps the directory used last, so that a walk in order opens each directory once.
// One thread.
class Tree {
  public:
    explicit Tree(sys::UniqueFd root) : root_(std::move(root)) {}
    static Result<Tree> open(const std::string& path);

    int root() const { return root_.get(); }
    // Of a directory in the tree ("" is the root); valid until the next call.
    Result<int> directory(std::string_view path);
    // Makes the directories of the path where they are missing.
    Result<int> make_directories(std::string_view path, mode_t mode);

    // Errors name the path.
    Result<struct stat> status(const std::string& path);
    // Opens what must be a regular file. Errc::conflict: it is no such file now.
    Result<sys::UniqueFd> open_file(const std::string& path);
    Result<std::string> read_link(const std::string& path);
    Result<void> remove(const Entry& entry);
    // Removes a file, a link or a whole directory, whatever it is; success where there is nothing.
    Result<void> remove_all(const std::string& path);

  private:
    Result<int> descend(std::string_view path, const mode_t* make);

    sys::UniqueFd root_;
    std::string last_path_;
    sys::UniqueFd last_;
};

// Whether entries of our own that are closed to ourselves are opened up (directories u+rwx, files
// u+r): a build may have left such; a sealed tree stays as it is.
enum class Access { as_it_is, opened };

// Everything in the tree but what `skip` says (a skipped directory is listed, what it holds is
// not). No hashes, but those of links. Errc::limit: too deep or too many.
using Skip = std::function<bool(const std::string& path)>;
Result<Listing> scan(Tree& tree, Access access, const Skip& skip = nullptr);

// Calls for ranges of the listing on two threads, each with a Tree of its own; the first error
// stops both.
using EntryAction = std::function<Result<void>(Tree& tree, Entry& entry)>;
Result<void> for_each_file(const Tree& tree, Listing& listing, const EntryAction& action);

// Fills in the missing hashes of files.
Result<void> hash_files(const Tree& tree, Listing& listing);

// Copies the whole content; by reference where the file system can.
Result<void> copy_content(int from, int to);

Entry entry_of(std::string path, const struct stat& status);

}  // namespace belay::release
