#include <belay/async/cancel.hpp>
#include <belay/async/event.hpp>
#include <belay/async/offload.hpp>
#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace belay::async {
namespace {

namespace asio = boost::asio;

struct Loop {
    asio::io_context context{1};
    std::unique_ptr<Timers> timers = make_timers(context.get_executor());
    TaskGroup group{context.get_executor()};
};

Task<void> note_after(Event& event, std::vector<int>& order, int number) {
    co_await event.wait();
    order.push_back(number);
}

Task<void> set_then_note(Event& event, std::vector<int>& order, int number) {
    event.set();
    order.push_back(number);
    co_return;
}

TEST(Event, ResumesWaitersAfterTheSetterHasGoneOn) {
    Loop loop;
    Event event;
    std::vector<int> order;
    loop.group.spawn("a", note_after(event, order, 2));
    loop.group.spawn("b", note_after(event, order, 3));
    loop.group.spawn("c", set_then_note(event, order, 1));
    loop.context.run();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(loop.group.running(), 0u);
}

Task<void> store_sleep(Timers& timers, Millis delay, Cancel cancel, bool& result) {
    result = co_await timers.sleep(delay, cancel);
}

TEST(Timers, SleepEndsEarlyWhenCanceled) {
    Loop loop;
    Cancel cancel;
    bool whole = true;
    loop.group.spawn("sleep", store_sleep(*loop.timers, std::chrono::hours{1}, cancel, whole));
    loop.context.poll();
    cancel.request();
    loop.context.run();
    EXPECT_FALSE(whole);
}

Task<void> store_wait(Timers& timers, Event& event, Millis delay, bool& result) {
    result = co_await timers.wait(event, delay);
}

TEST(Timers, WaitTellsTheEventFromTheTimeout) {
    Loop loop;
    Event never, soon;
    bool timed_out = true, seen = false;
    loop.group.spawn("never", store_wait(*loop.timers, never, Millis{5}, timed_out));
    loop.group.spawn("soon", store_wait(*loop.timers, soon, std::chrono::hours{1}, seen));
    loop.context.poll();
    soon.set();
    loop.context.run();
    EXPECT_FALSE(timed_out);
    EXPECT_FALSE(never.is_set());
    EXPECT_TRUE(seen);
}

TEST(Cancel, ToleratesACallbackThatEndsAnother) {
    Cancel cancel;
    int calls = 0;
    Subscription second;
    auto first = cancel.on_request([&] {
        ++calls;
        second.end();
    });
    second = cancel.on_request([&] { ++calls; });
    cancel.request();
    cancel.request();
    EXPECT_EQ(calls, 1);
}

Task<void> wait_again_and_again(Timers& timers, Event& never, Cancel life, int& waits) {
    for (int i = 0; i < 50; ++i) {
        co_await timers.wait(never, Millis{0}, life);
        ++waits;
        co_await timers.sleep(Millis{0}, life);
        ++waits;
    }
}

// One that lives as long as the daemon is waited with at each look at each app's health.
TEST(Cancel, KeepsNothingOfTheWaitsThatItOutlived) {
    Loop loop;
    Cancel life;
    Event never;
    int waits = 0;
    loop.group.spawn("waits", wait_again_and_again(*loop.timers, never, life, waits));
    loop.context.run();
    EXPECT_EQ(waits, 100);
    EXPECT_EQ(life.registrations(), 0u);
    auto kept = life.on_request([] {});
    EXPECT_EQ(life.registrations(), 1u);
}

std::thread::id this_thread() {
    return std::this_thread::get_id();
}

Task<void> store_threads(asio::thread_pool& pool, std::thread::id& worker, std::thread::id& after) {
    worker = co_await offload(pool, this_thread);
    after = std::this_thread::get_id();
}

TEST(Offload, RunsOnThePoolAndResumesOnTheLoop) {
    Loop loop;
    asio::thread_pool pool(1);
    std::thread::id worker, after;
    loop.group.spawn("offload", store_threads(pool, worker, after));
    loop.context.run();
    EXPECT_NE(worker, std::this_thread::get_id());
    EXPECT_EQ(after, std::this_thread::get_id());
    pool.join();
}

}  // namespace
}  // namespace belay::async
