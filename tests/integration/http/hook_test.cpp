#include "http_fixture.hpp"

#include <nlohmann/json.hpp>

#include <atomic>

namespace belay::test {
namespace {

using nlohmann::json;

class Hook : public HttpTest {
  protected:
    static std::string without_date(std::string head) {
        auto at = head.find("Date: ");
        return head.erase(at, head.find("\r\n", at) - at);
    }
    static json body_of(const Answer& answer) { return json::parse(answer.body); }
};

TEST_F(Hook, IsAnsweredWithWhatBecameOfIt) {
    start();
    auto answer = ask(tcp(), hook(push_body()));
    EXPECT_EQ(answer.status, 202);
    EXPECT_EQ(
        body_of(answer),
        json::parse(R"({"delivery":"w3","deployment":"d12","decision":"queued","reason":null})"));
    auto submitted = on_loop([&] { return api_.submitted; });
    ASSERT_EQ(submitted.size(), 1u);
    EXPECT_EQ(submitted[0].app, "shop");
    EXPECT_EQ(submitted[0].forge, "github");
    EXPECT_EQ(submitted[0].push.delivery_id, "1-2-3");
    EXPECT_EQ(submitted[0].push.changes.at(0).ref, "refs/heads/main");
    EXPECT_EQ(submitted[0].digest.size(), 64u);
}

TEST_F(Hook, IsAnswered200WhenItIsIgnored) {
    api_.hook_answer = {200, DeliveryId{4}, DeploymentId{}, domain::Decision::ignored,
                        "another branch"};
    start();
    auto answer = ask(tcp(), hook(push_body()));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(body_of(answer)["deployment"], nullptr);
    EXPECT_EQ(body_of(answer)["reason"], "another branch");
}

TEST_F(Hook, TakesForms) {
    start();
    auto form = form_encoded(push_body());
    auto headers =
        "Content-Type: application/x-www-form-urlencoded\r\nX-GitHub-Event: push\r\n"
        "X-Hub-Signature-256: " +
        github_signature(kSecret, form) + "\r\n";
    EXPECT_EQ(ask(tcp(), request("POST", "/hooks/shop", headers, form)).status, 202);
}

TEST_F(Hook, TakesStandardWebhooksAndAlsoOverTheSocket) {
    start();
    auto now = std::to_string(std::time(nullptr));
    auto body = R"({"type":"push","data":{"changes":[{"ref":"refs/heads/main","after":")" +
                std::string(40, '2') + R"("}]}})";
    auto headers = "Content-Type: application/json\r\nwebhook-id: a\r\nwebhook-timestamp: " + now +
                   "\r\nwebhook-signature: " + standard_signature(kSecret, "a", now, body) + "\r\n";
    EXPECT_EQ(ask(local(), request("POST", "/hooks/shop", headers, body)).status, 202);
    EXPECT_EQ(on_loop([&] { return api_.submitted.at(0).forge; }), "generic");
}

TEST_F(Hook, AnswersEveryUnsignedDeliveryWithTheSameBytes) {
    api_.hooks["bare"] = engine::HookSettings{{}, "auto"};
    start();
    auto body = push_body();
    std::string type = "Content-Type: application/json\r\n";
    auto signed_by = [&](const std::string& signature) {
        return request("POST", "/hooks/shop",
                       type + "X-GitHub-Event: push\r\nX-Hub-Signature-256: " + signature + "\r\n",
                       body);
    };
    std::vector<std::string> requests{
        signed_by("sha256=" + std::string(64, '0')),
        signed_by("sha256="),
        signed_by("sha1=" + std::string(40, '0')),
        request("POST", "/hooks/shop", type + "X-GitHub-Event: push\r\n", body),
        request("POST", "/hooks/shop", type, body),
        request("POST", "/hooks/shop", type + "webhook-id: x\r\n", body),
        request("POST", "/hooks/shop", type),
        hook(body, {}, "nobody"),
        hook(body, {}, "d12"),
        hook(body, {}, "bare"),
        hook(body, {}, "SHOP"),
    };
    std::string first;
    for (const auto& each : requests) {
        auto answer = ask(tcp(), each);
        EXPECT_EQ(answer.status, 401);
        auto whole = without_date(answer.head) + answer.body;
        if (first.empty()) first = whole;
        EXPECT_EQ(whole, first) << each;
    }
    EXPECT_TRUE(on_loop([&] { return api_.submitted.empty(); }));
}

