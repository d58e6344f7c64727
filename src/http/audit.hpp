// The record of acts: who asked for what, and what became of it.
#pragma once

#include "message.hpp"
#include "routes.hpp"

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/ports/store.hpp>

#include <array>
#include <string>

namespace belay::http {

// What is recorded of an act before it is done. Of the body only what the route names.
domain::AuditEntry entry_of(const Request& request, const Route& route, TimePoint now);
// How a response reads in the record: the deployment that was made, or why it was refused.
std::string outcome_of(const Response& response);

// Refusals are bounded, as strangers cause them: a few a second are recorded, the rest is counted
// in the next. Loop thread only.
class Refused {
  public:
    Refused(ports::Store* store, async::Timers& timers, async::TaskGroup& tasks);

    // Returns at once, so that no answer tells by its time whether it was recorded.
    void record(domain::AuditEntry entry);

  private:
    struct Allowance {
        double entries;
        async::SteadyTime at;
        int unrecorded = 0;
    };
    Task<void> store(domain::AuditEntry entry);

    ports::Store* store_;
    async::Timers& timers_;
    async::TaskGroup& tasks_;
    // A flood of strangers must not hide what a known caller was refused.
    Allowance strangers_;
    Allowance callers_;
};

}  // namespace belay::http
