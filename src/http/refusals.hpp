// Keeps the record of refused hooks bounded: whoever sends rubbish must not fill the database.
#pragma once

#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/engine/api.hpp>

#include <map>
#include <string>

namespace belay::http {

// Loop thread only.
class Refusals {
  public:
    Refusals(engine::Api& api, async::Timers& timers, async::TaskGroup& tasks)
        : api_(api), timers_(timers), tasks_(tasks) {}

    // Of an app that exists. Nothing is done before the answer has been written, which therefore
    // does not tell by its time whether something was recorded.
    void record(const std::string& app, std::string forge, int status, std::string reason);

  private:
    struct Allowance {
        double tokens;
        async::SteadyTime at;
        int unrecorded = 0;
    };
    bool allowed(Allowance& allowance) const;
    Task<void> write(std::string app, std::string forge, int status, std::string reason);

    engine::Api& api_;
    async::Timers& timers_;
    async::TaskGroup& tasks_;
    std::map<std::string, Allowance> allowances_;
};

}  // namespace belay::http
