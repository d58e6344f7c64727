// What Gogs, Gitea (its fork) and Forgejo (Gitea's) have in common: bodies much like GitHub's, and
// HMAC-SHA256 in bare hex over the JSON text, whatever encoding that was sent in. Source: gogs/gogs
// internal/database/webhook.go and actions.go; go-gitea/gitea services/webhook/deliver.go and
// notifier.go; Forgejo's webhook manual; collected payloads under tests/data/webhooks.
#pragma once

#include <belay/ports/forge.hpp>

#include <string_view>
#include <vector>

namespace belay::forge {

struct GiteaTraits {
    std::string_view name;
    std::string_view event_header;
    std::string_view id_header;
    std::vector<std::string_view> signature_headers;  // bare hex
    // Gitea and Forgejo: X-Hub-Signature-256, an Authorization header of the user's own, and GET.
    bool extended = false;
    // Gogs reports a new tag by `create` alone; the others push it besides.
    bool tags_by_create = false;
};

class GiteaFamily : public ports::Forge {
  public:
    explicit GiteaFamily(GiteaTraits traits) : traits_(std::move(traits)) {}

    std::string_view name() const override { return traits_.name; }
    bool recognises(const ports::HookRequest& request) const override;
    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override;
    Result<domain::Push> parse(const ports::HookRequest& request) const override;

  private:
    GiteaTraits traits_;
};

}  // namespace belay::forge
