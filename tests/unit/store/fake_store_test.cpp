// What the fake can beyond its contract: fail, count, tell, and be opened again on the same disk.
#include "fakes/fake_store.hpp"

#include "integration/store/samples.hpp"
#include "support/run_task.hpp"

#include <gtest/gtest.h>

namespace belay::test {
namespace {

class FakeStoreFaults : public testing::Test {
  protected:
    Result<ports::Committed> put(FakeStore& store, const std::string& text) {
        auto event = sample_event(text);
        return run_task(loop_, store.commit({ports::AddEvent{event}}));
    }

    boost::asio::io_context loop_;
    FakeStore store_;
};

TEST_F(FakeStoreFaults, TheNthCommitFailsAndStoresNothing) {
    store_.fail_commit(2, Error{Errc::disk_full, "full"});
    EXPECT_TRUE(put(store_, "1"));
    auto failed = put(store_, "2");
    EXPECT_TRUE(put(store_, "3"));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error(), (Error{Errc::disk_full, "full"}));
    EXPECT_EQ(store_.commits(), 2);
    ASSERT_EQ(store_.rows().events.size(), 2U);
    EXPECT_EQ(store_.rows().events.rbegin()->second.text, "3");
}

TEST_F(FakeStoreFaults, AllCommitsFailUntilTheyDoNot) {
    store_.fail_all_commits(Error{Errc::internal, "I/O"});
    EXPECT_FALSE(put(store_, "1"));
    EXPECT_FALSE(put(store_, "2"));
    store_.fail_all_commits(std::nullopt);
    EXPECT_TRUE(put(store_, "3"));
    EXPECT_EQ(store_.commits(), 1);
}

TEST_F(FakeStoreFaults, TheHooksSeeEachCommitBeforeAndAfterItIsStored) {
    std::string seen;
    store_.before_commit = [&](const auto& batch) {
        seen += "before " + std::to_string(batch.size()) + ' ' +
                std::to_string(store_.rows().events.size());
    };
    store_.after_commit = [&](const auto&) {
        seen += " after " + std::to_string(store_.rows().events.size());
    };
    EXPECT_TRUE(put(store_, "1"));
    EXPECT_EQ(seen, "before 1 0 after 1");
}

TEST_F(FakeStoreFaults, AStoppedStoreAnswersNobodyAndTheNextOneFindsWhatWasStored) {
    for (const bool stored : {true, false}) {
        FakeStore store;
        ASSERT_TRUE(put(store, "first"));
        if (stored)
            store.stop_after_commit(1);
        else
            store.stop_before_commit(1);
        auto answered = false;
        for (const std::string text : {"second", "third"}) {
            auto event = sample_event(text);
            boost::asio::co_spawn(loop_, store.commit({ports::AddEvent{event}}),
                                  [&](const std::exception_ptr&, const auto&) { answered = true; });
            loop_.restart();
            loop_.poll();
        }
        EXPECT_FALSE(answered);
        EXPECT_TRUE(store.stopped());
        FakeStore next(store.disk());
        auto events = run_task(loop_, next.events(0, 9, "", DeploymentId{})).value();
        EXPECT_EQ(events.size(), stored ? 2U : 1U);
    }
}

}  // namespace
}  // namespace belay::test
