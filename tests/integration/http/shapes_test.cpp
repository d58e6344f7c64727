// What two servers in a row could read differently, what has no end, and what is no HTTP at all:
// every case over a real socket, and after each the server still serves.
#include "http_fixture.hpp"

namespace belay::test {
namespace {

class Shapes : public HttpTest {
  protected:
    static constexpr const char* kInner = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

    // Status of the first answer, 0 where the connection just ends; and nothing may come behind it:
    // the rest must not be taken for a request.
    std::pair<int, int> statuses_of(const std::string& text) {
        auto client = tcp();
        client.send(text);
        ::shutdown(client.fd(), SHUT_WR);
        const auto all = client.until_closed();
        int answers = 0;
        for (auto at = all.find("HTTP/1."); at != all.npos; at = all.find("HTTP/1.", at + 1))
            ++answers;
        return {all.size() > 12 ? std::atoi(all.c_str() + 9) : 0, answers};
    }
    void expect_refused(const std::string& text, int status = 400) {
        auto [first, answers] = statuses_of(text);
        EXPECT_EQ(first, status) << text.substr(0, 400);
        EXPECT_EQ(answers, 1) << "something behind it was taken for a request: "
                              << text.substr(0, 400);
        EXPECT_EQ(ask(local(), request("GET", "/healthz")).status, 200);
    }
    static std::string post(const std::string& headers, const std::string& rest = {}) {
        return "POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
               headers + "\r\n" + rest + kInner;
    }
};

TEST_F(Shapes, OfLengthsThatDisagreeAreRefused) {
    start();
    for (const std::string headers : {
             "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
             "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
             "Content-Length: 3\r\nContent-Length: 4\r\n",
             "Content-Length: 3, 4\r\n",
             "Content-Length: -3\r\n",
             "Content-Length: +3\r\n",
             "Content-Length: 0x3\r\n",
             "Content-Length: 3 3\r\n",
             "Content-Length: \r\n",
             "Content-Length: three\r\n",
             "Content-Length: 99999999999999999999999999\r\n",
             "Transfer-Encoding: identity\r\n",
             "Transfer-Encoding: gzip\r\n",
             "Transfer-Encoding: gzip, chunked\r\n",
             "Transfer-Encoding: chunked, identity\r\n",
             "Transfer-Encoding: chunked, chunked\r\n",
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
             "Transfer-Encoding: xchunked\r\n",
             "Transfer-Encoding: \x0b"
             "chunked\r\n",
             "Transfer-Encoding: \"chunked\"\r\n",
             "Transfer-Encoding:\r\n",
         })
        expect_refused(post(headers, "0\r\n\r\n"));
}

TEST_F(Shapes, OfHeadsThatServersReadDifferentlyAreRefused) {
    start();
    for (const std::string headers : {
             "Content-Length : 3\r\n",
             "Transfer-Encoding : chunked\r\n",
             " Content-Length: 3\r\n",
             "X-A: b\r\n Content-Length: 3\r\n",
             "X-A: b\r\n\tc\r\n",
             "X-A\r\n",
             ": empty\r\n",
             "X A: b\r\n",
             "X-A: b\nX-C: d\r\n",
             "X-A: b\rX-C: d\r\n",
             "X-\x01: b\r\n",
             "X-(A): b\r\n",
             "X-A: b\x01\r\n",
         })
        expect_refused(post(headers));
    expect_refused(post(std::string("X-A: b\0c\r\n", 10)));
    expect_refused(std::string("GET /healthz HTTP/1.1\nHost: x\n\n") + kInner);
    expect_refused(std::string("GET /healthz HTTP/1.1\r\nHost: x\n\r\n") + kInner);
    expect_refused(std::string("GET /healthz HTTP/1.1\r\nHost: x\r\n\n") + kInner);
}

TEST_F(Shapes, OfRequestLinesThatAreNoneAreRefused) {
    start();
    for (const std::string line : {
             "GET /healthz",
             "GET /healthz HTTP/2.0",
             "GET /healthz HTTP/1.1 x",
             "GET  /healthz HTTP/1.1",
             "GET /heal thz HTTP/1.1",
             " GET /healthz HTTP/1.1",
             "GE\tT /healthz HTTP/1.1",
             "/healthz",
             "GET",
             "\x16\x03\x01\x02",
             "GET * HTTP/1.1",
             "GET healthz HTTP/1.1",
             "GET http://x/healthz HTTP/1.1",
             "CONNECT x:80 HTTP/1.1",
             "GET /healthz http/1.1",
             "PRI * HTTP/2.0",
         })
        expect_refused(line + "\r\nHost: x\r\n\r\n" + kInner);
}

TEST_F(Shapes, OfChunksThatAreNoneAreRefused) {
    start();
    const std::string chunked =
        "Content-Type: application/json\r\nX-GitHub-Event: push\r\nTransfer-Encoding: chunked\r\n";
    for (const std::string body : {
             "x\r\n",
             "-1\r\n",
             "0x5\r\nabcde\r\n0\r\n\r\n",
             "5\nabcde\r\n0\r\n\r\n",
             "5\r\nabcdefg\r\n0\r\n\r\n",
             " 5\r\nabcde\r\n0\r\n\r\n",
             "ffffffffffffffffffff\r\n",
             "\r\n\r\n",
             "5;\x01\r\nabcde\r\n0\r\n\r\n",
         })
        expect_refused("POST /hooks/shop HTTP/1.1\r\nHost: x\r\n" + chunked + "\r\n" + body +
                       kInner);
}

TEST_F(Shapes, OfChunkedBodiesWithoutEndAreCutAtTheLimit) {
    options_.hook_body = 64 * 1024;
    start();
    for (std::size_t size : {1u, 7u, 1000u, 60'000u}) {
        auto client = tcp();
        client.send(hook_head("Transfer-Encoding: chunked"));
        auto chunk = std::string(size, 'x');
        char length[16];
        std::snprintf(length, sizeof length, "%zx\r\n", size);
        std::string piece;
        while (piece.size() < 60'000)
            piece += length + chunk + "\r\n";
        for (int i = 0; i < 200 && client.send(piece); ++i) {
        }
        EXPECT_EQ(read_answer(client).status, 413) << size;
    }
    // An extension or a trailer without end is no way round it.
    for (const std::string never : {"5;x=", "0\r\nX-A: "}) {
        auto client = tcp();
        client.send(hook_head("Transfer-Encoding: chunked") + never);
        for (int i = 0; i < 100 && client.send(std::string(10'000, 'x')); ++i) {
        }
        auto status = read_answer(client).status;
        EXPECT_TRUE(status == 400 || status == 413) << never << status;
    }
}

TEST_F(Shapes, OfSizesThatAreTooLargeAreRefusedBeforeTheyAreRead) {
    options_.hook_body = 64 * 1024;
    start();
    for (const std::string length : {"65537", "100000000", "18446744073709551615"}) {
        auto answer = ask(tcp(), hook_head("Content-Length: " + length));
        EXPECT_EQ(answer.status, 413) << length;
        auto waits = ask(tcp(), hook_head("Expect: 100-continue\r\nContent-Length: " + length));
        EXPECT_EQ(waits.status, 413) << length;
    }
    auto forged = hook_head("Content-Length: 65536") + std::string(65'536, ' ');
    EXPECT_EQ(ask(tcp(), forged).status, 401);
}

TEST_F(Shapes, OfContentTypesThatAreOthersAreRefused) {
    start();
    const auto body = push_body();
    const auto sign =
        "X-GitHub-Event: push\r\nX-Hub-Signature-256: " + github_signature(kSecret, body) + "\r\n";
    for (const std::string type :
         {"text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonx",
          "json", "application", ""})
        EXPECT_EQ(ask(tcp(),
                      request("POST", "/hooks/shop", "Content-Type: " + type + "\r\n" + sign, body))
                      .status,
                  415)
            << type;
    EXPECT_EQ(ask(tcp(), request("POST", "/hooks/shop", sign, body)).status, 415);
    for (const std::string type : {"application/json", "Application/JSON; charset=utf-8"})
        EXPECT_EQ(ask(tcp(),
                      request("POST", "/hooks/shop", "Content-Type: " + type + "\r\n" + sign, body))
                      .status,
                  202)
            << type;
}

TEST_F(Shapes, OfHeaderFloodsAreRefused) {
    start();
    std::string many;
    for (int i = 0; i < 3000; ++i)
        many += "X-" + std::to_string(i) + ": y\r\n";
    expect_refused("GET /healthz HTTP/1.1\r\nHost: x\r\n" + many + "\r\n", 431);
    expect_refused("GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n", 431);
    expect_refused("GET /healthz HTTP/1.1\r\nHost: x\r\n" + std::string(20'000, 'x'), 431);
}

TEST_F(Shapes, OfRubbishBehindGoodRequestsEndTheConnection) {
    start();
    auto client = tcp();
    client.send(hook(push_body()) + "rubbish rubbish\r\n\r\n" + hook(push_body()));
    EXPECT_EQ(read_answer(client).status, 202);
    EXPECT_EQ(read_answer(client).status, 400);
    EXPECT_EQ(client.until_closed(), "");
    EXPECT_EQ(on_loop([&] { return api_.submitted.size(); }), 1u);
}

}  // namespace
}  // namespace belay::test
