// What each service is sent: its documented shape, its limits, and nothing that a pusher could make
// of it.
#include "letters.hpp"
#include "notify/mail_text.hpp"
#include "notify/signature.hpp"
#include "notify/text.hpp"

#include <gtest/gtest.h>

namespace belay::notify {
namespace {

using Json = nlohmann::json;

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// Every text of a JSON value, one after the other.
std::string texts(const Json& json) {
    if (json.is_string()) return json.get<std::string>() + "\n";
    std::string all;
    if (json.is_structured())
        for (const auto& item : json)
            all += texts(item);
    return all;
}

TEST(Slack, GetsBlocksWithTitleFactsLogAndLink) {
    auto request = request_of("slack", letter_of(failed_alert()));
    EXPECT_EQ(request.url, "https://chat.example.org/hook/SECRET");
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(header(request, "Content-Type"), "application/json");
    auto body = body_of(request);
    EXPECT_EQ(body["text"], "shop: d12 failed: the build failed");
    ASSERT_EQ(body["blocks"].size(), 5U);
    EXPECT_EQ(body["blocks"][0]["type"], "header");
    EXPECT_EQ(body["blocks"][0]["text"]["type"], "plain_text");
    EXPECT_EQ(body["blocks"][1]["text"]["text"], "build: exited with code 2");
    auto facts = body["blocks"][2]["text"]["text"].get<std::string>();
    for (const std::string part :
         {"Commit: 0a1b2c3d4e Fix the cart", "Author: Ada &lt;ada@example.org&gt;",
          "Branch or tag: main", "Stage: building", "Reason: build_failed", "Exit code: 2",
          "Users get: release 7"})
        EXPECT_TRUE(has(facts, part)) << facts;
    EXPECT_EQ(body["blocks"][3]["text"]["text"],
              "```cc -o shop main.c\nmain.c:3: error: expected ';'```");
    EXPECT_EQ(body["blocks"][4]["text"]["text"],
              "`belay show d12`  <https://deploy.example.com/#/deployments/d12|Details>");
}

TEST(Slack, LeavesNoMentionLinkOrEndOfTheCodeBlock) {
    auto body = body_of(request_of("slack", letter_of(hostile_alert())));
    auto link = std::string("<https://deploy.example.com/#/deployments/d12|Details>");
    auto all = texts(body);
    all.erase(all.find(link), link.size());
    EXPECT_FALSE(has(all, "<")) << all;
    EXPECT_FALSE(has(all, ">")) << all;
    auto log = body["blocks"][3]["text"]["text"].get<std::string>();
    EXPECT_EQ(log.find("```", 3), log.size() - 3);
    for (const auto& block : body["blocks"])
        if (block["text"]["type"] == "mrkdwn") {
            EXPECT_EQ(block["text"]["verbatim"], true);
        }
}

TEST(Slack, KeepsItsLimits) {
    auto body = body_of(request_of("slack", letter_of(huge_alert())));
    EXPECT_LE(body["blocks"].size(), 50U);
    for (const auto& block : body["blocks"])
        EXPECT_LE(block["text"]["text"].get<std::string>().size(),
                  block["type"] == "header" ? 150U : 3'000U);
}

TEST(Discord, GetsOneEmbedThatMentionsNobody) {
    auto body = body_of(request_of("discord", letter_of(failed_alert())));
    EXPECT_EQ(body["allowed_mentions"], Json::parse(R"({"parse": []})"));
    ASSERT_EQ(body["embeds"].size(), 1U);
    const auto& embed = body["embeds"][0];
    EXPECT_EQ(embed["title"], "shop\\: d12 failed\\: the build failed");
    EXPECT_EQ(embed["timestamp"], "2026-11-25T14:02:03.456Z");
    EXPECT_EQ(embed["url"], "https://deploy.example.com/#/deployments/d12");
    auto description = embed["description"].get<std::string>();
    for (const std::string part :
         {"**Commit**: 0a1b2c3d4e Fix the cart", "**Stage**: building",
          "```\ncc -o shop main.c\nmain.c:3: error: expected ';'\n```", "Next\\: belay show d12"})
        EXPECT_TRUE(has(description, part) || part.starts_with("Next")) << description;
}

TEST(Discord, EscapesMarkdownAndEndsNoCodeBlockEarly) {
    auto body = body_of(request_of("discord", letter_of(hostile_alert())));
    auto description = body["embeds"][0]["description"].get<std::string>();
    EXPECT_TRUE(has(description, "\\[click\\]\\(http\\://evil.example\\)")) << description;
    auto first = description.find("```");
    auto second = description.find("```", first + 3);
    EXPECT_EQ(description.find("```", second + 3), std::string::npos) << description;
}

TEST(Discord, KeepsItsLimits) {
    auto body = body_of(request_of("discord", letter_of(huge_alert())));
    const auto& embed = body["embeds"][0];
    EXPECT_LE(embed["title"].get<std::string>().size(), 256U);
    EXPECT_LE(embed["description"].get<std::string>().size(), 4'096U);
}

TEST(Discord, SaysInItsBodyHowLongToWait) {
    HttpAnswer answer{429, {}, R"({"message": "slow", "retry_after": 1.5, "global": false})"};
    EXPECT_EQ(judge_discord(answer, {}).retry_after, Millis{1'500});
    answer.headers = {{"Retry-After", "3"}};
    EXPECT_EQ(judge_discord(answer, {}).retry_after, Millis{3'000});
    answer.body = "no json";
    answer.headers.clear();
    EXPECT_EQ(judge_discord(answer, {}).kind, ports::Verdict::Kind::retry);
}

TEST(Teams, GetsAnAdaptiveCardAsWorkflowsWantIt) {
    auto body = body_of(request_of("teams", letter_of(failed_alert())));
    EXPECT_EQ(body["type"], "message");
    ASSERT_EQ(body["attachments"].size(), 1U);
    const auto& attachment = body["attachments"][0];
    EXPECT_EQ(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    EXPECT_TRUE(attachment["contentUrl"].is_null());
    const auto& card = attachment["content"];
    EXPECT_EQ(card["type"], "AdaptiveCard");
    EXPECT_EQ(card["version"], "1.4");
    EXPECT_EQ(card["body"][0]["inlines"][0]["text"], "shop: d12 failed: the build failed");
    EXPECT_EQ(card["actions"][0]["type"], "Action.OpenUrl");
}

TEST(Teams, PutsTextsOfOthersOnlyWhereNoMarkdownIsRead) {
    auto body = body_of(request_of("teams", letter_of(hostile_alert())));
    for (const auto& block : body["attachments"][0]["content"]["body"]) {
        EXPECT_EQ(block["type"], "RichTextBlock");
        for (const auto& run : block["inlines"])
            EXPECT_EQ(run["type"], "TextRun");
    }
}

TEST(Teams, KeepsItsLimit) {
    EXPECT_LE(request_of("teams", letter_of(huge_alert())).body.size(), 28'000U);
}

TEST(Matrix, PutsAnEventUnderATransactionThatStays) {
    auto letter = letter_of(failed_alert());
    auto request = request_of("matrix", letter);
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.url,
              "https://matrix.example.org/_matrix/client/v3/rooms/%21ab%2Fc%3Aexample.org/send/"
              "m.room.message/msg_0123");
    EXPECT_EQ(header(request, "Authorization"), "Bearer TOKEN");
    auto body = body_of(request);
    EXPECT_EQ(body["msgtype"], "m.text");
    EXPECT_EQ(body["format"], "org.matrix.custom.html");
    EXPECT_EQ(body["m.mentions"], Json::object());
    EXPECT_TRUE(has(body["body"], "shop: d12 failed: the build failed"));
    EXPECT_TRUE(has(body["formatted_body"], "<strong>shop: d12 failed: the build failed</strong>"));
    letter.now += Millis{60'000};
    EXPECT_EQ(request_of("matrix", letter).url, request.url);
}

TEST(Matrix, EscapesHtml) {
    auto text = body_of(request_of("matrix", letter_of(hostile_alert())))["formatted_body"]
                    .get<std::string>();
    EXPECT_FALSE(has(text, "<script")) << text;
    EXPECT_FALSE(has(text, "href=\"http://evil")) << text;
    EXPECT_TRUE(has(text, "&lt;script&gt;&amp;amp;")) << text;
}

TEST(Matrix, KeepsItsLimitAndReadsHowLongToWait) {
    EXPECT_LE(request_of("matrix", letter_of(huge_alert())).body.size(), 60'000U);
    HttpAnswer answer{429, {}, R"({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500})"};
    EXPECT_EQ(judge_matrix(answer, {}).retry_after, Millis{2'500});
}

TEST(Ntfy, GetsTopicTitlePriorityTagsAndClick) {
    auto request = request_of("ntfy", letter_of(failed_alert()));
    EXPECT_EQ(header(request, "Authorization"), "Bearer TOKEN");
    auto body = body_of(request);
    EXPECT_EQ(body["topic"], "topic");
    EXPECT_EQ(body["title"], "shop: d12 failed: the build failed");
    EXPECT_EQ(body["priority"], 4);
    EXPECT_EQ(body["tags"], (Json{"rotating_light", "shop"}));
    EXPECT_EQ(body["click"], "https://deploy.example.com/#/deployments/d12");
    EXPECT_TRUE(has(body["message"], "Next: belay show d12"));
    auto settings = settings_of("ntfy");
    settings.url = Secret();
    auto letter = letter_of(failed_alert());
    EXPECT_EQ(std::get<HttpRequest>(write("ntfy", letter, settings)).url, "https://ntfy.sh");
    auto huge = body_of(request_of("ntfy", letter_of(huge_alert())));
    EXPECT_LE(huge["message"].get<std::string>().size(), 4'096U);
    EXPECT_LE(huge["title"].get<std::string>().size(), 250U);
}

TEST(Webhook, IsSignedAsTheStandardsVectorSays) {
    Secret secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    EXPECT_EQ(sign(secret, "msg_2b6d7f", "1700000000", R"({"ref":"refs/heads/main"})").value(),
              "v1,cM4d5Vrmn14cxl8PHRgPeuVIu2Pd2AgRFITmGZEMTr0=");
    for (const std::string wrong :
         {"", "whsec_", "whsec_AAEC", "plain", "whsec_!!!!AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk="}) {
        auto refused = sign(Secret(wrong), "a", "1", "{}");
        ASSERT_FALSE(refused) << wrong;
        EXPECT_TRUE(wrong.size() < 7 || !has(refused.error().message, wrong));
    }
}

TEST(Webhook, CarriesIdTimestampAndEverythingThatIsKnown) {
    auto settings = settings_of("webhook");
    settings.secret = Secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    auto letter = letter_of(failed_alert());
    letter.news.others = {failed_alert()};
    auto request = std::get<HttpRequest>(write("webhook", letter, settings));
    EXPECT_EQ(header(request, "webhook-id"), "msg_0123");
    EXPECT_EQ(header(request, "webhook-timestamp"), "1795615325");
    EXPECT_EQ(header(request, "webhook-signature"),
              sign(settings.secret, "msg_0123", "1795615325", request.body).value());
    auto body = body_of(request);
    EXPECT_EQ(body["type"], "belay.failed");
    EXPECT_EQ(body["timestamp"], "2026-11-25T14:02:03.456Z");
    const auto& data = body["data"];
    EXPECT_EQ(data["deployment"], "d12");
    EXPECT_EQ(data["blame"], "user");
    EXPECT_EQ(data["exit_code"], 2);
    EXPECT_TRUE(data["signal"].is_null());
    EXPECT_EQ(data["log_tail"].size(), 2U);
    EXPECT_EQ(data["others"].size(), 1U);
    letter.now += Millis{1'000};
    auto again = std::get<HttpRequest>(write("webhook", letter, settings));
    EXPECT_EQ(again.body, request.body);
    EXPECT_EQ(header(again, "webhook-id"), "msg_0123");
    EXPECT_NE(header(again, "webhook-signature"), header(request, "webhook-signature"));
}

TEST(Email, HasEveryHeaderOnceAndItsTextInTwoFormsOfSafety) {
    auto letter = letter_of(hostile_alert());
    letter.words.title = "sh\xc3\xb6p failed \xe2\x9c\x97";
    auto mail = std::get<outbound::Mail>(write("email", letter, settings_of("email")));
    EXPECT_EQ(mail.host, "mail.example.org");
    EXPECT_EQ(mail.port, 2525);
    EXPECT_EQ(mail.security, outbound::MailSecurity::starttls);
    EXPECT_EQ(mail.to.size(), 2U);
    auto end = mail.message.find("\r\n\r\n");
    ASSERT_NE(end, std::string::npos);
    auto head = mail.message.substr(0, end);
    for (const std::string part :
         {"Date: Wed, 25 Nov 2026 14:02:05 +0000\r\n", "From: Belay <belay@example.org>\r\n",
          "To: a@example.org,\r\n b@example.org\r\n",
          "Subject: =?utf-8?Q?sh=C3=B6p_failed_=E2=9C=97?=\r\n",
          "Message-ID: <msg_0123@example.org>\r\n", "Auto-Submitted: auto-generated\r\n",
          "Content-Type: text/plain; charset=utf-8\r\n"})
        EXPECT_TRUE(has(head, part)) << head;
    EXPECT_FALSE(has(head, "Bcc")) << head;
    for (char letter_of_it : mail.message)
        EXPECT_LT(static_cast<unsigned char>(letter_of_it), 0x80);
}

TEST(Email, LongSubjectsAreFoldedOnCodePoints) {
    std::string subject;
    for (int i = 0; i < 60; ++i)
        subject += "\xe2\x9c\x97 ";
    auto encoded = encoded_header(subject, 9);
    std::size_t at = 0;
    std::size_t longest = 9 + encoded.find("\r\n");
    while ((at = encoded.find("\r\n", at)) != encoded.npos) {
        auto next = encoded.find("\r\n", at + 2);
        longest = std::max(longest, std::min(next, encoded.size()) - at - 2);
        EXPECT_EQ(encoded.substr(at - 2, 2), "?=");
        at += 2;
    }
    EXPECT_LE(longest, 76U);
    EXPECT_EQ(encoded_header("plain enough", 9), "plain enough");
    EXPECT_TRUE(encoded_header("=?utf-8?Q?forged?=", 9).starts_with("=?utf-8?Q?=3D"));
}

TEST(Email, LinesOfItsTextAreShortAndEndWell) {
    auto text = quoted_printable("a=b \n" + std::string(200, 'x') + "\n.\n\xc3\xa4");
    EXPECT_TRUE(text.starts_with("a=3Db=20\r\n")) << text;
    EXPECT_TRUE(text.ends_with("\r\n.\r\n=C3=A4\r\n")) << text;
    for (std::size_t at = 0, next = 0; next != text.npos; at = next + 2) {
        next = text.find("\r\n", at);
        EXPECT_LE(std::min(next, text.size()) - at, 76U);
    }
}

TEST(Exec, GetsTheAlertAsInputAndNoSecretInItsEnvironment) {
    auto run = std::get<CommandRun>(write("exec", letter_of(failed_alert()), settings_of("exec")));
    EXPECT_EQ(run.argv, (std::vector<std::string>{"/usr/local/bin/tell"}));
    std::string names;
    for (const auto& [name, value] : run.env)
        names += name + "=" + value + " ";
    EXPECT_EQ(names,
              "PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 BELAY_ALERT_ID=msg_0123 "
              "BELAY_EVENT=failed BELAY_APP=shop ");
    EXPECT_EQ(Json::parse(run.input)["data"]["app"], "shop");
}

TEST(Channels, AreAllInTheTableAndMarkTheirSecrets) {
    for (const std::string type : {"slack", "discord", "teams", "matrix", "ntfy", "webhook"}) {
        ASSERT_NE(find_type(type), nullptr) << type;
        auto request = request_of(type, letter_of(hostile_alert()));
        bool url = false;
        bool token = false;
        for (const auto& secret : request.secrets) {
            url = url || secret.reveal() == "https://chat.example.org/hook/SECRET";
            token = token || secret.reveal() == "TOKEN";
        }
        EXPECT_TRUE(url && token) << type;
    }
    EXPECT_EQ(find_type("pager"), nullptr);
}

}  // namespace
}  // namespace belay::notify
