// Standard Webhooks 1.0 (standard-webhooks/standard-webhooks, spec/standard-webhooks.md): HMAC or
// Ed25519 over "id.timestamp.body".
#pragma once

#include "proof.hpp"

namespace belay::forge {

// Offers what `webhook-signature` holds where `webhook-id` and `webhook-timestamp` are well formed
// and the time is within five minutes of `head.received_at`; other versions are passed over.
// Secrets are `whsec_` and base64, or any text as it is.
void offer_standard_hmacs(const ports::HookRequest& head, const std::vector<Secret>& secrets,
                          Proof& proof);
// "v1a"; the keys are `whpk_` and base64.
KeyProof standard_signatures(const ports::HookRequest& head, const std::vector<Secret>& secrets);

}  // namespace belay::forge
