#include "forges.hpp"

#include <belay/forge/forge.hpp>

#include <array>

namespace belay::forge {
namespace {

// In the order of asking: the Gitea family sends GitHub's headers besides its own, so it stands
// before; whoever signs by Standard Webhooks stands last, as GitLab may do so too
// (reference/webhooks.md §2).
const std::array<const ports::Forge*, 2> kForges{
    &github(),
    &generic(),
};

class Table : public ports::Forges {
  public:
    const ports::Forge* find(std::string_view name,
                             const ports::HookRequest& request) const override {
        for (const auto* forge : kForges)
            if (name == "auto" ? forge->recognises(request) : forge->name() == name) return forge;
        return nullptr;
    }
};

}  // namespace

const ports::Forges& table() {
    static const Table forges;
    return forges;
}

}  // namespace belay::forge
