// An engine that is live with an app whose processes are not Belay's: one release takes the place
// of the other (docs/states.md).
#pragma once

#include "engine_world.hpp"

namespace belay::test {

class InPlaceWorld : public EngineWorld {
  public:
    explicit InPlaceWorld(domain::AppConfig app = command_app()) { config.apps = {std::move(app)}; }

    static domain::AppConfig command_app() {
        auto app = app_config();
        app.processes.clear();
        app.target = domain::Target::command;
        app.command.run.shell = "make install";
        app.health.path.clear();
        app.health.url = "http://127.0.0.1:9000/up";
        return app;
    }
    static domain::AppConfig unit_app(const std::string& action = "restart") {
        auto app = command_app();
        app.command = {};
        app.target = domain::Target::unit;
        app.unit_name = "shop.service";
        app.unit_action = action;
        return app;
    }
    void start_with_first_release() {
        start();
        run_until([&] { return !disk->deployments.empty(); });
        ASSERT_EQ(end_of(newest().id).state, domain::State::healthy);
        ASSERT_EQ(machine.in_place, 1);
        machine.stages_run.clear();
        machine.acts.clear();
    }
    void fail(const std::string& stage, int code) {
        ports::StageOutcome outcome;
        outcome.exit_code = code;
        outcome.detail = "exit code " + std::to_string(code);
        outcome.tail = "no such unit";
        machine.outcomes[stage] = outcome;
    }
    std::vector<std::string> states_of(DeploymentId id) {
        std::vector<std::string> states;
        for (const auto& [number, event] : disk->events)
            if (event.deployment == id && (states.empty() || states.back() != event.state))
                states.push_back(event.state);
        return states;
    }
};

// The release is the one that users get, the record, `current` and what would be found after a
// restart agree, and nothing is under way.
inline void expect_live(InPlaceWorld& world, ReleaseNumber number, const std::string& where = "") {
    EXPECT_EQ(world.machine.in_place, number) << where;
    EXPECT_EQ(world.machine.current, number) << where;
    EXPECT_EQ(world.disk->apps.at("shop").live, number) << where;
    EXPECT_EQ(world.disk->apps.at("shop").stable, number) << where;
    ASSERT_TRUE(world.machine.live && world.machine.live->live && world.machine.live->stable);
    EXPECT_EQ(world.machine.live->live->number, number) << where;
    EXPECT_EQ(world.machine.live->stable->number, number) << where;
    EXPECT_EQ(world.disk->releases.at({"shop", number}).state, domain::ReleaseState::live);
    EXPECT_NE(world.disk->releases.at({"shop", number}).healthy_since, TimePoint{}) << where;
    EXPECT_TRUE(world.machine.processes.empty()) << where << ": nothing is Belay's own";
    EXPECT_TRUE(world.machine.flips.empty()) << where << ": the proxy has no part in it";
    for (const auto& [id, deployment] : world.disk->deployments)
        EXPECT_TRUE(domain::is_end(deployment.state)) << where << ": " << to_string(id);
    for (const auto& [id, stages] : world.disk->stages)
        for (const auto& stage : stages)
            EXPECT_NE(stage.state, domain::StageState::running) << where << ": " << stage.name;
}

}  // namespace belay::test
