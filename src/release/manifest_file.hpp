// releases/APP/NUMBER.json: the manifest, and beside it the digest of its file list.
#pragma once

#include "digest.hpp"

#include <belay/domain/release.hpp>

#include <string>

namespace belay::release {

struct SealedManifest {
    domain::Manifest manifest;
    Digest list{};  // of NUMBER.files
};

std::string encode(const SealedManifest& sealed);
// Errors as those of decode_manifest().
Result<SealedManifest> decode_sealed(const std::string& json);

}  // namespace belay::release
