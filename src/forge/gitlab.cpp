// GitLab: project and group hooks, and an instance's system hooks. Source of headers and shapes:
// GitLab's manual, "Webhooks", "Webhook events" and "System hooks"; gitlabhq/gitlabhq
// app/services/web_hook_service.rb; collected payloads under tests/data/webhooks/gitlab.
#include "change.hpp"
#include "forges.hpp"
#include "record.hpp"
#include "standard_webhooks.hpp"

namespace belay::forge {
namespace {

using domain::Push;
using domain::Repository;

const std::vector<Field> kFields{
    {"object_kind", FieldType::hint},
    {"event_name", FieldType::hint},
    {"path_with_namespace", FieldType::hint},  // of system hooks about projects
    {"ref"},
    {"before"},
    {"after"},
    {"checkout_sha"},
    {"user_username", FieldType::hint},
    {"user_name", FieldType::hint},
    {"project.path_with_namespace"},
    {"project.web_url"},
    {"project.homepage", FieldType::hint},
    {"project.git_http_url"},
    {"project.git_ssh_url"},
    // the older twin of `project`
    {"repository.homepage", FieldType::hint},
    {"repository.git_http_url", FieldType::hint},
    {"repository.git_ssh_url", FieldType::hint},
    {"commits[].id", FieldType::hint},
    {"commits[].message", FieldType::hint},
};

std::optional<Repository> read_repository(const Values& values) {
    Repository repository;
    repository.full_name =
        values.first_text({"project.path_with_namespace", "path_with_namespace"});
    repository.web_url =
        values.first_text({"project.web_url", "project.homepage", "repository.homepage"});
    repository.clone_http = values.first_text({"project.git_http_url", "repository.git_http_url"});
    repository.clone_ssh = values.first_text({"project.git_ssh_url", "repository.git_ssh_url"});
    if (repository == Repository()) return std::nullopt;
    return repository;
}

// For annotated tags `after` is the tag object and `checkout_sha` the commit.
Result<void> read_push(const Record& record, Push& push) {
    const auto& values = record.values;
    for (auto field : {"ref", "after"})
        if (!values.has(field))
            return Error{Errc::invalid, "the field \"" + std::string(field) +
                                            "\" is missing (a custom webhook template?)"};
    RawChange raw;
    raw.ref = values.text_or_empty("ref");
    raw.before = values.text("before");
    raw.after = values.text("after");
    raw.commit = values.text("checkout_sha");
    if (auto added = add_change(raw, push); !added) return added;
    for (const auto& commit : record.list("commits"))
        if (!push.changes.empty() && commit.text("id") == push.changes.front().commit)
            push.head_message = first_line(commit.text_or_empty("message"));
    return {};
}

bool is_push(std::string_view header, const Values& values) {
    if (header == "Push Hook" || header == "Tag Push Hook") return true;
    auto kind = values.first_text({"event_name", "object_kind"});
    return header == "System Hook" && (kind == "push" || kind == "tag_push");
}

class Gitlab : public ports::Forge {
  public:
    std::string_view name() const override { return "gitlab"; }

    bool recognises(const ports::HookRequest& request) const override {
        return !request.header("X-Gitlab-Event").empty();
    }

    // The secret token in clear, or the signing token by Standard Webhooks.
    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        Proof proof;
        proof.secrets = texts_of(secrets);
        proof.texts.emplace_back(head.header("X-Gitlab-Token"));
        offer_standard_hmacs(head, secrets, proof);
        return check_secret(std::move(proof));
    }

    Result<Push> parse(const ports::HookRequest& request) const override {
        Push push;
        auto event = event_header(request, "X-Gitlab-Event");
        if (!event) return event.error();
        push.event = std::move(*event);
        for (auto header : {"webhook-id", "Idempotency-Key"}) {
            auto id = short_header(request, header);
            if (!id) return id.error();
            if (!id->empty()) push.delivery_id = std::move(*id);
        }
        auto record = read_record_of(request, kFields);
        if (!record) return record.error();
        push.repository = read_repository(record->values);
        push.pusher = record->values.first_text({"user_username", "user_name"});
        if (!is_push(push.event, record->values)) return push;
        if (record->wrong) return Error{Errc::invalid, *record->wrong};
        if (auto read = read_push(*record, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& gitlab() {
    static const Gitlab forge;
    return forge;
}

}  // namespace belay::forge
