// What a Service knows and does; shared, so that callbacks and waiting coroutines outlive its owner
// safely.
#pragma once

#include "exit_watch.hpp"
#include "run_directory.hpp"
#include "service_link.hpp"
#include "shim_start.hpp"

#include <belay/async/event.hpp>
#include <belay/sys/service.hpp>

namespace belay::sys {

class Service::State : public std::enable_shared_from_this<State> {
  public:
    State(boost::asio::any_io_executor executor, async::Timers& timers)
        : executor_(std::move(executor)), timers_(timers) {}

    Result<void> spawn(const std::string& shim_path, const std::filesystem::path& directory,
                       ServiceSpec spec);
    Task<Result<void>> wait_for_report();
    Task<Result<void>> go();
    Task<Result<void>> adopt(std::filesystem::path directory);
    Task<Result<std::string>> request(std::string line, std::vector<int> fds = {});
    Task<Result<void>> stop();
    Task<Result<std::vector<std::uint64_t>>> socket_inodes();
    Task<void> wait() { return ended_.wait(); }
    // The owner goes: no more callbacks, the process stays.
    void let_go();

    const std::string& run_id() const { return record_.run_id; }
    const ServiceStatus& status() const { return status_; }
    const Cgroup& group() const { return group_; }
    void on_change(std::function<void()> callback) { on_change_ = std::move(callback); }

  private:
    void take_report(std::string_view line);
    void take_event(std::string_view line);
    void refuse(Error error);
    Result<void> connect();
    Task<Result<void>> greet();
    void take_status(std::string_view text);
    void link_lost();
    void reconnect();
    Task<void> refresh();
    void watch_shim(const UniqueFd& pidfd);
    void shim_ended();
    void judge_without_shim();
    void watch_program(const UniqueFd& pidfd);
    void end(ServiceState state, Exit exit);
    Exit with_memory(Exit exit);
    void changed();
    Task<bool> ended_within(Millis time);

    boost::asio::any_io_executor executor_;
    async::Timers& timers_;
    UniqueFd directory_;
    SpecRecord record_;
    Cgroup group_;
    std::uint64_t oom_kills_ = 0;  // that belong to exits before
    bool oom_counted_ = false;     // from the run's or its adoption's beginning
    Program program_;              // argv and cwd alone, for messages
    ServiceStatus status_;
    ProcessIdentity last_program_;  // once the shim is dead
    UniqueFd shim_pidfd_;
    std::shared_ptr<LineChannel> control_;
    std::shared_ptr<ServiceLink> link_;
    std::shared_ptr<ExitWatch> shim_watch_;
    std::shared_ptr<ExitWatch> program_watch_;
    async::Subscription retry_;
    std::function<void()> on_change_;
    std::optional<Error> refusal_;
    async::Event reported_;
    async::Event started_;
    async::Event shim_gone_;  // and what it left behind is judged
    async::Event ended_;
    bool let_go_ = false;
};

}  // namespace belay::sys
