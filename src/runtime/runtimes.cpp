#include <belay/runtime/runtimes.hpp>

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace belay::runtime {
namespace {

using ports::RunInfo;

class Runtimes : public ports::Runtime {
  public:
    Runtimes(std::unique_ptr<ports::Runtime> process, std::unique_ptr<ports::Runtime> systemd)
        : process_(std::move(process)), systemd_(std::move(systemd)) {}

    Task<Result<RunInfo>> start(ports::ProcessSpec spec, ports::BeforeGo before_go) override {
        // One that is there already is refused by whoever has it.
        if (process_->info(spec.run_id)) return process_->start(std::move(spec), before_go);
        auto& chosen = spec.runtime == "systemd" ? *systemd_ : owner(spec.run_id);
        return chosen.start(std::move(spec), std::move(before_go));
    }
    Task<Result<std::vector<RunInfo>>> adopt() override;
    Task<Result<void>> set_policy(std::string run_id, RestartPolicy policy) override {
        return owner(run_id).set_policy(std::move(run_id), policy);
    }
    Task<Result<void>> stop(std::string run_id) override {
        return owner(run_id).stop(std::move(run_id));
    }
    Task<Result<void>> add_listeners(std::string run_id,
                                     std::vector<ports::Listener> listeners) override {
        return owner(run_id).add_listeners(std::move(run_id), std::move(listeners));
    }
    Task<Result<void>> signal(std::string run_id, int number) override {
        return owner(run_id).signal(std::move(run_id), number);
    }
    Task<Result<void>> start_at_boot(std::string app, std::vector<std::string> run_ids) override;
    void on_change(std::function<void(const RunInfo&)> callback) override {
        process_->on_change(callback);
        systemd_->on_change(std::move(callback));
    }
    Result<RunInfo> info(const std::string& run_id) const override {
        return owner(run_id).info(run_id);
    }
    std::vector<RunInfo> runs() const override;
    Task<Result<void>> forget(std::string run_id) override {
        return owner(run_id).forget(std::move(run_id));
    }
    Task<Result<ports::ListenerReport>> listeners(std::string run_id, std::uint16_t port) override {
        return owner(run_id).listeners(std::move(run_id), port);
    }
    Result<std::uint16_t> allot_port(std::uint16_t preferred) override {
        return process_->allot_port(preferred);
    }
    void release_port(std::uint16_t port) override { process_->release_port(port); }

  private:
    ports::Runtime& owner(const std::string& run_id) const {
        return systemd_->info(run_id) ? *systemd_ : *process_;
    }

    std::unique_ptr<ports::Runtime> process_;
    std::unique_ptr<ports::Runtime> systemd_;
};

// Whoever fails hides nothing of what the other found.
Task<Result<std::vector<RunInfo>>> Runtimes::adopt() {
    auto processes = co_await process_->adopt();
    auto units = co_await systemd_->adopt();
    if (!processes) co_return processes.error();
    if (!units) co_return units.error();
    co_return runs();
}

Task<Result<void>> Runtimes::start_at_boot(std::string app, std::vector<std::string> run_ids) {
    auto units = run_ids;
    std::erase_if(units, [this](const std::string& id) { return !systemd_->info(id); });
    auto kept = co_await process_->start_at_boot(app, std::move(run_ids));
    if (!kept) co_return kept.error();
    co_return co_await systemd_->start_at_boot(std::move(app), std::move(units));
}

std::vector<RunInfo> Runtimes::runs() const {
    auto all = process_->runs();
    auto units = systemd_->runs();
    std::move(units.begin(), units.end(), std::back_inserter(all));
    return all;
}

}  // namespace

std::unique_ptr<ports::Runtime> make_runtimes(std::unique_ptr<ports::Runtime> process,
                                              std::unique_ptr<ports::Runtime> systemd) {
    return std::make_unique<Runtimes>(std::move(process), std::move(systemd));
}

}  // namespace belay::runtime
