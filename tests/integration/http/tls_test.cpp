// HTTPS on the listener.
#include "http_fixture.hpp"
#include "support/certificates.hpp"

namespace belay::test {
namespace {

class Tls : public HttpTest {
  protected:
    Tls() {
        write_certificate(directory_ + "/a", "first");
        options_.tls_cert = directory_ + "/a.crt";
        options_.tls_key = directory_ + "/a.key";
    }
    int connected(const std::string& address = "127.0.0.2") {
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        timeval patience{10, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        auto source = loopback(0);
        ::inet_pton(AF_INET, address.c_str(), &source.sin_addr);
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source), 0);
        auto server = loopback(port_);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server), 0);
        return fd;
    }
    std::string server_name() { return TlsClient(connected()).server_name(); }
    Result<void> configure() {
        return on_loop([&] { return server_->configure(options_); });
    }
    static std::string closing(std::string request) {
        return request.replace(request.find("Host:"), 0, "Connection: close\r\n");
    }
};

TEST_F(Tls, CarriesDeliveriesLargeAndSmall) {
    start();
    TlsClient client(connected());
    ASSERT_TRUE(client.connected());
    for (std::size_t size : {10u, 100'000u, 3'000'000u}) {
        ASSERT_TRUE(client.send(hook(push_body(size))));
        auto answer = client.read(12);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 202")) << size << answer;
    }
    EXPECT_EQ(on_loop([&] { return api_.submitted.size(); }), 3u);
}

TEST_F(Tls, EndsWithoutCuttingOff) {
    start();
    TlsClient client(connected());
    client.send(closing(request("GET", "/healthz")));
    auto all = client.until_closed();
    EXPECT_TRUE(all.ends_with("{\"alive\":true}\n")) << all;
}

TEST_F(Tls, SpeaksVersions12And13Only) {
    start();
    EXPECT_EQ(TlsClient(connected(), TLS1_2_VERSION).protocol(), "TLSv1.2");
    EXPECT_EQ(TlsClient(connected(), TLS1_3_VERSION).protocol(), "TLSv1.3");
    EXPECT_FALSE(TlsClient(connected(), TLS1_1_VERSION).connected());
    EXPECT_FALSE(TlsClient(connected(), TLS1_VERSION).connected());
}

TEST_F(Tls, OffersHttp11AndNothingElse) {
    start();
    EXPECT_EQ(TlsClient(connected(), 0, "http/1.1").alpn(), "http/1.1");
    EXPECT_TRUE(TlsClient(connected()).connected());
    EXPECT_FALSE(TlsClient(connected(), 0, "h2").connected());
}

TEST_F(Tls, ServesPlainRequestsFromThisMachineAlone) {
    start();
    EXPECT_EQ(ask(tcp(), request("GET", "/healthz")).status, 200);
    EXPECT_TRUE(TlsClient(connected("127.0.0.1")).connected());
}

TEST_F(Tls, TakesANewPairWhenItsFilesChange) {
    start();
    TlsClient before(connected());
    EXPECT_EQ(before.server_name(), "first");
    write_certificate(directory_ + "/a", "second");
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (server_name() != "second")
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    // Who is connected stays so.
    before.send(request("GET", "/healthz"));
    EXPECT_TRUE(before.read(12).starts_with("HTTP/1.1 200"));
}

TEST_F(Tls, KeepsThePairInForceWhenTheNewOneIsBroken) {
    start();
    EXPECT_EQ(server_name(), "first");
    write_certificate(directory_ + "/b", "second");
    std::filesystem::copy_file(directory_ + "/b.crt", directory_ + "/a.crt",
                               std::filesystem::copy_options::overwrite_existing);
    auto reloaded = configure();
    ASSERT_FALSE(reloaded);
    EXPECT_NE(reloaded.error().message.find("does not fit the certificate"), std::string::npos);
    EXPECT_EQ(server_name(), "first");
    std::filesystem::copy_file(directory_ + "/b.key", directory_ + "/a.key",
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(configure());
    EXPECT_EQ(server_name(), "second");

    write_certificate(directory_ + "/a", "third", -60);
    reloaded = configure();
    ASSERT_FALSE(reloaded);
    EXPECT_NE(reloaded.error().message.find("expired on 2"), std::string::npos);
    EXPECT_EQ(server_name(), "second");
    std::filesystem::remove(directory_ + "/a.key");
    reloaded = configure();
    ASSERT_FALSE(reloaded);
    EXPECT_NE(reloaded.error().message.find("a.key does not exist"), std::string::npos);
    EXPECT_EQ(server_name(), "second");
}

TEST_F(Tls, BeginsAndEndsWithAReload) {
    auto with = options_;
    options_.tls_cert.clear();
    options_.tls_key.clear();
    start();
    EXPECT_FALSE(TlsClient(connected()).connected());
    options_ = with;
    EXPECT_TRUE(configure());
    EXPECT_TRUE(TlsClient(connected()).connected());
}

TEST_F(Tls, HandshakesHaveADeadline) {
    options_.header_timeout = Millis{200};
    start();
    Client silent(connected()), half(connected());
    half.send(std::string("\x16\x03\x01\x02\x00", 5));
    half.until_closed();
    silent.until_closed();
    eventually([&] { return server_->counts().connections == 0; });
}

TEST_F(Tls, RubbishInAHandshakeEndsIt) {
    start();
    for (const std::string& rubbish : {std::string("\x16\x03\x01\x00\x05hello", 10),
                                       std::string("\x16\xff\xff\xff\xff\xff\xff", 7)}) {
        Client client(connected());
        client.send(rubbish);
        client.until_closed();
    }
    EXPECT_TRUE(TlsClient(connected()).connected());
    eventually([&] { return server_->counts().connections == 0; });
}

TEST_F(Tls, SurvivesPeersThatGoDuringTheHandshake) {
    start();
    for (int i = 0; i < 200; ++i) {
        Client client(connected("127.0.0." + std::to_string(i % 100 + 3)));
        client.send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
    }
    eventually([&] { return server_->counts().connections == 0; });
    EXPECT_TRUE(TlsClient(connected()).connected());
}

}  // namespace
}  // namespace belay::test
