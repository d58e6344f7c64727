#include "proof.hpp"

#include "encode.hpp"

#include <algorithm>

namespace belay::forge {
namespace {

constexpr std::string_view kPublicKey = "whpk_";
constexpr std::size_t kLargestKeyBody = 256u << 10u;
constexpr std::size_t kMostSignatures = 4;
constexpr std::size_t kMostTexts = 64;

// Nobody's: stands in where an app has no key, so that it costs the same (RFC 8032 §7.1, test 1).
constexpr PublicKey kNobodys{0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
                             0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
                             0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};

Result<void> verdict(bool passed) {
    if (!passed) return Error{Errc::unauthorized, "the signature is missing or wrong"};
    return {};
}

class SecretCheck : public ports::BodyCheck {
  public:
    explicit SecretCheck(Proof proof)
        : hmacs_(std::move(proof.hmacs)), texts_(std::move(proof.texts)) {
        for (const auto& key : proof.keys)
            if (!key.empty()) hashes_.emplace_back(key);
        for (auto& secret : proof.secrets)
            if (!secret.empty()) secrets_.push_back(fingerprint(secret));
        of_body_alone_ = proof.prefix.empty();
        feed(proof.prefix);
    }

    void feed(std::string_view bytes) override {
        for (auto& hash : hashes_)
            hash.feed(bytes);
    }

    Result<void> finish(std::string_view) override {
        bool passed = false;
        for (auto& hash : hashes_) {
            auto digest = hash.finish();
            if (!first_) first_ = digest;
            for (const auto& hmac : hmacs_)
                passed |= same(digest, hmac);
        }
        for (const auto& text : texts_) {
            auto offered = fingerprint(text);
            for (const auto& secret : secrets_)
                passed |= same(secret, offered);
        }
        return verdict(passed);
    }

    std::string digest() const override {
        if (!first_ || !of_body_alone_) return {};
        return to_hex({reinterpret_cast<const char*>(first_->data()), first_->size()});
    }

  private:
    std::vector<Hmac> hashes_;
    std::optional<Digest> first_;
    bool of_body_alone_ = true;
    std::vector<Digest> hmacs_;
    std::vector<Digest> secrets_;
    std::vector<std::string> texts_;
};

// A form that is broken is judged by what could be decoded; reading it is what refuses it.
class FormCheck : public ports::BodyCheck {
  public:
    explicit FormCheck(std::unique_ptr<ports::BodyCheck> judge) : judge_(std::move(judge)) {}

    void feed(std::string_view bytes) override {
        decoded_.clear();
        form_.feed(bytes, decoded_);
        judge_->feed(decoded_);
    }

    Result<void> finish(std::string_view body) override { return judge_->finish(body); }
    std::string digest() const override { return judge_->digest(); }

  private:
    std::unique_ptr<ports::BodyCheck> judge_;
    FormPayload form_;
    std::string decoded_;
};

class KeyCheck : public ports::BodyCheck {
  public:
    explicit KeyCheck(KeyProof proof) : proof_(std::move(proof)), known_(!proof_.keys.empty()) {
        if (!known_) proof_.keys.push_back(kNobodys);
        if (proof_.signatures.size() > kMostSignatures) proof_.signatures.resize(kMostSignatures);
    }

    void feed(std::string_view) override {}

    Result<void> finish(std::string_view body) override {
        if (body.size() > kLargestKeyBody || proof_.signatures.empty()) return verdict(false);
        auto message = proof_.prefix;
        message += body;
        message += proof_.suffix;
        bool passed = false;
        for (const auto& key : proof_.keys)
            for (const auto& signature : proof_.signatures)
                passed |= verify_ed25519(key, signature, message);
        return verdict(passed && known_);
    }

  private:
    KeyProof proof_;
    bool known_;
};

class Either : public ports::BodyCheck {
  public:
    Either(std::unique_ptr<ports::BodyCheck> one, std::unique_ptr<ports::BodyCheck> other)
        : one_(std::move(one)), other_(std::move(other)) {}

    void feed(std::string_view bytes) override {
        one_->feed(bytes);
        other_->feed(bytes);
    }

