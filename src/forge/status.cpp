// The table: a line for each forge with a status API.
#include "status_wire.hpp"

#include <algorithm>
#include <array>

namespace belay::forge {
namespace {

const std::array<const ports::StatusForge*, 7> kForges{
    &github_status(),          &gitlab_status(),           &gitea_status(), &forgejo_status(),
    &bitbucket_cloud_status(), &bitbucket_server_status(), &azure_status(),
};

// Those whose signature covers what a delivery says (reference/webhooks.md §1).
constexpr std::array<std::string_view, 5> kSignTheirDeliveries{
    "github", "gitea", "forgejo", "bitbucket-cloud", "bitbucket-server"};

class Table final : public ports::StatusForges, public ports::ForgeDirectory {
  public:
    const ports::StatusForge* find(std::string_view name) const override {
        for (const auto* forge : kForges)
            if (forge->name() == name) return forge;
        return nullptr;
    }
    std::optional<ports::StatusForgeFacts> find(std::string_view setting,
                                                std::string_view repo) const override {
        const auto* forge = find(place_of(repo, setting, "").forge);
        if (!forge) return std::nullopt;
        const auto& signing = kSignTheirDeliveries;
        return ports::StatusForgeFacts{forge->name(), std::find(signing.begin(), signing.end(),
                                                                forge->name()) != signing.end()};
    }
};

const Table& table_of_statuses() {
    static const Table table;
    return table;
}

}  // namespace

const ports::StatusForges& status_forges() {
    return table_of_statuses();
}

const ports::ForgeDirectory& forge_directory() {
    return table_of_statuses();
}

}  // namespace belay::forge
