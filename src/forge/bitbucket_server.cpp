// Bitbucket Data Center, once Server. Source of headers and shapes: confluence.atlassian.com,
// "Manage webhooks" and "Event payload"; of the Post Webhooks plugin and `diagnostics:ping`:
// jenkinsci/ bitbucket-branch-source-plugin; collected payloads under
// tests/data/webhooks/bitbucket-server.
#include "bitbucket.hpp"
#include "change.hpp"
#include "forges.hpp"

#include <algorithm>

namespace belay::forge {
namespace {

using domain::Push;
using domain::PushKind;
using domain::Repository;

std::vector<Field> fields() {
    auto all = bitbucket_push_fields();
    all.insert(all.end(), {{"refLimitExceeded", FieldType::boolean},
                           {"changes[].ref.id"},
                           {"changes[].ref.displayId"},
                           {"changes[].ref.type"},
                           {"changes[].refId"},
                           {"changes[].fromHash"},
                           {"changes[].toHash"},
                           {"toCommit.id"},
                           {"toCommit.message", FieldType::hint},
                           {"repository.slug"},
                           {"repository.fullName", FieldType::hint},
                           {"repository.project.key"},
                           {"repository.links.clone[].name", FieldType::hint},
                           {"repository.links.clone[].href", FieldType::hint},
                           {"repository.links.self[].href", FieldType::hint}});
    return all;
}
const std::vector<Field> kFields = fields();

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

// Without links.clone the convention makes the addresses: BASE/scm/KEY/SLUG.git, and for ssh the
// same without the port, which nothing tells.
void derive(const std::string& path, Repository& repository) {
    auto base = repository.web_url;
    for (auto place : {"/projects/", "/users/"})
        base = base.substr(0, base.find(place));
    auto host = base.find("://");
    if (base == repository.web_url || host == base.npos) return;
    repository.derived_http = base + "/scm/" + path + ".git";
    auto name = base.substr(host + 3);
    name = name.substr(0, name.find_first_of(":/"));
    repository.derived_ssh = "ssh://git@" + name + "/" + path + ".git";
}

std::optional<Repository> read_repository(const Record& record) {
    Repository repository;
    auto key = record.values.text_or_empty("repository.project.key");
    auto slug = record.values.text_or_empty("repository.slug");
    repository.full_name = key.empty() || slug.empty()
                               ? record.values.text_or_empty("repository.fullName")
                               : key + "/" + slug;
    if (repository.full_name.empty()) return std::nullopt;
    for (const auto& link : record.list("repository.links.self"))
        if (repository.web_url.empty()) repository.web_url = link.text_or_empty("href");
    for (const auto& link : record.list("repository.links.clone")) {
        auto name = link.text("name");
        if (name == "http" || name == "https") repository.clone_http = link.text_or_empty("href");
        if (name == "ssh") repository.clone_ssh = link.text_or_empty("href");
    }
    if (repository.clone_http.empty() && repository.clone_ssh.empty())
        derive(lower(repository.full_name), repository);
    return repository;
}

// Old versions have one of the places, new ones both.
std::optional<std::string> read_ref(const Values& change) {
    auto id = change.first_text({"ref.id", "refId"});
    if (!id.empty()) return id;
    return full_ref(lower(change.text_or_empty("ref.type")), change.text_or_empty("ref.displayId"));
}

// `toCommit`, there where only one ref changed, is the commit of an annotated tag, whose `toHash`
// is the tag object.
Result<void> read_refs(const Record& record, Push& push) {
    if (auto fits = record.check_length("changes"); !fits) return fits;
    const auto& changes = record.list("changes");
    for (const auto& values : changes) {
        auto ref = read_ref(values);
        if (!ref) return Error{Errc::invalid, "changes: the field \"ref.id\" is missing"};
        if (!values.has("toHash"))
            return Error{Errc::invalid, "changes: the field \"toHash\" is missing"};
        RawChange raw;
        raw.ref = std::move(*ref);
        raw.before = values.text("fromHash");
        raw.after = values.text("toHash");
        if (changes.size() == 1) raw.commit = record.values.text("toCommit.id");
        if (auto added = add_change(raw, push); !added) return prefixed("changes", added.error());
    }
    push.head_message = first_line(record.values.text_or_empty("toCommit.message"));
    if (record.values.boolean("refLimitExceeded") == true)
        push.note =
            "the mirror's message leaves out refs, as there are too many: polling finds them";
    return {};
}

class BitbucketServer : public ports::Forge {
  public:
    std::string_view name() const override { return "bitbucket-server"; }

    bool recognises(const ports::HookRequest& request) const override {
        return !request.header("X-Event-Key").empty();
    }

    // The Post Webhooks plugin signs nothing: its secret stands in the URL.
    std::unique_ptr<ports::BodyCheck> check(const ports::HookRequest& head,
                                            const std::vector<Secret>& secrets) const override {
        Proof proof;
        offer_bitbucket_hmac(head, secrets, proof);
        proof.secrets = texts_of(secrets);
        offer_basic(head, proof);
        offer_query(head, proof);
        return check_secret(std::move(proof));
    }

    Result<Push> parse(const ports::HookRequest& request) const override {
        auto headed = push_of_headers(request, "X-Event-Key", "X-Request-Id");
        if (!headed) return headed.error();
        auto push = std::move(*headed);
        auto record = read_record_of(request, kFields);
        if (!record) return record.error();
        push.repository = read_repository(*record);
        push.pusher = bitbucket_pusher(record->values);
        if (push.event == "diagnostics:ping" || record->values.boolean("test") == true) {
            push.kind = PushKind::ping;
            return push;
        }
        bool is_plugin = push.event == "repo:push";
        if (!is_plugin && push.event != "repo:refs_changed" &&
            push.event != "mirror:repo_synchronized")
            return push;
        if (record->wrong) return Error{Errc::invalid, *record->wrong};
        auto read = is_plugin ? read_bitbucket_push(*record, push) : read_refs(*record, push);
        if (!read) return read.error();
        return push;
    }
};

}  // namespace

const ports::Forge& bitbucket_server() {
    static const BitbucketServer forge;
    return forge;
}

}  // namespace belay::forge
