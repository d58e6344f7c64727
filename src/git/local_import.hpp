// A repository on this machine: its packs and objects by hard link or copy, as git does for paths.
// libgit2's own local transport packs everything anew and takes five times as long; alternates
// would tie the mirror to a stranger's files.
#pragma once

#include "connection.hpp"
#include "failure.hpp"
#include "mirror.hpp"

#include <filesystem>

namespace belay::git {

// `source`: bare, with a work tree, or a linked work tree; also without its ".git". Sets no
// reference.
Outcome<RemoteRefs> import_local(const Mirror& mirror, const std::filesystem::path& source,
                                 Progress& progress);

// Its branches and tags alone.
Outcome<RemoteRefs> read_local_refs(const std::filesystem::path& source);

// Removes packs and objects of the mirror that the source no longer has: it has repacked them, or
// dropped them. To be called once the references are set.
void drop_what_source_dropped(const Mirror& mirror, const std::filesystem::path& source);

}  // namespace belay::git
