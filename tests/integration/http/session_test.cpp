#include "http_fixture.hpp"

#include <new>

namespace belay::test {
namespace {

class Session : public HttpTest {};

TEST_F(Session, AnswersManyRequestsOnOneConnection) {
    start();
    auto client = tcp();
    for (int i = 0; i < 50; ++i) {
        client.send(request("GET", "/healthz"));
        auto answer = read_answer(client);
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.headers["connection"], "keep-alive");
    }
}

TEST_F(Session, AnswersPipelinedRequestsInOrder) {
    start();
    auto client = tcp();
    client.send(request("GET", "/healthz") + hook(push_body()) + request("GET", "/nothing") +
                hook("{") + request("GET", "/healthz"));
    for (int status : {200, 202, 404, 400, 200})
        EXPECT_EQ(read_answer(client).status, status);
}

TEST_F(Session, Fault27_MemoryThatRunsOutInOneRequestEndsThatRequestAlone) {
    const auto ask_restart =
        request("POST", "/api/v1/apps/shop/restart", "Content-Type: application/json\r\n", "{}");
    int left = 3;
    api_.on_act = [&] {
        if (left-- > 0) throw std::bad_alloc();
    };
    start();
    auto other = tcp();
    for (int i = 0; i < 3; ++i) {
        auto client = local();
        client.send(ask_restart);
        EXPECT_EQ(client.until_closed(), "");
        other.send(request("GET", "/healthz"));
        EXPECT_EQ(read_answer(other).status, 200);
    }
    auto client = local();
    client.send(ask_restart);
    EXPECT_EQ(read_answer(client).status, 202);
}

TEST_F(Session, EndsAtRubbishAfterAnsweringWhatCameBefore) {
    start();
    auto client = tcp();
    client.send(request("GET", "/healthz") + "\x16\x03\x01 rubbish\r\n\r\n" +
                request("GET", "/healthz"));
    EXPECT_EQ(read_answer(client).status, 200);
    EXPECT_EQ(read_answer(client).status, 400);
    EXPECT_EQ(client.until_closed(), "");
}

// Else a body could be a request in disguise.
TEST_F(Session, NeverTakesAnUnreadBodyForTheNextRequest) {
    start();
    auto client = tcp();
    auto inner = request("GET", "/healthz");
    client.send(request("POST", "/nothing", "", inner) + request("GET", "/readyz"));
    EXPECT_EQ(read_answer(client).status, 404);
    EXPECT_EQ(read_answer(client).body, "{\"ready\":true}\n");
    auto large = tcp();
    large.send(request("POST", "/nothing", "", std::string(100'000, 'x')) + inner);
    EXPECT_EQ(read_answer(large).status, 404);
    EXPECT_EQ(large.until_closed(), "");
}

TEST_F(Session, SpeaksHttp10) {
    start();
    auto client = tcp();
    client.send("GET /healthz HTTP/1.0\r\n\r\n");
    auto answer = client.until_closed();
    EXPECT_TRUE(answer.starts_with("HTTP/1.0 200 OK\r\n")) << answer;
    EXPECT_NE(answer.find("Connection: close\r\n"), answer.npos);
}

TEST_F(Session, AnswersHeadWithoutABody) {
    start();
    auto client = tcp();
    client.send(request("HEAD", "/healthz") + request("GET", "/healthz"));
    EXPECT_EQ(read_answer(client, true).status, 200);
    EXPECT_EQ(read_answer(client).status, 200);
}

TEST_F(Session, RefusesRequestsThatTwoServersCouldReadDifferently) {
    start();
    for (const std::string text :
         {"POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
          "chunked\r\n\r\n0\r\n\r\n",
          "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
          "3\r\n\r\n0\r\n\r\n",
          "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: "
          "4\r\n\r\nabcd",
          "GET /healthz HTTP/1.1\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
          "GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET /a/../healthz HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET //healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n"}) {
        auto answer = ask(tcp(), text);
        EXPECT_EQ(answer.status, 400) << text;
        EXPECT_EQ(answer.headers["connection"], "close");
    }
    EXPECT_EQ(ask(tcp(), "GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n").status,
              417);
}

TEST_F(Session, RefusesALargeHeader) {
    start();
    auto with = [&](std::size_t size) {
        return ask(tcp(), request("GET", "/healthz", "X: " + std::string(size, 'x') + "\r\n"))
            .status;
    };
    EXPECT_EQ(with(15'000), 200);
    EXPECT_EQ(with(17'000), 431);
    EXPECT_EQ(with(200'000), 431);
}

TEST_F(Session, DropsASlowHeader) {
    options_.header_timeout = Millis{150};
    start();
    auto silent = tcp(), slow = tcp();
    slow.send("GET /healthz HTTP/1.1\r\nHo");
    EXPECT_EQ(silent.until_closed(), "");
    EXPECT_EQ(slow.until_closed(), "");
}

TEST_F(Session, DropsAnIdleConnection) {
    options_.idle_timeout = Millis{100};
    start();
    auto client = tcp();
    client.send(request("GET", "/healthz"));
    EXPECT_EQ(read_answer(client).status, 200);
    EXPECT_EQ(client.until_closed(), "");
}

TEST_F(Session, DropsABodyThatTrickles) {
    options_.body_grace = Millis{150};
    start();
    auto client = tcp();
    client.send(hook_head("Content-Length: 1000") + "xxx");
    EXPECT_NE(client.until_closed().find("the body did not come in time"), std::string::npos);
}

TEST_F(Session, EndsASlowBodyAtItsDeadlineHoweverMuchComes) {
    options_.body_timeout = Millis{200};
    options_.body_rate = 1;
    start();
    auto client = tcp();
    client.send(hook_head("Content-Length: 1000000") + std::string(5000, 'x'));
    EXPECT_NE(client.until_closed().find("the body did not come in time"), std::string::npos);
}

TEST_F(Session, AnswersAHundredAtOnce) {
    start();
    std::vector<Client> clients;
    for (int i = 0; i < 100; ++i)
        clients.push_back(tcp());
    for (auto& client : clients)
        client.send(hook(push_body(2000)));
    for (auto& client : clients)
        EXPECT_EQ(read_answer(client).status, 202);
    EXPECT_EQ(on_loop([&] { return api_.submitted.size(); }), 100u);
}

TEST_F(Session, MakesRoomForThoseWhoSpeakAndKeepsPlacesForTheSocket) {
    options_.connections = 12;
    options_.reserved_for_socket = 4;
    start();
    std::vector<Client> silent;
    for (int i = 0; i < 8; ++i)
        silent.push_back(tcp());
    eventually([&] { return server_->counts().connections == 8; });
    EXPECT_EQ(ask(tcp(), request("GET", "/healthz")).status, 200);
    EXPECT_EQ(silent.front().until_closed(), "");
    EXPECT_EQ(get("/healthz").status, 200);
    EXPECT_EQ(on_loop([&] { return server_->counts().shed; }), 1u);
}

TEST_F(Session, SurvivesClientsThatGoInTheMiddle) {
    start();
    auto text = hook(push_body(5000));
    for (std::size_t i = 0; i < 20; ++i) {
        auto client = tcp();
        client.send(text.substr(0, i * 270));
    }
    eventually([&] { return server_->counts().connections == 0; });
    EXPECT_EQ(ask(tcp(), request("GET", "/healthz")).status, 200);
}

TEST_F(Session, StopsWithConnectionsOpen) {
    start();
    auto idle = tcp(), events = local(), body = tcp();
    idle.send(request("GET", "/healthz"));
    read_answer(idle);
    events.send(request("GET", "/api/v1/events"));
    events.until("retry: 1000\n\n");
    body.send(hook_head("Content-Length: 10"));
    eventually([&] { return server_->counts().connections == 3; });
    stop(Millis{100});
    EXPECT_EQ(idle.until_closed(), "");
    body.until_closed();
    events.until_closed();
}

}  // namespace
}  // namespace belay::test
