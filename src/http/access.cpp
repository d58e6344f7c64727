#include "access.hpp"

#include "digest.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

namespace belay::http {
namespace {

// Told by its beginning, for people and for scanners of leaked secrets.
constexpr std::string_view kPrefix = "belay_";
constexpr std::size_t kBytes = 32;
constexpr std::size_t kMost = 1'000;
constexpr std::size_t kLongestName = 64;
constexpr Millis kLongestLife{3'650LL * 24 * 60 * 60 * 1'000};
// A token's last use is stored this often at most: it is for people who clean up.
constexpr Millis kUseStored{60'000};

// RFC 4648 §6 in lower case, without padding: one word to double-click, safe in every shell.
std::string base32(std::string_view bytes) {
    constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
    std::string text;
    std::uint32_t bits = 0;
    int count = 0;
    for (char byte : bytes) {
        bits = bits << 8 | static_cast<unsigned char>(byte);
        for (count += 8; count >= 5; count -= 5)
            text += kDigits[bits >> (count - 5) & 31u];
    }
    if (count > 0) text += kDigits[bits << (5 - count) & 31u];
    return text;
}

// One round of SHA-256 and no salt: a token is 256 random bits, so there is no dictionary to try
// and nothing that two could share. A slow hash, as passwords need it, would only let strangers
// spend our processor.
std::string digest_of(std::string_view token) {
    Sha256 digest;
    digest.feed(token);
    return digest.finish();
}

bool same(const std::string& left, const std::string& right) {
    return left.size() == right.size() &&
           CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

Result<void> check_name(std::string_view name) {
    auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    bool fine = !name.empty() && name.size() <= kLongestName && plain(name.front()) &&
                std::all_of(name.begin(), name.end(), [&](char c) {
                    return plain(c) || c == '-' || c == '_' || c == '.' || c == '@';
                });
    if (fine) return {};
    return Error{Errc::invalid,
                 fmt::format("\"{}\" is no name for a token: up to {} letters, digits and . _ - @, "
                             "the first a letter or digit",
                             name.substr(0, kLongestName), kLongestName)};
}

Error no_token(std::string_view name) {
    return Error{Errc::not_found, fmt::format("there is no token \"{}\"", name)};
}

}  // namespace

Task<void> Access::load() {
    if (store_) {
        auto stored = co_await store_->tokens();
        usable_ = stored.has_value();
        if (!stored) {
            problem_ = Error{Errc::unavailable, "the tokens can't be read at present"};
            log::error("the tokens can't be read, so none is taken",
                       {{"error", stored.error().message}});
        } else {
            for (auto& token : *stored) {
                auto& held = held_[token.id];
                held.use_saved = token.last_used_at;
                held.token = std::move(token);
            }
        }
    } else {
        problem_ = Error{Errc::unavailable,
                         "there are no tokens, as the database can't be used: `belay status` on "
                         "the server says why"};
    }
    loaded_.set();
}

Task<Result<void>> Access::loaded() {
    co_await loaded_.wait();
    if (usable_) co_return Result<void>();
    co_return problem_;
}

bool Access::is_valid(const Held& held) const {
    const auto& token = held.token;
    return !held.revoked && (token.expires_at == TimePoint{} || timers_.now() < token.expires_at);
}

bool Access::is_valid(std::int64_t id) const {
    auto place = held_.find(id);
    return place != held_.end() && is_valid(place->second);
}

Task<Result<Access::Holder>> Access::holder_of(std::string token, std::string from) {
    auto ready = co_await loaded();
    if (!ready) co_return ready.error();
    auto digest = digest_of(token);
    // All are compared, each in constant time, whichever fits.
    Held* found = nullptr;
    for (auto& [id, held] : held_)
        if (same(held.token.digest, digest)) found = &held;
    if (!found || !is_valid(*found))
        co_return Error{Errc::unauthorized, "the token is wrong, expired or revoked"};
    note_use(*found, std::move(from));
    co_return Holder{found->token.id, found->token.name, found->token.role};
}

void Access::note_use(Held& held, std::string from) {
    held.token.last_used_at = timers_.now();
    held.token.last_used_from = std::move(from);
    if (held.saving || held.token.last_used_at - held.use_saved < kUseStored) return;
    held.saving = true;
    tasks_.spawn("a token's use", save_use(held.token.id));
}

Task<void> Access::save_use(std::int64_t id) {
    auto place = held_.find(id);
    if (place == held_.end()) co_return;
    const auto& token = place->second.token;
    const auto at = token.last_used_at;
    std::vector<ports::Write> batch;
    batch.emplace_back(ports::PutTokenUse{id, at, token.last_used_from});
    // What can't be stored is tried again with a later use.
    co_await store_->commit(std::move(batch));
    place = held_.find(id);
    if (place == held_.end()) co_return;
    place->second.use_saved = at;
    place->second.saving = false;
}

Task<void> Access::save_uses() {
    std::vector<ports::Write> batch;
    for (const auto& [id, held] : held_)
        if (held.token.last_used_at != held.use_saved)
            batch.emplace_back(
                ports::PutTokenUse{id, held.token.last_used_at, held.token.last_used_from});
    if (!batch.empty()) co_await store_->commit(std::move(batch));
}

Access::Watch Access::watch(std::int64_t id, std::function<void()> end) {
    Watch watch;
    if (id == 0) return watch;
    if (!is_valid(id)) {
        end();
        return watch;
    }
    const auto& held = held_.at(id);
    if (held.token.expires_at != TimePoint{})
        watch.expired = timers_.after(held.token.expires_at - timers_.now(), end);
    watch.revoked = held.ended.on_request(std::move(end));
    return watch;
}

Task<Result<Access::Made>> Access::create(Wish wish) {
    auto ready = co_await loaded();
    if (!ready) co_return ready.error();
    auto named = check_name(wish.name);
    if (!named) co_return named.error();
    if (wish.role == domain::Role::none)
        co_return Error{Errc::invalid, "a token's role is read, deploy or admin"};
    if (wish.lifetime < Millis{0} || wish.lifetime > kLongestLife)
        co_return Error{Errc::invalid, "a token lives for 3650d at most"};
    if (held_.size() >= kMost)
        co_return Error{Errc::limit,
                        fmt::format("there are {} tokens already: revoke some first", kMost)};
    Made made;
    made.text = Secret(std::string(kPrefix) + base32(random_bytes(kBytes)));
    made.token.name = std::move(wish.name);
    made.token.role = wish.role;
    made.token.digest = digest_of(made.text.reveal());
    made.token.created_by = std::move(wish.by);
    made.token.created_at = timers_.now();
    if (wish.lifetime > Millis{0}) made.token.expires_at = made.token.created_at + wish.lifetime;
    std::vector<ports::Write> batch;
    batch.emplace_back(ports::AddToken{made.token});
    auto stored = co_await store_->commit(std::move(batch));
    if (!stored) co_return stored.error();
    made.token.id = stored->access_ids.at(0);
    held_[made.token.id].token = made.token;
    co_return made;
}

Task<Result<void>> Access::revoke(std::string name) {
    auto ready = co_await loaded();
    if (!ready) co_return ready.error();
    auto place = std::find_if(held_.begin(), held_.end(),
                              [&](const auto& each) { return each.second.token.name == name; });
    if (place == held_.end()) co_return no_token(name);
    // Ended first: whoever revokes a token does not want it to work on while the disk is full.
    const auto id = place->first;
    place->second.revoked = true;
    place->second.ended.request();
    std::vector<ports::Write> batch;
    batch.emplace_back(ports::RemoveToken{id});
    auto stored = co_await store_->commit(std::move(batch));
    if (!stored)
        co_return prefixed(fmt::format("the token {} ends now, but that is not stored: revoke it "
                                       "again before the daemon is started anew",
                                       name),
                           stored.error());
    held_.erase(id);
    co_return Result<void>();
}

Task<Result<std::vector<domain::Token>>> Access::tokens() {
    auto ready = co_await loaded();
    if (!ready) co_return ready.error();
    std::vector<domain::Token> all;
    for (const auto& [id, held] : held_)
        all.push_back(held.token);
    std::sort(all.begin(), all.end(),
              [](const auto& left, const auto& right) { return left.name < right.name; });
    co_return all;
}

}  // namespace belay::http
