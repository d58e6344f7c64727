// Shapes that the collected deliveries have none of, or that matter for a reason of their own.
#include "senders.hpp"

namespace belay::forge {
namespace {

using namespace test_senders;
using domain::PushKind;

const std::string kOld(40, '1');
const std::string kNew(40, '2');
const std::string kTagObject(40, '3');
const std::string kZeros(40, '0');

// Marks stand for the ids: <old>, <new>, <tag>, <none>.
std::string filled(std::string text) {
    for (const auto& [mark, id] : {std::pair<std::string, std::string>{"<old>", kOld},
                                   {"<new>", kNew},
                                   {"<tag>", kTagObject},
                                   {"<none>", kZeros}})
        for (auto at = text.find(mark); at != text.npos; at = text.find(mark))
            text.replace(at, mark.size(), '"' + id + '"');
    return text;
}

domain::Push read(const std::string& forge, const std::string& event, const std::string& body) {
    auto from = sender(forge);
    if (!event.empty()) from.event.second = event;
    auto push = parse(from, filled(body));
    EXPECT_TRUE(push) << push.error().message;
    return push ? *push : domain::Push();
}

TEST(Shapes, GitlabTellsTheCommitOfAnAnnotatedTag) {
    auto push = read("gitlab", "Tag Push Hook",
                     R"({"ref":"refs/tags/v1","before":<none>,"after":<tag>,"checkout_sha":<new>,
                         "commits":[{"id":<old>,"message":"a"},{"id":<new>,"message":"b\nc"}]})");
    EXPECT_EQ(push.kind, PushKind::tag);
    EXPECT_EQ(push.changes.at(0).after, kTagObject);
    EXPECT_EQ(push.changes.at(0).commit, kNew);
    EXPECT_EQ(push.head_message, "b");
}

TEST(Shapes, GitlabsSystemHooksNameTheEventInTheBody) {
    const std::string rest = R"("ref":"refs/heads/main","before":<old>,"after":<new>})";
    for (const std::string kind : {R"({"event_name":"push",)", R"({"object_kind":"push",)",
                                   R"({"event_name":"push","object_kind":"push",)"})
        EXPECT_EQ(read("gitlab", "System Hook", kind + rest).kind, PushKind::push);
    EXPECT_EQ(read("gitlab", "System Hook", R"({"event_name":"repository_update",)" + rest).kind,
              PushKind::other);
    EXPECT_EQ(read("gitlab", "System Hook", "{" + rest).kind, PushKind::other);
}

TEST(Shapes, GitlabsOldBodiesHaveTheRepositoryAlone) {
    auto push = read("gitlab", "", R"({"ref":"refs/heads/main","before":<old>,"after":<new>,
        "repository":{"name":"x","homepage":"https://h/a/x","git_http_url":"https://h/a/x.git",
                      "git_ssh_url":"git@h:a/x.git"}})");
    EXPECT_EQ(push.repository,
              (domain::Repository{"", "https://h/a/x", "https://h/a/x.git", "git@h:a/x.git"}));
    EXPECT_EQ(push.changes.at(0).commit, kNew);
}

TEST(Shapes, GitlabsOwnTemplatesAreRefusedByName) {
    EXPECT_EQ(refusal("gitlab", R"({"text":"pushed"})"),
              "the field \"ref\" is missing (a custom webhook template?)");
}

TEST(Shapes, GitlabsIdIsTheSameForEveryTry) {
    auto from = sender("gitlab");
    auto request = request_of(from, "{}");
    request.headers[0].second = "Note Hook";
    request.headers.emplace_back("Idempotency-Key", "k");
    request.headers.emplace_back("X-Gitlab-Event-UUID", "e");
    EXPECT_EQ(table().find("gitlab", request)->parse(request)->delivery_id, "k");
}

