#include "material.hpp"

#include <belay/sys/files.hpp>

namespace belay::git {
namespace {

constexpr std::uint64_t kFileMax = std::uint64_t{4} << 20U;

Outcome<std::string> read_if_there(const std::filesystem::path& file) {
    if (file.empty()) return std::string();
    auto text = sys::read_file(file, kFileMax);
    if (text) return std::move(*text);
    if (text.error().code == Errc::not_found) return std::string();
    return failed(SourceReason::config_invalid, text.error().message);
}

}  // namespace

Outcome<Material> read_material(const ports::SourceAccess& access) {
    Material material;
    auto key = read_if_there(access.key_file);
    if (!key) return key.error();
    material.key = std::move(*key);
    for (const auto& file : access.known_hosts) {
        auto text = read_if_there(file);
        if (!text) return text.error();
        material.known_hosts.push_back({file.string(), std::move(*text)});
    }
    if (access.ca_file.empty()) return material;
    auto authorities = sys::read_file(access.ca_file, kFileMax);
    if (!authorities) {
        return failed(SourceReason::config_invalid,
                      fmt::format("[credentials] ca: {}", authorities.error().message));
    }
    material.ca = std::move(*authorities);
    return material;
}

}  // namespace belay::git
