// Who is told to wait, who is turned away, and who never is.
#include "http_fixture.hpp"

namespace belay::test {
namespace {

class LimitsOf : public HttpTest {
  protected:
    // From another address of this machine.
    Client from(const std::string& address) {
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto source = loopback(0);
        ::inet_pton(AF_INET, address.c_str(), &source.sin_addr);
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source), 0);
        auto server = loopback(port_);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server), 0);
        return Client(fd);
    }
    static std::string forged(const std::string& app = "shop", const std::string& headers = {}) {
        return request("POST", "/hooks/" + app,
                       "Content-Type: application/json\r\nX-GitHub-Event: push\r\n"
                       "X-Hub-Signature-256: sha256=" +
                           std::string(64, '0') + "\r\n" + headers,
                       push_body());
    }
    // Statuses of so many requests on one connection, as far as it goes.
    static std::map<int, int> statuses(Client& client, const std::string& text, int count) {
        std::map<int, int> seen;
        for (int i = 0; i < count; ++i) {
            if (!client.send(text)) break;
            auto answer = read_answer(client);
            ++seen[answer.status];
            if (answer.headers["connection"] == "close") break;
        }
        return seen;
    }
};

TEST_F(LimitsOf, TellTheManyWhoAreRefusedToWait) {
    start();
    auto client = from("127.0.0.9");
    auto seen = statuses(client, forged(), 150);
    EXPECT_GE(seen[401], 100);
    EXPECT_LE(seen[401], 140);
    EXPECT_GT(seen[429], 0);
    auto answer = ask(from("127.0.0.9"), forged());
    EXPECT_EQ(answer.status, 429);
    EXPECT_GT(std::atoi(answer.headers["retry-after"].c_str()), 0);
    EXPECT_NE(answer.body.find("\"code\":\"limit\""), answer.body.npos);
}

TEST_F(LimitsOf, LetSignedDeliveriesThroughWhateverElseComesFromTheirAddress) {
    start();
    auto client = from("127.0.0.9");
    statuses(client, forged(), 300);
    EXPECT_EQ(ask(from("127.0.0.9"), forged()).status, 429);
    EXPECT_EQ(ask(from("127.0.0.9"), hook(push_body())).status, 202);
    EXPECT_EQ(ask(from("127.0.0.10"), hook(push_body())).status, 202);
}

TEST_F(LimitsOf, LeaveOtherAddressesAlone) {
    start();
    auto client = from("127.0.0.9");
    statuses(client, request("GET", "/nothing"), 300);
    EXPECT_EQ(ask(from("127.0.0.9"), request("GET", "/nothing")).status, 429);
    EXPECT_EQ(ask(from("127.0.0.10"), request("GET", "/nothing")).status, 404);
}

TEST_F(LimitsOf, CountByTheNameInTheAddressWhetherOrNotThereIsSuchAnApp) {
    start();
    for (const std::string app : {"shop", "nothing-of-this-name"}) {
        // Each address stays below its own limit.
        for (int i = 0; i < 5; ++i) {
            auto client = from("127.0.1." + std::to_string(i + (app == "shop" ? 1 : 100)));
            statuses(client, forged(app), 60);
        }
        EXPECT_EQ(ask(from("127.0.0.77"), forged(app)).status, 429) << app;
    }
    EXPECT_EQ(ask(from("127.0.0.77"), forged("another")).status, 401);
    EXPECT_EQ(ask(from("127.0.0.77"), hook(push_body())).status, 202);
}

TEST_F(LimitsOf, TurnAFloodAwayBeforeItsBodiesAreRead) {
    start();
    auto client = from("127.0.0.9");
    const std::string rubbish = request("GET", "/nothing");
    statuses(client, rubbish, 2200);
    auto large = from("127.0.0.9");
    large.send(hook_head("Content-Length: 20000000"));
    auto answer = read_answer(large);
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.headers["connection"], "close");
    EXPECT_LE(std::atoi(answer.headers["retry-after"].c_str()), 60);
    EXPECT_EQ(ask(from("127.0.0.10"), hook(push_body())).status, 202);
}

TEST_F(LimitsOf, AreNotOfTheLocalSocket) {
    start();
    auto client = local();
    auto seen = statuses(client, request("GET", "/nothing"), 2500);
    EXPECT_EQ(seen[404], 2500);
}