TEST(Shapes, GiteasTestDeliveriesArePings) {
    for (const std::string forge : {"gitea", "forgejo", "gogs"}) {
        auto push = read(forge, "", R"({"ref":"refs/heads/main","before":<new>,"after":<new>})");
        EXPECT_EQ(push.kind, PushKind::ping);
        EXPECT_EQ(push.changes.at(0).kind, PushKind::push);
        push = read(forge, "", R"({"ref":"refs/heads/main","before":<none>,"after":<none>,
            "commits":[{"id":<none>,"message":"fake","added":null}],"head_commit":{"id":<none>}})");
        EXPECT_EQ(push.kind, PushKind::ping);
        EXPECT_EQ(push.changes.at(0).kind, PushKind::other);
        EXPECT_EQ(push.changes.at(0).commit, std::nullopt);
        EXPECT_FALSE(push.changes.at(0).deleted);
        EXPECT_EQ(push.head_message, "fake");
    }
}

TEST(Shapes, GiteaPushesTheCommitOfATag) {
    auto push = read("gitea", "", R"({"ref":"refs/tags/v1","before":<none>,"after":<tag>,
        "commits":null,"head_commit":{"id":<new>,"message":"m"}})");
    EXPECT_EQ(push.kind, PushKind::tag);
    EXPECT_EQ(push.changes.at(0).commit, kNew);
    EXPECT_EQ(push.head_message, "m");
}

TEST(Shapes, OnlyGogsReportsATagByCreate) {
    const std::string body = R"({"ref":"v1","ref_type":"tag","sha":<new>})";
    EXPECT_EQ(read("gitea", "create", body).kind, PushKind::other);
    EXPECT_EQ(read("forgejo", "create", body).kind, PushKind::other);
    auto push = read("gogs", "create", body);
    EXPECT_EQ(push.kind, PushKind::tag);
    EXPECT_EQ(push.changes.at(0).ref, "refs/tags/v1");
    EXPECT_EQ(push.changes.at(0).commit, kNew);
    EXPECT_EQ(read("gogs", "create", R"({"ref":"x","ref_type":"branch"})").kind, PushKind::other);
}

TEST(Shapes, GiteaDeletesByShortName) {
    for (const std::string forge : {"gitea", "forgejo", "gogs"}) {
        auto push = read(forge, "delete", R"({"ref":"a/b","ref_type":"branch"})");
        EXPECT_EQ(push.kind, PushKind::branch_delete);
        EXPECT_EQ(push.changes.at(0).ref, "refs/heads/a/b");
        EXPECT_TRUE(push.changes.at(0).deleted);
        push = read(forge, "delete", R"({"ref":"v1","ref_type":"tag"})");
        EXPECT_EQ(push.kind, PushKind::tag_delete);
        EXPECT_EQ(read(forge, "delete", R"({"ref":"x","ref_type":"repository"})").kind,
                  PushKind::other);
    }
}

TEST(Shapes, BitbucketSendsSeveralKindsAtOnce) {
    auto push = read("bitbucket-cloud", "", R"({"push":{"changes":[
        {"forced":true,"old":{"type":"branch","name":"main","target":{"hash":<old>}},
         "new":{"type":"branch","name":"main","target":{"hash":<new>,"message":"m\n"}}},
        {"old":{"type":"tag","name":"v1","target":{"hash":<old>}},"new":null,"closed":true},
        {"old":null,"new":{"type":"annotated_tag","name":"v2","target":{"hash":<new>}}},
        {"old":null,"new":{"type":"bookmark","name":"b","target":{"hash":<new>}}}]}})");
    EXPECT_EQ(push.kind, PushKind::mixed);
    ASSERT_EQ(push.changes.size(), 3u);
    EXPECT_EQ(push.changes[0].forced, true);
    EXPECT_EQ(push.changes[1].kind, PushKind::tag_delete);
    EXPECT_EQ(push.changes[1].before, kOld);
    EXPECT_EQ(push.changes[2].ref, "refs/tags/v2");
}

