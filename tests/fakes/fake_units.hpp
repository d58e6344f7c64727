// systemd in memory, with one unit of the user's: FakeMachine::unit.
#pragma once

#include "fakes/fake_machine.hpp"

#include <belay/async/timers.hpp>
#include <belay/ports/units.hpp>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

namespace belay::test {

class FakeUnitLog : public ports::UnitLog {
  public:
    FakeUnitLog(const FakeMachine& machine, std::int64_t after) : machine_(machine), at_(after) {}

    Task<Result<std::string>> read(std::int64_t until) override {
        std::string text;
        const auto after = at_;
        for (const auto& [when, line] : machine_.journal) {
            if (when <= after || (until != 0 && when > until)) continue;
            text += line + "\n";
            at_ = when;
        }
        co_return text;
    }
    std::int64_t position() const override { return at_; }

  private:
    const FakeMachine& machine_;
    std::int64_t at_;
};

class FakeUnits : public ports::Units {
  public:
    FakeUnits(FakeMachine& machine, async::Timers& timers) : machine_(machine), timers_(timers) {}

    Task<Result<domain::UnitState>> state(std::string) override {
        if (machine_.systemd_error) co_return *machine_.systemd_error;
        co_return machine_.unit;
    }
    Task<Result<void>> prepare(std::string) override {
        if (machine_.systemd_error) co_return *machine_.systemd_error;
        if (machine_.unit_refusal) co_return *machine_.unit_refusal;
        co_return Result<void>{};
    }
    Task<Result<void>> act(std::string, std::string action, Millis) override {
        if (machine_.unit_refusal) co_return *machine_.unit_refusal;
        auto& unit = machine_.unit;
        const bool reload = action == "reload" && unit.up();
        machine_.acts.push_back((reload ? "reload " : "restart ") +
                                std::to_string(machine_.current));
        unit.has_job = true;
        co_await timers_.sleep(Millis{1'000});
        unit.has_job = false;
        machine_.in_place = machine_.current;
        if (reload) co_return Result<void>{};
        unit.restarts = 0;
        unit.ended.reset();
        if (machine_.unstartable_commits.contains(machine_.manifests.at(machine_.current).commit)) {
            end(1);
            co_return Error{Errc::conflict, "the restart ended as \"failed\""};
        }
        come_up();
        co_return Result<void>{};
    }
    async::Subscription watch(std::string, std::function<void()> callback) override {
        auto place = callbacks_.insert(callbacks_.end(), std::move(callback));
        return async::Subscription([this, place] { callbacks_.erase(place); });
    }
    std::unique_ptr<ports::UnitLog> log(std::string, std::int64_t after) override {
        return std::make_unique<FakeUnitLog>(machine_, after);
    }

    // Its main process ended by itself.
    void crash(int code) {
        end(code);
        tell();
    }
    // The same, and systemd started it again before anybody looked.
    void crash_and_come_back() {
        const auto restarts = machine_.unit.restarts + 1;
        come_up();
        machine_.unit.restarts = restarts;
        tell();
    }
    // Somebody typed systemctl restart.
    void restart_by_hand() {
        machine_.unit.restarts = 0;
        come_up();
        tell();
    }
    // sd_notify(MAINPID=...)
    void hand_over() {
        ++machine_.unit.main_pid;
        tell();
    }

  private:
    void come_up() {
        auto& unit = machine_.unit;
        unit.active = "active";
        unit.sub = "running";
        unit.result = "success";
        unit.main_pid = machine_.next_pid++;
        unit.invocation = std::to_string(unit.main_pid);
        unit.ended.reset();
    }
    void end(int code) {
        auto& unit = machine_.unit;
        unit.active = unit.sub = "failed";
        unit.result = "exit-code";
        unit.main_pid = 0;
        Exit exit;
        exit.code = code;
        unit.ended = exit;
    }
    void tell() {
        auto callbacks = callbacks_;
        for (auto& callback : callbacks)
            callback();
    }

    FakeMachine& machine_;
    async::Timers& timers_;
    std::list<std::function<void()>> callbacks_;
};

}  // namespace belay::test
