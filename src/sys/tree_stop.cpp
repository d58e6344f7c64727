#include "tree_stop.hpp"

#include <csignal>
#include <map>

namespace belay::sys {

namespace {

constexpr Millis kPause{20};
constexpr Millis kKillTimeout{10'000};

class Tree {
  public:
    explicit Tree(ProcessIdentity root) : root_(std::move(root)) {}

    // Holds what has come since the last look. Parents before children, and what was held once
    // stays so, even when its parent's death gives it to init.
    void look() {
        if (auto fd = open_process(root_)) hold(root_.pid, std::move(*fd));
        std::vector<pid_t> known;
        for (const auto& [pid, fd] : held_)
            if (!has_ended(fd)) known.push_back(pid);
        for (auto pid : known)
            for (auto child : descendants(pid))
                if (auto identity = identify(child))
                    if (auto fd = open_process(*identity)) hold(child, std::move(*fd));
    }
    void signal_all(int number) {
        for (const auto& [pid, fd] : held_)
            static_cast<void>(send_signal(fd, number).has_value());
    }
    void signal_root(int number) {
        if (auto at = held_.find(root_.pid); at != held_.end())
            static_cast<void>(send_signal(at->second, number).has_value());
    }
    bool all_ended() const {
        for (const auto& [pid, fd] : held_)
            if (!has_ended(fd)) return false;
        return true;
    }

  private:
    void hold(pid_t pid, UniqueFd fd) {
        auto at = held_.find(pid);
        if (at == held_.end())
            held_.emplace(pid, std::move(fd));
        else if (has_ended(at->second))
            at->second = std::move(fd);
    }

    ProcessIdentity root_;
    std::map<pid_t, UniqueFd> held_;
};

}  // namespace

Task<Result<void>> stop_tree(async::Timers& timers, ProcessIdentity root, StopRule rule) {
    Tree tree(root);
    tree.look();
    if (rule.to == StopTo::main)
        tree.signal_root(rule.signal);
    else
        tree.signal_all(rule.signal);
    auto deadline = timers.steady_now() + rule.timeout;
    while (!tree.all_ended() && timers.steady_now() < deadline) {
        co_await timers.sleep(kPause);
        tree.look();
    }
    deadline = timers.steady_now() + kKillTimeout;
    while (!tree.all_ended()) {
        if (timers.steady_now() >= deadline)
            co_return Error{Errc::timeout, "something of the tree of process " +
                                               std::to_string(root.pid) + " survives KILL"};
        tree.look();
        tree.signal_all(SIGKILL);
        co_await timers.sleep(kPause);
    }
    co_return Result<void>{};
}

}  // namespace belay::sys