TEST_F(Hook, RecordsRefusalsOfAppsThatExistButNotWithoutBound) {
    start();
    auto bad = request("POST", "/hooks/shop",
                       "X-GitHub-Event: push\r\nContent-Type: application/json\r\n", "{}");
    auto nobody = hook("{}", {}, "nobody");
    auto client = tcp();
    for (int i = 0; i < 40; ++i) {
        client.send(bad + nobody);
        EXPECT_EQ(read_answer(client).status, 401);
        EXPECT_EQ(read_answer(client).status, 401);
    }
    auto refused = on_loop([&] { return api_.refused; });
    ASSERT_GE(refused.size(), 5u);
    EXPECT_LE(refused.size(), 15u);
    EXPECT_EQ(refused[0].app, "shop");
    EXPECT_EQ(refused[0].status, 401);
}

TEST_F(Hook, NamesWhatIsMalformedOnlyToThoseWhoSign) {
    start();
    auto answer = ask(tcp(), hook("{\"ref\":1}"));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.headers["content-type"], "application/problem+json");
    EXPECT_EQ(body_of(answer)["detail"], "the field \"ref\" must be a string");
    eventually([&] { return !api_.refused.empty(); });
    EXPECT_EQ(on_loop([&] { return api_.refused.at(0).status; }), 400);
    auto unsigned_one = request("POST", "/hooks/shop",
                                "X-GitHub-Event: push\r\nContent-Type: application/json\r\n", "{");
    EXPECT_EQ(ask(tcp(), unsigned_one).status, 401);
}

TEST_F(Hook, RefusesOtherContentTypesAndMethods) {
    start();
    EXPECT_EQ(
        ask(tcp(), request("POST", "/hooks/shop", "Content-Type: text/plain\r\n", "x")).status,
        415);
    auto answer = ask(tcp(), request("PUT", "/hooks/shop", "", "x"));
    EXPECT_EQ(answer.status, 405);
    EXPECT_EQ(answer.headers["allow"], "POST, GET, HEAD, OPTIONS");
}

TEST_F(Hook, TakesSignedGetDeliveriesOfGiteaAndForgejo) {
    start();
    auto deliver = [&](const std::string& text, const std::string& signature) {
        auto headers = "X-Gitea-Event: push\r\nX-Gitea-Signature: " + signature + "\r\n";
        return ask(tcp(), request("GET", "/hooks/shop?" + form_encoded(text), headers)).status;
    };
    auto hmac_of = [](const std::string& text) { return hex(hmac(EVP_sha256(), kSecret, text)); };
    auto text = "\n" + push_body(), other = "\t" + push_body();  // they come in lines
    EXPECT_EQ(deliver(text, hmac_of(text)), 202);
    EXPECT_EQ(deliver(other, hmac_of(other)), 202);
    EXPECT_EQ(deliver(text, hmac_of(other)), 401);
    EXPECT_EQ(deliver(text, ""), 401);
    EXPECT_EQ(ask(tcp(), request("GET", "/hooks/shop")).status, 401);
    auto submitted = on_loop([&] { return api_.submitted; });
    ASSERT_EQ(submitted.size(), 2u);
    EXPECT_EQ(submitted[0].forge, "gitea");
    EXPECT_EQ(submitted[0].push.changes.at(0).ref, "refs/heads/main");
    EXPECT_NE(submitted[0].digest, submitted[1].digest);
}

