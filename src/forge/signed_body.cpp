#include "signed_body.hpp"

namespace belay::forge {

SignedBody::SignedBody(const std::vector<std::string>& keys, std::vector<Digest> signatures,
                       std::string_view prefix)
    : signatures_(std::move(signatures)) {
    for (const auto& key : keys)
        if (!key.empty()) hashes_.emplace_back(key);
    feed(prefix);
}

void SignedBody::feed(std::string_view bytes) {
    for (auto& hash : hashes_)
        hash.feed(bytes);
}

Result<void> SignedBody::finish() {
    bool passed = false;
    for (auto& hash : hashes_) {
        auto digest = hash.finish();
        for (const auto& signature : signatures_)
            passed |= same(digest, signature);
    }
    if (!passed) return Error{Errc::unauthorized, "the signature is missing or wrong"};
    return {};
}

}  // namespace belay::forge
