// GET /metrics: who may, when there is any, and what the server counts for it itself.
#include "http_fixture.hpp"

#include <nlohmann/json.hpp>

#include <thread>

namespace belay::test {
namespace {

class Metrics : public HttpTest {
  protected:
    Metrics() {
        options_.look_at_metrics = [this] { return look(); };
    }
    Task<http::Exposition> look() {
        ++looks_;
        loop_thread_ = std::this_thread::get_id();
        http::Exposition write = [this] {
            writer_thread_ = std::this_thread::get_id();
            return std::string("belay_ready 1\n");
        };
        co_return write;
    }

    int looks_ = 0;
    std::thread::id loop_thread_, writer_thread_;
};

TEST_F(Metrics, AreWrittenApartFromTheLoopForWhoMayRead) {
    start();
    auto token = nlohmann::json::parse(
        post("/api/v1/tokens", R"({"name": "prometheus", "role": "read"})").body);
    auto answer = ask(tcp(), request("GET", "/metrics",
                                     "Authorization: Bearer " + token.value("token", "") + "\r\n"));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(answer.body, "belay_ready 1\n");
    EXPECT_NE(loop_thread_, writer_thread_);
    EXPECT_EQ(get("/metrics").status, 200) << "over the socket";
    EXPECT_EQ(ask(tcp(), request("GET", "/metrics")).status, 401);
    EXPECT_EQ(on_loop([&] { return looks_; }), 2) << "nothing is looked at for those who may not";
}

TEST_F(Metrics, AreNotThereWhereTheyAreTurnedOff) {
    start();
    EXPECT_EQ(get("/metrics").status, 200);
    on_loop([&] {
        http::Settings settings = options_;
        settings.metrics = false;
        return server_->configure(settings).has_value();
    });
    auto answer = get("/metrics");
    EXPECT_EQ(answer.status, 404);
    EXPECT_NE(answer.body.find("[metrics] enabled"), std::string::npos);
    EXPECT_EQ(on_loop([&] { return looks_; }), 1);
}

TEST_F(Metrics, CountHooksThatWereRefusedByTheirStatus) {
    options_.hook_body = 1'000;
    start();
    auto body = push_body();
    EXPECT_EQ(ask(tcp(), hook(body)).status, 202);
    EXPECT_EQ(ask(tcp(), request("POST", "/hooks/shop", "Content-Type: application/json\r\n", "{}"))
                  .status,
              401);
    EXPECT_EQ(
        ask(tcp(), request("POST", "/hooks/nobody", "Content-Type: application/json\r\n", "{}"))
            .status,
        401);
    EXPECT_EQ(
        ask(tcp(), request("POST", "/hooks/shop", "Content-Type: text/plain\r\n", "x")).status,
        415);
    EXPECT_EQ(ask(tcp(), hook(std::string(2'000, ' '))).status, 413);
    EXPECT_EQ(ask(tcp(), request("GET", "/nothing")).status, 404);
    auto counts = on_loop([&] { return server_->counts().refused_hooks; });
    EXPECT_EQ(counts, (std::map<int, std::uint64_t>{{401, 2}, {413, 1}, {415, 1}}));
}

}  // namespace
}  // namespace belay::test
