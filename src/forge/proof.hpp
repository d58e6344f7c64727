// How a delivery proves that its sender knows one of the app's secrets: the checks that all forges
// are made of.
#pragma once

#include "hook_body.hpp"
#include "signature.hpp"

#include <belay/ports/forge.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::forge {

// What is known here beside what a request offers. An empty key or secret never passes.
struct Proof {
    std::vector<std::string> keys;  // of HMAC-SHA256
    std::vector<Digest> hmacs;      // offered; over `prefix` and all that is fed
    std::string prefix;
    std::vector<std::string> secrets;  // texts that must be offered as they are
    std::vector<std::string> texts;    // offered
};

// Passes when an offered HMAC is that of a key, or an offered text is a secret.
std::unique_ptr<ports::BodyCheck> check_secret(Proof proof);

// Judges the decoded field `payload` in place of the form that is fed.
std::unique_ptr<ports::BodyCheck> check_form(std::unique_ptr<ports::BodyCheck> judge);

// Passes when an offered signature is that of a key over `prefix`, the body and `suffix`; never for
// bodies over 256 KiB, as they can't be judged while they come in.
struct KeyProof {
    std::vector<PublicKey> keys;
    std::vector<Ed25519Signature> signatures;  // offered; four at most are looked at
    std::string prefix;
    std::string suffix;
};
std::unique_ptr<ports::BodyCheck> check_key(KeyProof proof);

// Passes when one of the two does; both are always asked.
std::unique_ptr<ports::BodyCheck> either(std::unique_ptr<ports::BodyCheck> one,
                                         std::unique_ptr<ports::BodyCheck> other);

// The secrets' texts, without public keys.
std::vector<std::string> texts_of(const std::vector<Secret>& secrets);

// Those of the secrets that are Ed25519 keys: "whpk_" and base64, and where `bare` just base64.
std::vector<PublicKey> public_keys_of(const std::vector<Secret>& secrets, bool bare);

// "PREFIX" and 64 hex digits in the header of that name.
void offer_hex(const ports::HookRequest& head, std::string_view header, std::string_view prefix,
               Proof& proof);

// Texts of an Authorization header that may be a secret. Basic (RFC 7617): the password, and
// "user:password".
void offer_basic(const ports::HookRequest& head, Proof& proof);
// RFC 6750.
void offer_bearer(const ports::HookRequest& head, Proof& proof);
// What a user may write into a field called "Authorization header": either of these, `token TEXT`,
// or the text alone.
void offer_authorization(const ports::HookRequest& head, Proof& proof);

// The values of the query's fields, whatever their names.
void offer_query(const ports::HookRequest& head, Proof& proof);
// The values of the headers, whatever their names.
void offer_headers(const ports::HookRequest& head, Proof& proof);

bool has_bearer(const ports::HookRequest& head);
bool has_query(const ports::HookRequest& head);

}  // namespace belay::forge