    Result<void> finish(std::string_view body) override {
        auto one = one_->finish(body);
        auto other = other_->finish(body);
        return verdict(one.has_value() || other.has_value());
    }

    std::string digest() const override {
        auto one = one_->digest();
        return one.empty() ? other_->digest() : one;
    }

  private:
    std::unique_ptr<ports::BodyCheck> one_;
    std::unique_ptr<ports::BodyCheck> other_;
};

void offer(std::string_view text, Proof& proof) {
    if (!text.empty() && proof.texts.size() < kMostTexts) proof.texts.emplace_back(text);
}

// "SCHEME text" in the Authorization header, whatever the scheme's case; else empty.
std::string_view authorization(const ports::HookRequest& head, std::string_view scheme) {
    auto value = head.header("Authorization");
    if (value.size() <= scheme.size() || value[scheme.size()] != ' ' ||
        !equal_ignoring_case(value.substr(0, scheme.size()), scheme))
        return {};
    value.remove_prefix(scheme.size());
    while (value.starts_with(' '))
        value.remove_prefix(1);
    return value;
}

}  // namespace

std::unique_ptr<ports::BodyCheck> check_secret(Proof proof) {
    return std::make_unique<SecretCheck>(std::move(proof));
}

std::unique_ptr<ports::BodyCheck> check_form(std::unique_ptr<ports::BodyCheck> judge) {
    return std::make_unique<FormCheck>(std::move(judge));
}

std::unique_ptr<ports::BodyCheck> check_key(KeyProof proof) {
    return std::make_unique<KeyCheck>(std::move(proof));
}

std::unique_ptr<ports::BodyCheck> either(std::unique_ptr<ports::BodyCheck> one,
                                         std::unique_ptr<ports::BodyCheck> other) {
    return std::make_unique<Either>(std::move(one), std::move(other));
}

std::vector<std::string> texts_of(const std::vector<Secret>& secrets) {
    std::vector<std::string> texts;
    for (const auto& secret : secrets)
        if (!secret.reveal().starts_with(kPublicKey)) texts.push_back(secret.reveal());
    return texts;
}

std::vector<PublicKey> public_keys_of(const std::vector<Secret>& secrets, bool bare) {
    std::vector<PublicKey> keys;
    for (const auto& secret : secrets) {
        std::string_view text = secret.reveal();
        if (text.starts_with(kPublicKey))
            text.remove_prefix(kPublicKey.size());
        else if (!bare)
            continue;
        if (auto key = parse_base64_digest(text)) keys.push_back(*key);
    }
    return keys;
}

void offer_hex(const ports::HookRequest& head, std::string_view header, std::string_view prefix,
               Proof& proof) {
    auto value = head.header(header);
    if (!value.starts_with(prefix)) return;
    if (auto digest = parse_hex(value.substr(prefix.size()))) proof.hmacs.push_back(*digest);
}

void offer_basic(const ports::HookRequest& head, Proof& proof) {
    auto pair = parse_base64(authorization(head, "Basic"));
    if (!pair) return;
    offer(*pair, proof);
    if (auto colon = pair->find(':'); colon != pair->npos)
        offer(std::string_view(*pair).substr(colon + 1), proof);
}

void offer_bearer(const ports::HookRequest& head, Proof& proof) {
    offer(authorization(head, "Bearer"), proof);
}

void offer_authorization(const ports::HookRequest& head, Proof& proof) {
    offer(head.header("Authorization"), proof);
    offer(authorization(head, "token"), proof);
    offer_bearer(head, proof);
    offer_basic(head, proof);
}

void offer_query(const ports::HookRequest& head, Proof& proof) {
    for_each_query_field(head.target, [&proof](std::string_view, std::string_view value) {
        auto text = decode_form(value);
        if (text) offer(*text, proof);
    });
}

void offer_headers(const ports::HookRequest& head, Proof& proof) {
    for (const auto& [name, value] : head.headers)
        offer(value, proof);
}

bool has_bearer(const ports::HookRequest& head) {
    return !authorization(head, "Bearer").empty();
}

bool has_query(const ports::HookRequest& head) {
    return head.target.find('?') != std::string::npos;
}

}  // namespace belay::forge
