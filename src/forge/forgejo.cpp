#include "forges.hpp"
#include "gitea_family.hpp"

namespace belay::forge {

const ports::Forge& forgejo() {
    static const GiteaFamily forge(
        {.name = "forgejo",
         .event_header = "X-Forgejo-Event",
         .id_header = "X-Forgejo-Delivery",
         .signature_headers = {"X-Forgejo-Signature", "X-Gitea-Signature", "X-Gogs-Signature"},
         .extended = true});
    return forge;
}

}  // namespace belay::forge
