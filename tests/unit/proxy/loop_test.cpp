#include "proxy/loop.hpp"

#include "proxy/flow.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace belay::proxy {
namespace {

Flow<int> double_of(int number) {
    co_return number * 2;
}

Flow<int> sum_of_many() {
    int sum = 0;
    for (int i = 0; i < 200'000; ++i) {
        int doubled = co_await double_of(1);
        sum += doubled;
    }
    co_return sum;
}

Flow<> store_sum(int& into) {
    into = co_await sum_of_many();
}

TEST(Flow, LoopsOverFlowsThatNeverWaitDoNotGrowTheStack) {
    int sum = 0;
    store_sum(sum).start();
    EXPECT_EQ(sum, 400'000);
}

Flow<> wait_then_note(Latch& latch, std::vector<int>& order, int number) {
    co_await latch;
    order.push_back(number);
}

TEST(Flow, WaitsForALatch) {
    Latch latch;
    std::vector<int> order;
    wait_then_note(latch, order, 1).start();
    EXPECT_TRUE(order.empty());
    latch.open();
    wait_then_note(latch, order, 2).start();
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

struct Alarm final : Timer {
    explicit Alarm(std::vector<int>& rung, int number) : rung_(rung), number_(number) {}
    void on_expired() override { rung_.push_back(number_); }

  private:
    std::vector<int>& rung_;
    int number_;
};

TEST(Timers, FireOnceWhateverTheirDistanceAndNotWhenDisarmed) {
    Loop loop;
    std::vector<int> rung;
    Alarm near(rung, 1), far(rung, 2), gone(rung, 3);
    loop.arm(near, Millis{10});
    loop.arm(far, std::chrono::hours{100});
    loop.arm(gone, Millis{10});
    loop.disarm(gone);
    {
        Alarm dead(rung, 4);
        loop.arm(dead, Millis{5});
    }
    loop.expire_all();
    EXPECT_EQ(rung.size(), 2u);
    EXPECT_FALSE(near.armed());
    EXPECT_FALSE(far.armed());
}

}  // namespace
}  // namespace belay::proxy
