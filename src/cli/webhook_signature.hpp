// Standard Webhooks 1.0 (standard-webhooks/standard-webhooks, spec/standard-webhooks.md), the
// sender's side.
#pragma once

#include <belay/base/secret.hpp>

#include <string>
#include <string_view>

namespace belay::cli {

// The value of `webhook-signature`: "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body".
// The key is what `whsec_` and base64 stand for, else the secret's text as it is.
std::string webhook_signature(const Secret& secret, std::string_view id, std::string_view timestamp,
                              std::string_view body);

// "msg_" and 32 random hex digits: the same for every try of one delivery.
std::string make_webhook_id();

}  // namespace belay::cli
