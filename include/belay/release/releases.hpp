// Release directories on disk: `ports::Releases` with the paths of spec/interfaces.md §6.
#pragma once

#include <belay/ports/releases.hpp>

#include <memory>
#include <string>

namespace belay::release {

struct ReleasesOptions {
    std::string state_dir;  // absolute
};

// What one process finds in its environment; values may hold anything but NUL.
using Variables = std::vector<std::pair<std::string, std::string>>;

// Files belong to the caller's own user where the apps' users are not separate. Its threads end
// with it: destroy it only after every coroutine that awaits it. Formats of its files:
// docs/releases.md.
std::unique_ptr<ports::Releases> make_releases(ReleasesOptions options);

// The manifests' JSON, as stored. Any thread. decode: Errc::invalid (not such JSON), Errc::conflict
// (a higher schema).
std::string encode(const domain::Manifest& manifest);
std::string encode(const domain::LiveManifest& live);
Result<domain::Manifest> decode_manifest(const std::string& json);
Result<domain::LiveManifest> decode_live(const std::string& json);

}  // namespace belay::release
