// An engine on a fake machine: it can be killed and started again, on the same disk and beside the
// same processes.
#pragma once

#include "fakes/fake_machine.hpp"
#include "fakes/fake_outbox.hpp"
#include "fakes/fake_store.hpp"
#include "fakes/fake_timers.hpp"
#include "fakes/fake_units.hpp"

#include <belay/engine/engine.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

namespace belay::test {

inline std::string commit(char letter) {
    return std::string(40, letter);
}

// Whether a commit puts a deployment into that state.
inline bool saves(const std::vector<ports::Write>& batch, domain::State state) {
    return std::any_of(batch.begin(), batch.end(), [&](const ports::Write& write) {
        const auto* put = std::get_if<ports::PutDeployment>(&write);
        return put && put->deployment.state == state;
    });
}

class EngineWorld {
  public:
    FakeMachine machine;
    FakeConfigSource config;
    std::shared_ptr<FakeDisk> disk = std::make_shared<FakeDisk>();
    FakeTimers timers;
    FakeOutbox outbox;
    const ports::ForgeDirectory* status_forges = nullptr;
    bool separate_users = false;

    EngineWorld() { config.apps.push_back(app_config()); }
    ~EngineWorld() { kill(); }

    static domain::AppConfig app_config() {
        domain::AppConfig app;
        app.name = "shop";
        app.repo = "/srv/shop.git";
        app.poll.reset();
        domain::Process web;
        web.run.argv = {"./server"};
        app.processes.push_back(web);
        domain::Step build, test;
        build.name = "build";
        build.run.shell = "make";
        test.name = "test";
        test.run.shell = "make test";
        app.build.push_back(build);
        app.test.push_back(test);
        app.health.type = "http";
        app.health.path = "/up";
        return app;
    }

    // A daemon starts. Returns when it has taken up its work.
    void start() {
        loop = std::make_unique<boost::asio::io_context>(1);
        source = std::make_unique<FakeSource>(machine, timers);
        stages = std::make_unique<FakeStages>(machine, timers);
        releases = std::make_unique<FakeReleases>(machine);
        runtime = std::make_unique<FakeRuntime>(machine, timers);
        traffic = std::make_unique<FakeTraffic>(machine);
        prober = std::make_unique<FakeProber>(machine);
        units = std::make_unique<FakeUnits>(machine, timers);
        store = std::make_unique<FakeStore>(disk);
        engine::World world{loop->get_executor(),
                            timers,
                            *source,
                            *stages,
                            *releases,
                            *runtime,
                            *traffic,
                            *prober,
                            *units,
                            config,
                            &outbox,
                            status_forges};
        engine::EngineOptions options;
        options.separate_users = separate_users;
        engine = engine::make_engine(std::move(world), std::move(options), engine::Hooks{});
        bool done = false;
        boost::asio::co_spawn(*loop, start_up(), [&done](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
            done = true;
        });
        // Cut off in the middle of starting when the store is to stop there.
        run_until([&] { return done || store->stopped(); });
    }
    // kill -9: nothing of it is asked.
    void kill() {
        for (auto& [id, process] : machine.processes)
            process.info.booted = false;  // the next one is not the first to see it
        loop.reset();
        engine.reset();
        store.reset();
    }
    bool run_until(const std::function<bool()>& condition, Millis limit = Millis{3'600'000}) {
        return timers.run_until(*loop, condition, limit);
    }

    template <class T>
    T ask(Task<T> task) {
        std::optional<T> answer;
        boost::asio::co_spawn(*loop, std::move(task),
                              [&answer](std::exception_ptr failure, T value) {
                                  if (failure) std::rethrow_exception(failure);
                                  answer.emplace(std::move(value));
                              });
        run_until([&] { return answer.has_value(); });
        if (!answer) throw std::runtime_error("no answer");
        return std::move(*answer);
    }

    // A push of that commit to main, as a verified delivery; the deployment's id.
    engine::HookAnswer push(char letter) {
        machine.commit_to_main(commit(letter));
        return deliver(push_of(letter));
    }
    // Of that commit to main, under a delivery id of its own; the repository is not touched.
    domain::Push push_of(char letter) {
        domain::Change change;
        change.ref = "refs/heads/main";
        change.name = "main";
        change.after = change.commit = commit(letter);
        return push_of(std::move(change));
    }
    domain::Push tag_of(const std::string& name, char letter) {
        domain::Change change;
        change.kind = domain::PushKind::tag;
        change.ref = "refs/tags/" + name;
        change.ref_type = domain::RefType::tag;
        change.name = name;
        change.after = change.commit = commit(letter);
        return push_of(std::move(change));
    }
    domain::Push push_of(domain::Change change) {
        domain::Push push;
        push.event = "push";
        push.kind = change.kind;
        push.delivery_id = std::to_string(++deliveries_);
        push.changes.push_back(std::move(change));
        return push;
    }
    engine::HookAnswer deliver(domain::Push push) {
        const std::string forge = push.body_authentic ? "github" : "gitee";
        return *ask(
            engine->submit("shop", forge, std::move(push), "digest" + std::to_string(deliveries_)));
    }
    domain::Deployment deployment(DeploymentId id) const { return disk->deployments.at(id); }
    domain::Deployment newest() const { return disk->deployments.rbegin()->second; }
    // In fake time; the record of its end.
    domain::Deployment end_of(DeploymentId id) {
        EXPECT_TRUE(run_until([&] { return domain::is_end(deployment(id).state) && settled(); }))
            << to_string(deployment(id).state);
        return deployment(id);
    }
    bool settled() {
        auto app = engine->app("shop");
        return app && !app->deployment;
    }
    bool reaches(DeploymentId id, domain::State state) {
        return run_until([&] { return deployment(id).state == state; });
    }
    // The first deployment, which a new app's file causes, to its end.
    void start_live() {
        start();
        run_until([&] { return !disk->deployments.empty(); });
        ASSERT_EQ(end_of(newest().id).state, domain::State::healthy);
        ASSERT_EQ(machine.served(), 1);
    }

    std::unique_ptr<boost::asio::io_context> loop;
    std::unique_ptr<FakeSource> source;
    std::unique_ptr<FakeStages> stages;
    std::unique_ptr<FakeReleases> releases;
    std::unique_ptr<FakeRuntime> runtime;
    std::unique_ptr<FakeTraffic> traffic;
    std::unique_ptr<FakeProber> prober;
    std::unique_ptr<FakeUnits> units;
    std::unique_ptr<FakeStore> store;
    std::unique_ptr<engine::Engine> engine;

  private:
    Task<void> start_up() {
        co_await engine->boot();
        co_await engine->load(store.get(), "");
    }
    int deliveries_ = 0;
};

}  // namespace belay::test