TEST(Shapes, BitbucketsEmptyPushesAreNoChange) {
    for (const std::string body :
         {R"({"push":{"changes":[]}})", R"({"push":{"changes":null}})", R"({"push":null})", "{}"})
        EXPECT_EQ(read("bitbucket-cloud", "", body).kind, PushKind::other) << body;
    EXPECT_EQ(refusal("bitbucket-cloud", R"({"push":{"changes":[{"old":null,"new":null}]}})"),
              "push.changes: neither \"old\" nor \"new\" has a \"name\"");
}

TEST(Shapes, BitbucketServersIdsStandInEitherPlace) {
    for (const std::string ref :
         {R"("ref":{"id":"refs/tags/v1","displayId":"v1","type":"TAG"},"refId":"refs/tags/v1")",
          R"("ref":{"id":"refs/tags/v1"})", R"("refId":"refs/tags/v1")",
          R"("ref":{"displayId":"v1","type":"TAG"})"}) {
        auto push = read("bitbucket-server", "",
                         R"({"changes":[{)" + ref +
                             R"(,"fromHash":<none>,"toHash":<tag>,
                                                         "type":"ADD"}],"toCommit":{"id":<new>}})");
        ASSERT_EQ(push.changes.size(), 1u) << ref;
        EXPECT_EQ(push.changes[0].ref, "refs/tags/v1");
        EXPECT_EQ(push.changes[0].commit, kNew);
        EXPECT_EQ(push.changes[0].after, kTagObject);
    }
}

TEST(Shapes, BitbucketServersToCommitIsOfASingleChange) {
    auto push = read("bitbucket-server", "", R"({"toCommit":{"id":<tag>},"changes":[
        {"refId":"refs/heads/a","fromHash":<old>,"toHash":<new>},
        {"refId":"refs/heads/b","fromHash":<old>,"toHash":<none>}]})");
    EXPECT_EQ(push.kind, PushKind::mixed);
    EXPECT_EQ(push.changes.at(0).commit, kNew);
    EXPECT_EQ(push.changes.at(1).commit, std::nullopt);
}

TEST(Shapes, BitbucketServersMirrorsReportTheSame) {
    auto push =
        read("bitbucket-server", "mirror:repo_synchronized",
             R"({"mirrorServer":{"id":"x"},"syncType":"INCREMENTAL","refLimitExceeded":false,
                         "changes":[{"refId":"refs/heads/a","fromHash":<old>,"toHash":<new>}]})");
    EXPECT_EQ(push.changes.at(0).commit, kNew);
    push = read("bitbucket-server", "mirror:repo_synchronized",
                R"({"refLimitExceeded":true,"changes":[]})");
    EXPECT_EQ(push.kind, PushKind::other);
    EXPECT_NE(push.note.find("leaves out refs"), std::string::npos);
}

TEST(Shapes, BitbucketServersTestButtonIsAPing) {
    EXPECT_EQ(read("bitbucket-server", "diagnostics:ping", R"({"test":true})").kind,
              PushKind::ping);
}

TEST(Shapes, BitbucketServersAddressesFollowTheConvention) {
    auto push = read("bitbucket-server", "repo:push", R"({"push":{"changes":[]},"repository":{
        "slug":"shop","project":{"key":"~Jo"},"links":{"self":[
        {"href":"https://h.example:8443/bb/users/jo/repos/shop/browse"}]}}})");
    ASSERT_TRUE(push.repository);
    EXPECT_EQ(push.repository->full_name, "~Jo/shop");
    EXPECT_EQ(push.repository->derived_http, "https://h.example:8443/bb/scm/~jo/shop.git");
    EXPECT_EQ(push.repository->derived_ssh, "ssh://git@h.example/~jo/shop.git");
}

TEST(Shapes, AzuresThinBodiesAreExplained) {
    for (const std::string body :
         {R"({"eventType":"git.push","resource":{"pushId":1}})",
          R"({"eventType":"git.push","resource":null})", R"({"eventType":"git.push"})"}) {
        auto push = read("azure-devops", "", body);
        EXPECT_EQ(push.kind, PushKind::other);
        EXPECT_NE(push.note.find("\"Resource details to send\" to All"), std::string::npos);
    }
    EXPECT_NE(refusal("azure-devops", "{}").find("no header tells whose it is"), std::string::npos);
}

