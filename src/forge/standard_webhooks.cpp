#include "standard_webhooks.hpp"

#include <charconv>
#include <chrono>

namespace belay::forge {
namespace {

constexpr Seconds kTolerance{300};  // as the reference libraries have it
constexpr std::size_t kMostSignatures = 16;

// `whsec_` and base64, or any text as it is.
std::string key_of(std::string_view secret) {
    constexpr std::string_view kPrefix = "whsec_";
    if (secret.starts_with(kPrefix))
        if (auto key = parse_base64(secret.substr(kPrefix.size()))) return *key;
    return std::string(secret);
}

bool is_recent(std::string_view timestamp, TimePoint received_at) {
    std::int64_t seconds = 0;
    auto [end, failure] =
        std::from_chars(timestamp.data(), timestamp.data() + timestamp.size(), seconds);
    constexpr std::int64_t kFarFuture = 1'000'000'000'000;  // keeps the difference within range
    if (timestamp.empty() || failure != std::errc{} || end != timestamp.data() + timestamp.size() ||
        seconds < 0 || seconds > kFarFuture)
        return false;
    auto difference =
        std::chrono::floor<Seconds>(received_at.time_since_epoch()) - Seconds(seconds);
    return std::chrono::abs(difference) <= kTolerance;
}

bool is_message_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && id.find('.') == id.npos;
}

// "v1,BASE64 v1a,BASE64 ...": what stands behind `version`, of the first signatures.
std::vector<std::string_view> signatures_of(const ports::HookRequest& head,
                                            std::string_view version) {
    std::vector<std::string_view> signatures;
    if (!is_message_id(head.header("webhook-id")) ||
        !is_recent(head.header("webhook-timestamp"), head.received_at))
        return signatures;
    auto list = head.header("webhook-signature");
    for (std::size_t count = 0; !list.empty() && count < kMostSignatures; ++count) {
        auto end = std::min(list.find(' '), list.size());
        auto entry = list.substr(0, end);
        if (entry.starts_with(version)) signatures.push_back(entry.substr(version.size()));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return signatures;
}

std::string prefix_of(const ports::HookRequest& head) {
    return std::string(head.header("webhook-id")) + "." +
           std::string(head.header("webhook-timestamp")) + ".";
}

}  // namespace

void offer_standard_hmacs(const ports::HookRequest& head, const std::vector<Secret>& secrets,
                          Proof& proof) {
    for (const auto& secret : texts_of(secrets))
        proof.keys.push_back(key_of(secret));
    for (auto signature : signatures_of(head, "v1,"))
        if (auto digest = parse_base64_digest(signature)) proof.hmacs.push_back(*digest);
    proof.prefix = prefix_of(head);
}

KeyProof standard_signatures(const ports::HookRequest& head, const std::vector<Secret>& secrets) {
    KeyProof proof;
    proof.keys = public_keys_of(secrets, false);
    for (auto text : signatures_of(head, "v1a,"))
        if (auto signature = parse_base64_signature(text)) proof.signatures.push_back(*signature);
    proof.prefix = prefix_of(head);
    return proof;
}

}  // namespace belay::forge
