// The table: a line for each forge with a status API.
#include "status_wire.hpp"

#include <array>

namespace belay::forge {
namespace {

const std::array<const ports::StatusForge*, 7> kForges{
    &github_status(),          &gitlab_status(),           &gitea_status(), &forgejo_status(),
    &bitbucket_cloud_status(), &bitbucket_server_status(), &azure_status(),
};

// Those whose signature covers what a delivery says (reference/webhooks.md §1).
constexpr std::array<std::string_view, 6> kSignTheirBody{
    "github", "gitea", "forgejo", "gogs", "bitbucket-cloud", "bitbucket-server"};

class Table final : public ports::StatusForges {
  public:
    const ports::StatusForge* find(std::string_view name) const override {
        for (const auto* forge : kForges)
            if (forge->name() == name) return forge;
        return nullptr;
    }
};

}  // namespace

const ports::StatusForges& status_forges() {
    static const Table table;
    return table;
}

}  // namespace belay::forge
