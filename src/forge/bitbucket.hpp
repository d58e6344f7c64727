// What Bitbucket Cloud and Bitbucket Data Center (once Server) have in common: one event header,
// and the shape of `repo:push`, which the Post Webhooks plugin sends for a server.
#pragma once

#include "proof.hpp"
#include "record.hpp"

#include <belay/ports/forge.hpp>

namespace belay::forge {

// For read_record(): all that read_bitbucket_push() looks at.
const std::vector<Field>& bitbucket_push_fields();

// `push.changes[]`: old and new, null where the ref did or does not exist.
Result<void> read_bitbucket_push(const Record& record, domain::Push& push);

std::string bitbucket_pusher(const Values& values);

// Bitbucket Cloud's X-Hub-Signature (sha256, other than GitHub's header of that name).
void offer_bitbucket_hmac(const ports::HookRequest& head, const std::vector<Secret>& secrets,
                          Proof& proof);

}  // namespace belay::forge
