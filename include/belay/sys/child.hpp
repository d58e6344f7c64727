// A child that ends with us: a stage, a helper. If we die, its shim kills the whole tree.
#pragma once

#include <belay/async/task.hpp>
#include <belay/sys/identity.hpp>
#include <belay/sys/shim.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace belay::sys {

// Descriptors stay the caller's; -1 is /dev/null.
struct ChildSpec {
    Program program;
    int in = -1;
    int out = -1;
    int err = -1;
};

// Loop thread only. Destroying it kills the tree (KILL, at once) and does not wait; wait() after
// stop() does.
class Child {
  public:
    // Returns when its shim has reported who it is; nothing runs before go(). Errc::invalid where
    // the specification is refused, Errc::internal, Errc::timeout.
    static Task<Result<Child>> start(boost::asio::any_io_executor executor, std::string shim_path,
                                     ChildSpec spec);

    Child(Child&&) noexcept;
    Child& operator=(Child&&) noexcept;
    ~Child();

    // Of the shim: it leads the session, and the tree is what lies below it.
    const ProcessIdentity& identity() const;

    // Lets the program run. Returns when it has been executed; Errc::invalid: it can't be, with the
    // reason
    // ("no such program: npn", "directory /x: Permission denied").
    Task<Result<void>> go();

    // The stop rule: signal, timeout, KILL. Returns at once; wait() tells.
    void stop();
    // KILL to the whole tree, now.
    void kill();

    // Returns when the whole tree is dead: leftovers of the main program are killed. Any number of
    // callers. An exit that nobody saw (somebody killed the shim) has known = false.
    Task<Exit> wait();
    bool ended() const;

  private:
    class State;
    explicit Child(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace belay::sys
