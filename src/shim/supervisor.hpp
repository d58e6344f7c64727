// What the shim knows about its program, and what it does next.
#pragma once

#include "program.hpp"
#include "protocol.hpp"
#include "spec.hpp"
#include "text.hpp"

#include <cstdint>
#include <poll.h>
#include <sys/types.h>

namespace belay::shim {

// Descriptors of ours, all at 64 and above; -1: not there.
struct Descriptors {
    int control = -1;
    int identity = -1;
    int exit = -1;
    int policy = -1;
    int socket = -1;
};

struct LastExit {
    std::uint64_t count = 0;
    int code = 0;
    int signal = 0;
    std::uint64_t peak = 0;  // bytes
    std::uint64_t cpu = 0;   // ms
    std::uint64_t at = 0;    // ms since 1970
};

class Supervisor {
  public:
    Supervisor(Spec& spec, Descriptors& descriptors);

    // "go" came. False: the program could not be executed, and the shim is to end.
    bool begin();
    // Reaps, kills, restarts, gives up, whatever is due.
    void step();
    // How long poll may sleep: ms, or -1.
    int sleep_ms() const;
    bool over() const { return over_; }
    bool begun() const { return begun_; }
    // Something of the run lives.
    bool alive() const { return alive_; }

    void stop();
    void kill();
    void set_policy(bool always);
    // False where the program isn't running.
    bool signal_program(int number);
    // False where there is no room; takes the descriptor over.
    bool add_listener(int fd, const char* name);
    // Adds the listeners to `polled`; returns how many.
    unsigned poll_listeners(pollfd* polled) const;
    // Closes those of which somebody ended the listening by shutdown(2): only so does the address
    // become free, and no next start gets a socket that nobody can come in by.
    void drop_closed_listeners(const pollfd* polled, unsigned count);

    void describe(Text& line) const;
    void write_identity();

  private:
    void start();
    void drop_listener(unsigned at);
    bool execute();
    void reap();
    void after_main();
    void end_run();
    void schedule_restart();
    void kill_pass();
    void end();
    void write_exit();
    void write_policy() const;
    void tell_exit();

    Spec& spec_;
    Descriptors& descriptors_;
    Listeners listeners_;
    char names_[kMaxListeners][kMaxName + 1];  // of listeners_, in their order
    char boot_[40] = {};
    std::uint64_t shim_start_ = 0;
    std::uint64_t first_start_at_ = 0;

    bool begun_ = false;
    bool over_ = false;
    bool alive_ = false;
    bool empty_ = false;  // nothing is below us
    bool main_ended_ = false;
    bool background_ = false;  // the main program left with 0, its tree goes on
    bool stopping_ = false;
    bool killing_ = false;
    unsigned kill_passes_ = 0;
    pid_t pid_ = 0;
    std::uint64_t pid_start_ = 0;
    int status_ = 0;  // of the main program, as wait4 gave it
    std::uint64_t peak_ = 0;
    std::uint64_t cpu_ = 0;
    std::uint64_t started_ms_ = 0;  // steady
    std::uint64_t restarts_ = 0;
    std::uint64_t backoff_ms_ = 0;
    std::uint64_t restart_at_ = 0;  // steady; 0: none
    std::uint64_t kill_at_ = 0;     // steady; 0: none
    LastExit last_;
};

}  // namespace belay::shim