TEST(Shapes, AzureSendsTagsAndSeveralRefs) {
    auto push = read("azure-devops", "", R"({"eventType":"git.push","resource":{"refUpdates":[
        {"name":"refs/heads/a","oldObjectId":<old>,"newObjectId":<new>},
        {"name":"refs/tags/v1","oldObjectId":<none>,"newObjectId":<tag>},
        {"name":"refs/notes/x","oldObjectId":<none>,"newObjectId":<tag>}],
        "commits":[{"commitId":<new>,"comment":"c"}]}})");
    EXPECT_EQ(push.kind, PushKind::mixed);
    EXPECT_EQ(push.changes.size(), 2u);
    EXPECT_EQ(push.head_message, "c");
}

TEST(Shapes, GiteesBodyIsNotBelieved) {
    auto push = read("gitee", "", R"({"ref":"refs/heads/main","before":<none>,"after":<new>,
        "commits":null,"total_commits_count":null,"head_commit":null})");
    EXPECT_FALSE(push.body_authentic);
    EXPECT_EQ(push.changes.at(0).commit, kNew);
    for (const auto& other : senders())
        if (other.name != "gitee") {
            EXPECT_TRUE(parse(other, push_body(other, "\"refs/heads/main\"", '"' + kOld + '"',
                                               '"' + kNew + '"'))
                            ->body_authentic);
        }
}

TEST(Shapes, SourcehutsOwnerIsAskedForOrThePusher) {
    auto push = read("sourcehut", "", R"({"data":{"webhook":{"repository":{"name":"shop",
        "owner":{"canonicalName":"~acme"}},"pusher":{"canonicalName":"~jo"},"updates":[]}}})");
    EXPECT_EQ(push.repository->full_name, "~acme/shop");
    EXPECT_EQ(push.pusher, "~jo");
    push = read("sourcehut", "", R"({"data":{"webhook":{"event":"GIT_POST_RECEIVE"}}})");
    EXPECT_NE(push.note.find("asks for no updates"), std::string::npos);
}

TEST(Shapes, SourcehutsLegacyBodyNamesNoRepository) {
    auto push = read("sourcehut", "repo:post-update", R"({"push":"u","pusher":{"name":"jo"},"refs":[
        {"name":"refs/tags/v1","old":null,"new":{"id":<new>,"message":"m\nn"},
         "annotated_tag":{"name":"v1","message":"t"}},
        {"name":"refs/heads/x","old":{"id":<old>},"new":null}]})");
    EXPECT_EQ(push.kind, PushKind::mixed);
    EXPECT_EQ(push.repository, std::nullopt);
    EXPECT_EQ(push.changes.at(0).commit, kNew);
    EXPECT_TRUE(push.changes.at(1).deleted);
    EXPECT_EQ(push.head_message, "m");
}

TEST(Shapes, EventsThatArePushesOfNobodyStartNothing) {
    for (const auto& [forge, event] :
         {std::pair<std::string, std::string>{"github", "workflow_job"},
          {"gitlab", "Pipeline Hook"},
          {"gitea", "pull_request"},
          {"forgejo", "release"},
          {"gogs", "issues"},
          {"gitee", "Merge Request Hook"},
          {"bitbucket-cloud", "pullrequest:created"},
          {"bitbucket-server", "pr:merged"},
          {"sourcehut", "REPO_UPDATE"}}) {
        // Whatever their fields look like: `ref` of a GitHub deployment is no ref at all.
        auto push = read(forge, event, R"({"ref":7,"after":[],"changes":"x","push":1,"refs":{}})");
        EXPECT_EQ(push.kind, PushKind::other) << forge;
        EXPECT_TRUE(push.changes.empty());
        EXPECT_EQ(push.event, event);
    }
}

}  // namespace
}  // namespace belay::forge