// Its body is in its first line, so its head may be longer than others; not without end.
TEST_F(Hook, TakesAGetDeliveryThatIsLongerThanOtherHeads) {
    start();
    auto deliver = [&](std::size_t size) {
        auto text = push_body() + std::string(size, ' ');
        auto headers =
            "X-Gitea-Event: push\r\nX-Gitea-Signature: " + hex(hmac(EVP_sha256(), kSecret, text)) +
            "\r\n";
        return ask(tcp(), request("GET", "/hooks/shop?" + form_encoded(text), headers)).status;
    };
    EXPECT_EQ(deliver(60'000), 202);
    EXPECT_EQ(deliver(200'000), 431);
}

TEST_F(Hook, TakesNoGetDeliveryOfAForgeThatSendsNone) {
    start();
    auto headers =
        "X-GitHub-Event: push\r\nX-Hub-Signature-256: " + github_signature(kSecret, "") + "\r\n";
    auto answer = ask(tcp(), request("GET", "/hooks/shop?" + form_encoded(push_body()), headers));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(body_of(answer)["detail"], "this forge's deliveries are POST requests");
}

TEST_F(Hook, Says503WhenNothingCouldBeStored) {
    api_.failure = Error{Errc::disk_full, "no space left"};
    start();
    auto answer = ask(tcp(), hook(push_body()));
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(body_of(answer)["code"], "disk_full");
}

TEST_F(Hook, RefusesATooLargeBodyBeforeItIsRead) {
    options_.hook_body = 1000;
    start();
    auto plain = tcp();
    plain.send(hook_head("Content-Length: 1001"));
    EXPECT_EQ(read_answer(plain).status, 413);
    EXPECT_EQ(plain.until_closed(), "");

    auto expecting = tcp();
    expecting.send(hook_head("Content-Length: 1001\r\nExpect: 100-continue"));
    EXPECT_EQ(read_answer(expecting).status, 413);
    EXPECT_EQ(expecting.until_closed(), "");

    auto chunked = tcp();
    chunked.send(hook_head("Transfer-Encoding: chunked") + "3e9\r\n" + std::string(1001, 'x') +
                 "\r\n");
    EXPECT_EQ(read_answer(chunked).status, 413);
}

TEST_F(Hook, SeesAReloadedLimit) {
    options_.hook_body = 100;
    start();
    EXPECT_EQ(ask(tcp(), hook(push_body())).status, 413);
    on_loop([&] {
        options_.hook_body = 1000;
        EXPECT_TRUE(server_->configure(options_));
        return 0;
    });
    EXPECT_EQ(ask(tcp(), hook(push_body())).status, 202);
}

// Forges send without asking first; the answer must reach them all the same.
TEST_F(Hook, AnswersASenderThatIsStillWriting) {
    options_.hook_body = 1000;
    start();
    auto client = tcp();
    EXPECT_TRUE(client.send(hook(std::string(3'000'000, 'x'))));
    EXPECT_EQ(read_answer(client).status, 413);
}

TEST_F(Hook, GoesOnWhereTheSenderAsksFirst) {
    start();
    auto body = push_body();
    auto text = hook(body, "Expect: 100-Continue\r\n");
    auto client = tcp();
    client.send(text.substr(0, text.size() - body.size()));
    EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body);
    EXPECT_EQ(read_answer(client).status, 202);
}

TEST_F(Hook, TakesChunkedBodies) {
    start();
    auto body = push_body();
    auto client = tcp();
    client.send(hook_head("Transfer-Encoding: chunked\r\nX-Hub-Signature-256: " +
                          github_signature(kSecret, body)));
    for (char c : body)
        client.send(std::string("1\r\n") + c + "\r\n");
    client.send("0\r\n\r\n" + request("GET", "/healthz"));
    EXPECT_EQ(read_answer(client).status, 202);
    EXPECT_EQ(read_answer(client).status, 200);
}

TEST_F(Hook, SpoolsLargeBodiesAndReadsThemAllTheSame) {
    options_.bodies_in_memory = 64 * 1024;
    start();
    for (std::size_t padding : {50'000u, 300'000u, 3'000'000u})
        EXPECT_EQ(ask(tcp(), hook(push_body(padding))).status, 202) << padding;
    EXPECT_EQ(on_loop([&] { return server_->counts().bodies_in_memory; }), 0u);
    EXPECT_EQ(on_loop([&] { return api_.submitted.size(); }), 3u);
    // Nothing but the socket is left in the directory.
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(Hook, Says503WhenABodyCantBeSpooled) {
    options_.bodies_in_memory = 1024;
    options_.spool = directory_ + "/nowhere";
    start();
    EXPECT_EQ(ask(tcp(), hook(push_body(100'000))).status, 503);
}

TEST_F(Hook, TakesNoMoreMemoryForABodyThanItAnnounced) {
    options_.bodies_in_memory = 110'000;  // less than the next doubling
    options_.spool = directory_ + "/nowhere";
    start();
    EXPECT_EQ(ask(tcp(), hook(push_body(100'000))).status, 202);
}

std::size_t peak_memory() {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
    return 0;
}

TEST_F(Hook, KeepsMemoryBoundedWhateverIsSentUnsigned) {
    start();
    EXPECT_EQ(ask(tcp(), hook(push_body(), {}, "nobody")).status, 401);
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
    auto before = peak_memory();
    constexpr int kSenders = 16;
    constexpr std::size_t kSize = std::size_t{10} << 20;
    const std::string piece(16 * 1024, 'x');
    std::atomic<int> answered = 0;
    std::vector<std::thread> senders;
    for (int i = 0; i < kSenders; ++i)
        senders.emplace_back([&] {
            auto client = tcp();
            client.send(hook_head("Content-Length: " + std::to_string(kSize)));
            for (std::size_t sent = 0; sent < kSize; sent += piece.size())
                client.send(piece);
            EXPECT_EQ(read_answer(client).status, 401);
            ++answered;
        });
    std::size_t most = 0;
    while (answered < kSenders)
        most = std::max(most, on_loop([&] { return server_->counts().bodies_in_memory; }));
    for (auto& each : senders)
        each.join();
    EXPECT_LE(most, std::size_t{2} << 20);  // what each collects for one write
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what is freed
    // Those, and what 16 connections and 16 senders need.
    EXPECT_LT(peak_memory() - before, std::size_t{10} << 20);
#else
    EXPECT_GT(peak_memory(), before);
#endif
}

}  // namespace
}  // namespace belay::test
