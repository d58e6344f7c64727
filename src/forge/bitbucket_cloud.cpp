// Bitbucket Cloud. Source of headers and shapes: support.atlassian.com, "Manage webhooks" and
// "Event payloads"; collected payloads under tests/data/webhooks/bitbucket-cloud.
#include "bitbucket.hpp"
#include "change.hpp"
#include "forges.hpp"

namespace belay::forge {
namespace {

using domain::Push;
using domain::Repository;

std::vector<Field> fields() {
    auto all = bitbucket_push_fields();
    all.insert(all.end(),
               {{"repository.full_name"}, {"repository.links.html.href", FieldType::hint}});
    return all;
}
const std::vector<Field> kFields = fields();

// There are no addresses to clone from in the body; the convention makes them.
std::optional<Repository> read_repository(const Values& values) {
    Repository repository;
    repository.full_name = values.text_or_empty("repository.full_name");
    if (repository.full_name.empty()) return std::nullopt;
    repository.web_url = values.text_or_empty("repository.links.html.href");
    repository.derived_http = "https://bitbucket.org/" + repository.full_name + ".git";
    repository.derived_ssh = "git@bitbucket.org:" + repository.full_name + ".git";
    return repository;
}

class BitbucketCloud : public ports::Forge {
  public:
    std::string_view name() const override { return "bitbucket-cloud"; }

    // X-Event-Key is Data Center's as well.
    bool recognises(const ports::HookRequest& request) const override {
        auto event = request.header("X-Event-Key");
        if (event.empty() || !request.header("X-Request-Id").empty()) return false;
        return !request.header("X-Hook-UUID").empty() ||
               !request.header("X-Request-UUID").empty() || event == "repo:push" ||
               event.starts_with("pullrequest:") || event.starts_with("issue:");
    }

    // Hooks from before 2023 have no signature: their secret stands in the URL.
    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        Proof proof;
        offer_bitbucket_hmac(head, secrets, proof);
        proof.secrets = texts_of(secrets);
        offer_query(head, proof);
        return check_secret(std::move(proof));
    }

    Result<Push> parse(const ports::HookRequest& request) const override {
        auto headed = push_of_headers(request, "X-Event-Key", "X-Request-UUID");
        if (!headed) return headed.error();
        auto push = std::move(*headed);
        auto record = read_record_of(request, kFields);
        if (!record) return record.error();
        push.repository = read_repository(record->values);
        push.pusher = bitbucket_pusher(record->values);
        if (push.event != "repo:push") return push;
        if (record->wrong) return Error{Errc::invalid, *record->wrong};
        if (auto read = read_bitbucket_push(*record, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& bitbucket_cloud() {
    static const BitbucketCloud forge;
    return forge;
}

}  // namespace belay::forge