TEST_F(LimitsOf, ForgetTheOldestOfTooManyAddresses) {
    options_.trusted_proxies = {Cidr::parse("127.0.0.1/32").value()};
    start();
    auto client = tcp();
    const std::string first = "X-Forwarded-For: 203.0.113.1\r\n";
    for (int i = 0; i < 150; ++i) {
        client.send(request("GET", "/nothing", first));
        read_answer(client);
    }
    client.send(request("GET", "/nothing", first));
    EXPECT_EQ(read_answer(client).status, 429);
    for (int i = 0; i < 4096; ++i) {
        client.send(request("GET", "/nothing",
                            "X-Forwarded-For: 10.0." + std::to_string(i / 256) + "." +
                                std::to_string(i % 256) + "\r\n"));
        read_answer(client);
    }
    client.send(request("GET", "/nothing", first));
    EXPECT_EQ(read_answer(client).status, 404);
}

TEST_F(LimitsOf, CountOneCustomersIpv6AddressesTogether) {
    options_.trusted_proxies = {Cidr::parse("127.0.0.1/32").value()};
    start();
    auto client = tcp();
    auto last = [&](const std::string& prefix) {
        int status = 0;
        for (int i = 0; i < 150; ++i) {
            client.send(
                request("GET", "/nothing",
                        "X-Forwarded-For: " + prefix + "::" + std::to_string(i + 1) + "\r\n"));
            status = read_answer(client).status;
        }
        return status;
    };
    EXPECT_EQ(last("2001:db8:1:1"), 429);
    client.send(request("GET", "/nothing", "X-Forwarded-For: 2001:db8:1:2::1\r\n"));
    EXPECT_EQ(read_answer(client).status, 404);
}

// --- X-Forwarded-For

TEST_F(LimitsOf, BelieveForwardedAddressesFromTrustedProxiesOnly) {
    options_.trusted_proxies = {Cidr::parse("127.0.0.1/32").value(),
                                Cidr::parse("10.0.0.0/8").value()};
    start();
    struct Case {
        std::string peer, headers, client;
    };
    for (const auto& each : {
             Case{"127.0.0.9", "X-Forwarded-For: 203.0.113.1\r\n", "127.0.0.9"},
             Case{"127.0.0.1", "", "127.0.0.1"},
             Case{"127.0.0.1", "X-Forwarded-For: 203.0.113.1\r\n", "203.0.113.1"},
             Case{"127.0.0.1", "X-Forwarded-For: 203.0.113.1, 198.51.100.2\r\n", "198.51.100.2"},
             Case{"127.0.0.1", "X-Forwarded-For: 203.0.113.1, 198.51.100.2, 10.1.2.3\r\n",
                  "198.51.100.2"},
             Case{"127.0.0.1", "X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 10.1.2.3\r\n",
                  "203.0.113.1"},
             Case{"127.0.0.1", "x-forwarded-for:203.0.113.1:4711\r\n", "203.0.113.1"},
             Case{"127.0.0.1", "X-Forwarded-For: [2001:db8::7]:80\r\n", "2001:db8::7"},
             Case{"127.0.0.1", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
             Case{"127.0.0.1", "X-Forwarded-For: 203.0.113.1, unknown\r\n", "127.0.0.1"},
             Case{"127.0.0.1", "X-Forwarded-For: ,,,\r\n", "127.0.0.1"},
             Case{"127.0.0.1", "X-Forwarded-For: 10.9.9.9, 10.1.2.3\r\n", "10.9.9.9"},
             Case{"127.0.0.1", "Forwarded: for=203.0.113.1\r\n", "127.0.0.1"},
         }) {
        // An app of its own for each, as of one app only a few refusals a second are recorded.
        const auto number = on_loop([&] {
            api_.hooks["app" + std::to_string(api_.refused.size())] = api_.hooks["shop"];
            return api_.refused.size();
        });
        EXPECT_EQ(ask(from(each.peer), forged("app" + std::to_string(number), each.headers)).status,
                  401);
        eventually([&] { return api_.refused.size() > number; });
        auto reason = on_loop([&] { return api_.refused.back().reason; });
        EXPECT_NE(reason.find("(from " + each.client + ")"), reason.npos) << each.headers << reason;
    }
}

}  // namespace
}  // namespace belay::test
