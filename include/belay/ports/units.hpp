// Systemd services of the user's: what the engine needs of them, whatever does it.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/task.hpp>
#include <belay/base/error.hpp>
#include <belay/base/time.hpp>
#include <belay/domain/unit.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace belay::ports {

// What a unit wrote, and what systemd wrote of it, as the journal has it. Loop thread only.
class UnitLog {
  public:
    virtual ~UnitLog() = default;

    // Whole lines after those that were read before, some 64 KiB at most; empty: no more at
    // present. None of after `until` (microseconds of the wall clock; 0: all there are).
    // Errc::forbidden: the journal can't be read by us; unavailable: there is none.
    virtual Task<Result<std::string>> read(std::int64_t until) = 0;
    // When the last line that was read was written, in microseconds of the wall clock; where the
    // next reader goes on.
    virtual std::int64_t position() const = 0;
};

// Loop thread only. Names are checked (domain::check_unit_name). Errc::unavailable: systemd can't
// be asked, with the cure.
class Units {
  public:
    virtual ~Units() = default;

    // One that does not exist has the load state "not-found".
    virtual Task<Result<domain::UnitState>> state(std::string name) = 0;

    // Forgets that it failed and how often it was started, so that it can be started again at once.
    // Errc::forbidden: the daemon's user may not act on it, with the cure. Changes nothing else, so
    // it tells beforehand whether act() is allowed; of one that does not run it may not know that.
    virtual Task<Result<void>> prepare(std::string name) = 0;

    // "restart" or "reload"; one that does not run is started in either case. Returns when systemd
    // has done it: it is up, as far as its Type= tells. Errc::forbidden as above; conflict: it did
    // not come up, or could not be reloaded; timeout.
    virtual Task<Result<void>> act(std::string name, std::string action, Millis timeout) = 0;

    // Calls back after anything of it has changed: then it is to be looked at again. Not every
    // change is told where systemd can't be reached at the moment.
    [[nodiscard]] virtual async::Subscription watch(std::string name,
                                                    std::function<void()> callback) = 0;

    // From the first line after `after`, in microseconds of the wall clock.
    virtual std::unique_ptr<UnitLog> log(std::string name, std::int64_t after) = 0;
};

}  // namespace belay::ports
