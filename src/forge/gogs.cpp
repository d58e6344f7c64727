#include "forges.hpp"
#include "gitea_family.hpp"

namespace belay::forge {

const ports::Forge& gogs() {
    static const GiteaFamily forge({.name = "gogs",
                                    .event_header = "X-Gogs-Event",
                                    .id_header = "X-Gogs-Delivery",
                                    .signature_headers = {"X-Gogs-Signature"},
                                    .tags_by_create = true});
    return forge;
}

}  // namespace belay::forge
