// What a push of one ref looks like from each forge: the least that its reader needs.
#pragma once

#include <belay/forge/forge.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace belay::forge::test_senders {

struct Sender {
    std::string name;
    std::pair<std::string, std::string> event;  // header
    std::string body;                           // with REF, OLD and NEW in place of JSON values
};

inline const std::vector<Sender>& senders() {
    static const std::string plain = R"({"ref":REF,"before":OLD,"after":NEW})";
    static const std::string cloud =
        R"({"push":{"changes":[{"old":null,"new":{"type":"branch","name":REF,"target":{"hash":NEW}}}]}})";
    static const std::vector<Sender> all{
        {"github", {"X-GitHub-Event", "push"}, plain},
        {"gitlab", {"X-Gitlab-Event", "Push Hook"}, plain},
        {"gitea", {"X-Gitea-Event", "push"}, plain},
        {"forgejo", {"X-Forgejo-Event", "push"}, plain},
        {"gogs", {"X-Gogs-Event", "push"}, plain},
        {"gitee", {"X-Gitee-Event", "Push Hook"}, plain},
        {"bitbucket-cloud", {"X-Event-Key", "repo:push"}, cloud},
        {"bitbucket-server",
         {"X-Event-Key", "repo:refs_changed"},
         R"({"changes":[{"ref":{"id":REF},"fromHash":OLD,"toHash":NEW}]})"},
        {"azure-devops",
         {"X-Azure", "1"},
         R"({"eventType":"git.push","resource":{"refUpdates":[{"name":REF,"oldObjectId":OLD,"newObjectId":NEW}]}})"},
        {"sourcehut",
         {"X-Webhook-Event", "GIT_POST_RECEIVE"},
         R"({"data":{"webhook":{"updates":[{"ref":{"name":REF},"old":{"id":OLD},"new":{"id":NEW}}]}}})"},
        {"generic",
         {"webhook-id", "msg_1"},
         R"({"type":"push","data":{"changes":[{"ref":REF,"before":OLD,"after":NEW}]}})"},
    };
    return all;
}

inline std::string replaced(std::string text, const std::string& mark, const std::string& value) {
    if (auto at = text.find(mark); at != text.npos) text.replace(at, mark.size(), value);
    return text;
}

// The values are JSON: with their quotation marks.
inline std::string push_body(const Sender& sender, const std::string& ref,
                             const std::string& before, const std::string& after) {
    return replaced(replaced(replaced(sender.body, "REF", ref), "OLD", before), "NEW", after);
}

inline ports::HookRequest request_of(const Sender& sender, std::string_view body) {
    ports::HookRequest request;
    request.method = "POST";
    request.target = "/hooks/shop";
    request.headers = {sender.event, {"Content-Type", "application/json"}};
    request.body = body;
    request.received_at = TimePoint(Seconds(1'700'000'000));
    return request;
}

inline Result<domain::Push> parse(const Sender& sender, std::string_view body) {
    auto request = request_of(sender, body);
    return table().find(sender.name, request)->parse(request);
}

inline const Sender& sender(const std::string& name) {
    for (const auto& one : senders())
        if (one.name == name) return one;
    throw std::invalid_argument(name);
}

// Why it is refused.
inline std::string refusal(const std::string& name, std::string_view body) {
    auto push = parse(sender(name), body);
    EXPECT_FALSE(push) << name << " took " << body.substr(0, 200);
    if (push) return "";
    EXPECT_EQ(push.error().code, Errc::invalid);
    return push.error().message;
}

}  // namespace belay::forge::test_senders
