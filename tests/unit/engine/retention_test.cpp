// Retention never takes what is needed, whatever the history looks like.
#include "engine/retention.hpp"

#include "engine_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace belay::engine {
namespace {

using domain::ReleaseState;

domain::Release release(ReleaseNumber number, bool healthy, std::int64_t bytes = 100) {
    domain::Release row;
    row.number = number;
    row.state = healthy ? ReleaseState::retired : ReleaseState::sealed;
    row.bytes = bytes;
    if (healthy) row.healthy_since = TimePoint(Millis(number));
    return row;
}

std::vector<ReleaseNumber> numbers(const std::vector<Unneeded>& unneeded) {
    std::vector<ReleaseNumber> found;
    for (const auto& one : unneeded)
        found.push_back(one.release);
    return found;
}

Kept history(std::vector<domain::Release> oldest_first, ReleaseNumber live, int releases) {
    Kept kept;
    for (const auto& row : oldest_first)
        kept.on_disk.push_back(row.number);
    std::reverse(oldest_first.begin(), oldest_first.end());
    kept.rows = std::move(oldest_first);
    kept.live = live;
    kept.needed = {live};
    kept.keep.releases = releases;
    return kept;
}

TEST(Retention, TheNewestHealthyOnesStayAndFailedOnesDoNotPushThemOut) {
    auto kept = history({release(1, true), release(2, true), release(3, false), release(4, false),
                         release(5, false), release(6, true)},
                        6, 2);
    EXPECT_EQ(numbers(unneeded_releases(kept)), (std::vector<ReleaseNumber>{1, 3}));
}

TEST(Retention, TheByteBudgetTakesTheOldestButNeverTheWayBack) {
    auto kept =
        history({release(1, true), release(2, true), release(3, true), release(4, true)}, 4, 4);
    kept.keep.disk = 250;
    auto unneeded = unneeded_releases(kept);
    EXPECT_EQ(numbers(unneeded), (std::vector<ReleaseNumber>{1, 2}));
    EXPECT_EQ(unneeded[0].why, "beyond keep.disk");
    kept.keep.disk = 0;
    EXPECT_EQ(numbers(unneeded_releases(kept)), (std::vector<ReleaseNumber>{1, 2}))
        << "3 is the way back";
}

TEST(Retention, AnUnhealthyOneIsNoWayBack) {
    auto bad = release(2, true);
    bad.state = ReleaseState::bad;
    auto kept = history({release(1, true), bad, release(3, true)}, 3, 1);
    EXPECT_EQ(numbers(unneeded_releases(kept)), (std::vector<ReleaseNumber>{2}));
}

// Row 64 | unneeded_releases() in src/engine/retention.cpp: the insertion of `way_back` and of
// `needed`.
TEST(Retention, Fault64_NothingThatIsNeededGoesInAnyOfTenThousandHistories) {
    for (unsigned seed = 1; seed <= 10'000; ++seed) {
        std::mt19937 random(seed);
        auto upto = [&](int most) {
            return static_cast<int>(random() % static_cast<unsigned>(most + 1));
        };
        Kept kept;
        const int count = 1 + upto(24);
        constexpr ReleaseState kStates[] = {ReleaseState::building, ReleaseState::sealed,
                                            ReleaseState::retired,  ReleaseState::bad,
                                            ReleaseState::pruned,   ReleaseState::standby};
        for (int number = count; number >= 1; --number) {
            const bool on_disk = upto(4) > 0;
            if (on_disk) kept.on_disk.insert(kept.on_disk.begin(), number);
            if (upto(9) == 0) continue;  // the record lost it
            auto row = release(number, upto(2) > 0, upto(1'000));
            row.state = kStates[upto(5)];
            kept.rows.push_back(row);
        }
        kept.live = 1 + upto(count);
        kept.needed = {kept.live, 1 + upto(count), 1 + upto(count), 0};
        kept.keep.releases = upto(3);
        kept.keep.disk = static_cast<std::uint64_t>(upto(5'000));
        auto gone = numbers(unneeded_releases(kept));
        for (auto number : kept.needed)
            ASSERT_EQ(std::count(gone.begin(), gone.end(), number), 0) << "seed " << seed;
        // The rollback without --to chooses this one (engine/commands.cpp).
        for (const auto& row : kept.rows) {
            if (row.number >= kept.live || row.healthy_since == TimePoint{} ||
                row.state == ReleaseState::bad || row.state == ReleaseState::pruned)
                continue;
            ASSERT_EQ(std::count(gone.begin(), gone.end(), row.number), 0)
                << "the way back, seed " << seed;
            break;
        }
        for (auto number : gone)
            ASSERT_EQ(std::count(kept.on_disk.begin(), kept.on_disk.end(), number), 1)
                << "seed " << seed;
        ASSERT_TRUE(std::adjacent_find(gone.begin(), gone.end(), std::greater_equal<>()) ==
                    gone.end())
            << "seed " << seed;
    }
}

TEST(Housekeeping, TakesAllOfTheOldHistorySoonAfterTheStart) {
    test::EngineWorld world;
    for (std::int64_t id = 1; id <= 400; ++id) {
        domain::Deployment old;
        old.id = DeploymentId{id};
        old.app = "shop";
        old.state = domain::State::superseded;
        old.finished_at = TimePoint(Millis{id});
        world.disk->deployments[old.id] = old;
    }
    world.start();
    EXPECT_TRUE(
        world.run_until([&] { return world.disk->deployments.size() <= 101; }, Millis{120'000}))
        << world.disk->deployments.size();
}

TEST(Housekeeping, AnAppThatIsBusyWhenItIsLookedAtIsCleanedUpAfterItsDeployment) {
    test::EngineWorld world;
    world.config.apps[0].keep.releases = 1;
    world.start_live();
    for (char letter : {'b', 'c'})
        world.end_of(world.push(letter).deployment);
    ASSERT_EQ(world.machine.manifests.size(), 3U);
    auto id = world.push('d').deployment;
    ASSERT_TRUE(world.reaches(id, domain::State::baking));
    auto removed = world.ask(world.engine->gc(false));
    ASSERT_TRUE(removed);
    EXPECT_TRUE(removed->empty()) << "not while something is deployed";
    world.end_of(id);
    EXPECT_TRUE(world.run_until([&] { return world.machine.manifests.size() == 2; }, Millis{1'000}))
        << world.machine.manifests.size();
}

// What no app asks for is not kept for the default's thirty days.
TEST(Retention, HistoryGoesWithTheLongestKeepOfLogsOfAnyApp) {
    for (auto [keep, stays] : {std::pair{Millis{3'600'000}, false}, {Millis{10'800'000}, true}}) {
        test::EngineWorld world;
        auto blog = world.config.apps[0];
        blog.name = "blog";
        blog.keep.logs = Millis{60'000};
        world.config.apps[0].keep.logs = keep;
        world.config.apps.push_back(blog);
        domain::AuditEntry old;
        old.id = 1;
        old.at = world.timers.now() - Millis{7'200'000};
        world.disk->audit[1] = old;
        world.start();
        const bool gone =
            world.run_until([&] { return world.disk->audit.empty(); }, Millis{900'000});
        EXPECT_NE(gone, stays) << keep.count();
    }
}

}  // namespace
}  // namespace belay::engine
