// Two runtimes as one. Both are of shims here, in directories of their own, so that it is seen
// everywhere which of them was asked.
#include "runtime_world.hpp"

#include <belay/runtime/runtimes.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::runtime {
namespace {

using ports::RunState;

struct RuntimesTest : ::testing::Test {
    test::ProcessSweep sweep;
    test::TestLoop loop;
    test::TempDirectory directory;
    std::vector<std::string> told;
    std::unique_ptr<ports::Runtime> both = make();

    std::unique_ptr<ports::Runtime> make() {
        auto pool = own_ports();
        auto one = [&](const char* name) {
            ProcessRuntimeOptions options;
            options.run_directory = directory.path() / name;
            options.shim_path = BELAY_SHIM_PATH;
            options.ports = pool;
            return *make_process_runtime(loop.executor(), loop.timers(), options);
        };
        auto made = make_runtimes(one("process"), one("systemd"));
        made->on_change([this](const ports::RunInfo& info) { told.push_back(info.run_id); });
        return made;
    }
    Result<ports::RunInfo> start(const std::string& id, const std::string& which,
                                 std::uint16_t port = 0) {
        ports::ProcessSpec spec;
        spec.run_id = id;
        spec.argv = {"sleep", "100"};
        spec.env = {{"PATH", "/usr/bin:/bin"}};
        spec.cwd = "/";
        spec.log_path = directory / "log";
        spec.port = port;
        spec.runtime = which;
        return loop.run(both->start(std::move(spec), {}));
    }
    bool is_in(const char* which, const std::string& id) {
        return std::filesystem::exists(directory.path() / which / id);
    }
};

TEST_F(RuntimesTest, EachRunIsKeptByTheOneThatItNames) {
    ASSERT_TRUE(start("shop.1.web.1.1", "process"));
    ASSERT_TRUE(start("shop.2.web.1.1", "systemd"));
    EXPECT_TRUE(is_in("process", "shop.1.web.1.1"));
    EXPECT_TRUE(is_in("systemd", "shop.2.web.1.1"));
    EXPECT_EQ(start("shop.1.web.1.1", "systemd").error().code, Errc::conflict);
    EXPECT_EQ(start("shop.2.web.1.1", "process").error().code, Errc::conflict);
    both = make();
    EXPECT_EQ(loop.run(both->adopt())->size(), 2u);
    EXPECT_EQ(both->runs().size(), 2u);
    for (const char* id : {"shop.1.web.1.1", "shop.2.web.1.1"}) {
        EXPECT_EQ(both->info(id)->state, RunState::running);
        EXPECT_TRUE(loop.run(both->set_policy(id, RestartPolicy::always)));
        EXPECT_TRUE(loop.run(both->stop(id)));
        EXPECT_THAT(told, ::testing::Contains(id));
        EXPECT_TRUE(loop.run(both->forget(id)));
        EXPECT_EQ(both->info(id).error().code, Errc::not_found);
    }
}

TEST_F(RuntimesTest, NoPortIsGivenTwice) {
    auto port = *both->allot_port(0);
    ASSERT_TRUE(start("shop.2.web.1.1", "systemd", port));
    both = make();
    ASSERT_TRUE(loop.run(both->adopt()));
    EXPECT_NE(*both->allot_port(port), port);
    EXPECT_TRUE(loop.run(both->stop("shop.2.web.1.1")));
    EXPECT_TRUE(loop.run(both->forget("shop.2.web.1.1")));
    EXPECT_EQ(*both->allot_port(port), port);
}

}  // namespace
}  // namespace belay::runtime
