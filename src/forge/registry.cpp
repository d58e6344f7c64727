#include "forges.hpp"

#include <belay/forge/forge.hpp>

#include <array>

namespace belay::forge {
namespace {

struct Entry {
    const ports::Forge& named;    // in the configuration
    const ports::Forge& guessed;  // by a request's headers
};

// In the order of asking: the Gitea family sends everybody's headers besides its own, so it stands
// first; whoever signs by Standard Webhooks stands behind GitLab, as that may do so too; and what
// has no header of any other may be Azure DevOps' (reference/webhooks.md §2).
const std::array<Entry, 11> kForges{{
    {forgejo(), forgejo()},
    {gitea(), gitea()},
    {gogs(), gogs()},
    {github(), github()},
    {gitlab(), gitlab()},
    {gitee(), gitee()},
    {bitbucket_cloud(), bitbucket_cloud()},
    {bitbucket_server(), bitbucket_server()},
    {sourcehut(), guessed_sourcehut()},
    {generic(), generic()},
    {azure_devops(), azure_devops()},
}};

class Table : public ports::Forges {
  public:
    const ports::Forge* find(std::string_view name,
                             const ports::HookRequest& request) const override {
        for (const auto& forge : kForges) {
            if (name == "auto" && forge.guessed.recognises(request)) return &forge.guessed;
            if (name == forge.named.name()) return &forge.named;
        }
        return nullptr;
    }
};

}  // namespace

const ports::Forges& table() {
    static const Table forges;
    return forges;
}

}  // namespace belay::forge
