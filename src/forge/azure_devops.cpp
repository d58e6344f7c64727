// Azure DevOps Services and Server. Source of shapes: learn.microsoft.com, "Service hooks events"
// (git.push) and "Webhooks"; collected payloads under tests/data/webhooks/azure-devops. There is
// neither an event header nor a signature: the subscription sends Basic credentials or headers of
// the user's own.
#include "change.hpp"
#include "forges.hpp"
#include "proof.hpp"
#include "record.hpp"

namespace belay::forge {
namespace {

using domain::Push;
using domain::Repository;

const std::vector<Field> kFields{
    {"eventType"},
    {"resource.refUpdates[].name"},
    {"resource.refUpdates[].oldObjectId"},
    {"resource.refUpdates[].newObjectId"},
    {"resource.refUpdates[].forced", FieldType::boolean},
    {"resource.commits[].commitId", FieldType::hint},
    {"resource.commits[].comment", FieldType::hint},
    {"resource.pushedBy.displayName", FieldType::hint},
    {"resource.pushedBy.uniqueName", FieldType::hint},
    {"resource.repository.name"},
    {"resource.repository.project.name"},
    {"resource.repository.remoteUrl"},
    {"resource.repository.webUrl", FieldType::hint},
    {"resource.repository.sshUrl", FieldType::hint},
};

std::optional<Repository> read_repository(const Values& values) {
    Repository repository;
    auto project = values.text_or_empty("resource.repository.project.name");
    auto name = values.text_or_empty("resource.repository.name");
    if (!project.empty() && !name.empty()) repository.full_name = project + "/" + name;
    repository.clone_http = values.text_or_empty("resource.repository.remoteUrl");
    repository.clone_ssh = values.text_or_empty("resource.repository.sshUrl");
    repository.web_url =
        values.first_text({"resource.repository.webUrl", "resource.repository.remoteUrl"});
    if (repository == Repository()) return std::nullopt;
    return repository;
}

Result<void> read_push(const Record& record, Push& push) {
    if (auto fits = record.check_length("resource.refUpdates"); !fits) return fits;
    for (const auto& update : record.list("resource.refUpdates")) {
        for (auto field : {"name", "newObjectId"})
            if (!update.has(field))
                return Error{Errc::invalid, "resource.refUpdates: the field \"" +
                                                std::string(field) + "\" is missing"};
        RawChange raw;
        raw.ref = update.text_or_empty("name");
        raw.before = update.text("oldObjectId");
        raw.after = update.text("newObjectId");
        raw.forced = update.boolean("forced");
        if (auto added = add_change(raw, push); !added)
            return prefixed("resource.refUpdates", added.error());
        for (const auto& commit : record.list("resource.commits"))
            if (commit.text("commitId") == raw.after && push.head_message.empty())
                push.head_message = first_line(commit.text_or_empty("comment"));
    }
    return {};
}

class AzureDevops : public ports::Forge {
  public:
    std::string_view name() const override { return "azure-devops"; }

    // Only the body tells, so it is asked last, when all others have declined.
    bool recognises(const ports::HookRequest& request) const override {
        return request.method == "POST";
    }

    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        Proof proof;
        proof.secrets = texts_of(secrets);
        offer_authorization(head, proof);
        offer_headers(head, proof);
        return check_secret(std::move(proof));
    }

    // The body's `id` is no delivery id: it is the sender's to choose, and nothing signs it.
    Result<Push> parse(const ports::HookRequest& request) const override {
        Push push;
        auto record = read_record_of(request, kFields);
        if (!record) return record.error();
        const auto& values = record->values;
        push.event = first_line(values.text_or_empty("eventType"));
        push.repository = read_repository(values);
        push.pusher =
            values.first_text({"resource.pushedBy.displayName", "resource.pushedBy.uniqueName"});
        if (push.event.empty())
            return Error{Errc::invalid,
                         "the field \"eventType\" is missing: this is no delivery of Azure DevOps, "
                         "and no header tells whose it is"};
        if (push.event != "git.push") return push;
        if (record->wrong) return Error{Errc::invalid, *record->wrong};
        if (!record->lists.contains("resource.refUpdates")) {
            push.note =
                "the subscription leaves out what was pushed: set \"Resource details to "
                "send\" to All";
            return push;
        }
        if (auto read = read_push(*record, push); !read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& azure_devops() {
    static const AzureDevops forge;
    return forge;
}

}  // namespace belay::forge
