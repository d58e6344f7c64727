// Saving: every batch durable before anybody hears of it, and a place to be killed at before and
// after each.
#pragma once

#include "tally.hpp"

#include <belay/async/cancel.hpp>
#include <belay/async/timers.hpp>
#include <belay/engine/api.hpp>
#include <belay/ports/store.hpp>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace belay::engine {

// Loop thread only.
class Journal {
  public:
    Journal(async::Timers& timers, Tally& tally) : timers_(timers), tally_(tally) {}

    // Null while the database can't be used: then every save fails with Errc::unavailable and this
    // text.
    void attach(ports::Store* store, std::string problem) {
        store_ = store;
        problem_ = std::move(problem);
    }
    ports::Store* store() const { return store_; }
    Error unavailable() const { return Error{Errc::unavailable, problem_}; }

    // What a batch has to carry besides, and who hears that it went out into the outbox.
    void send_with(std::function<void(std::vector<ports::Write>&)> extend,
                   std::function<void()> added) {
        extend_ = std::move(extend);
        added_ = std::move(added);
    }

    // Commits, then tells the subscribers of the batch's events. `what` names the failpoints:
    // before_save.WHAT, after_save.WHAT.
    Task<Result<void>> save(std::vector<ports::Write> batch, std::string what);
    // Until it succeeds: for facts that are true whether or not they can be written. Gives up when
    // there is no database at all.
    Task<void> save_surely(std::vector<ports::Write> batch, std::string what);

    [[nodiscard]] async::Subscription subscribe(EventSink sink);

  private:
    async::Timers& timers_;
    Tally& tally_;
    ports::Store* store_ = nullptr;
    std::function<void(std::vector<ports::Write>&)> extend_;
    std::function<void()> added_;
    std::string problem_ = "the database is not open yet";
    std::list<std::shared_ptr<EventSink>> sinks_;
};

}  // namespace belay::engine
