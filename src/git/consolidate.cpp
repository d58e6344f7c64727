#include "consolidate.hpp"

#include <git2/odb_backend.h>
#include <git2/sys/odb_backend.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

namespace belay::git {
namespace {

namespace fs = std::filesystem;

using PackBuilder = Handle<git_packbuilder, git_packbuilder_free>;

struct Pack {
    fs::path path;  // of the .pack
    std::uintmax_t size = 0;
};

fs::path index_of(fs::path pack) {
    return pack.replace_extension(".idx");
}

std::vector<Pack> packs_in(const fs::path& directory) {
    std::error_code ignored;
    std::vector<Pack> packs;
    for (fs::directory_iterator at(directory, ignored), end; at != end; at.increment(ignored)) {
        if (at->path().extension() != ".pack" || !fs::exists(index_of(at->path()), ignored))
            continue;
        packs.push_back({at->path(), at->file_size(ignored)});
    }
    std::ranges::sort(packs, std::greater<>(), &Pack::size);
    return packs;
}

int insert_object(const git_oid* id, void* builder) {
    return git_packbuilder_insert(static_cast<git_packbuilder*>(builder), id, nullptr);
}

Outcome<void> insert_all(git_packbuilder* builder, const Pack& pack) {
    Odb odb;
    git_odb_backend* backend = nullptr;
    if (git_odb_new(odb.out()) < 0 ||
        git_odb_backend_one_pack(&backend, index_of(pack.path).c_str()) < 0 ||
        git_odb_add_backend(odb.get(), backend, 1) < 0 ||
        git_odb_foreach(odb.get(), insert_object, builder) < 0) {
        return damaged(git_message());
    }
    return {};
}

}  // namespace

Outcome<std::size_t> consolidate_packs(const Mirror& mirror, std::size_t packs_max) {
    auto directory = mirror.path() / "objects" / "pack";
    auto packs = packs_in(directory);
    if (packs.size() <= packs_max) return std::size_t{0};
    packs.erase(packs.begin());
    PackBuilder builder;
    if (git_packbuilder_new(builder.out(), mirror.repository()) < 0) return damaged(git_message());
    for (const auto& pack : packs) {
        if (auto inserted = insert_all(builder.get(), pack); !inserted) return inserted.error();
    }
    if (git_packbuilder_write(builder.get(), directory.c_str(), 0, nullptr, nullptr) < 0) {
        return git_failed(SourceReason::internal, "making one pack of many");
    }
    auto made = fmt::format("pack-{}.pack", git_packbuilder_name(builder.get()));
    std::error_code ignored;
    for (const auto& pack : packs) {
        if (pack.path.filename() == made) continue;
        // The index first, as it is what makes a pack seen.
        fs::remove(index_of(pack.path), ignored);
        fs::remove(pack.path, ignored);
    }
    return packs.size();
}

}  // namespace belay::git
