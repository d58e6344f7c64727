#include "forges.hpp"
#include "gitea_family.hpp"

namespace belay::forge {

const ports::Forge& gitea() {
    static const GiteaFamily forge({.name = "gitea",
                                    .event_header = "X-Gitea-Event",
                                    .id_header = "X-Gitea-Delivery",
                                    .signature_headers = {"X-Gitea-Signature", "X-Gogs-Signature"},
                                    .extended = true});
    return forge;
}

}  // namespace belay::forge
