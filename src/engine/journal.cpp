#include "journal.hpp"

#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>

#include <algorithm>

namespace belay::engine {

Task<Result<void>> Journal::save(std::vector<ports::Write> batch, std::string what) {
    if (!store_) co_return unavailable();
    if (extend_) extend_(batch);
    std::vector<domain::EventRecord> events;
    events.reserve(4);
    bool outgoing = false;
    for (const auto& write : batch) {
        if (const auto* added = std::get_if<ports::AddEvent>(&write))
            events.push_back(added->event);
        else if (std::holds_alternative<ports::AddOutgoing>(write))
            outgoing = true;
    }
    const auto counts = counts_of(batch);
    failpoint("before_save." + what);
    auto committed = co_await store_->commit(std::move(batch));
    if (!committed) co_return committed.error();
    failpoint("after_save." + what);
    for (const auto& count : counts)
        tally_.add(count);
    if (outgoing && added_) added_();
    for (std::size_t i = 0; i < events.size() && i < committed->event_ids.size(); ++i) {
        events[i].id = committed->event_ids[i];
        auto sinks = sinks_;  // a sink may end its own subscription
        for (const auto& sink : sinks)
            (*sink)(events[i]);
    }
    co_return Result<void>{};
}

Task<void> Journal::save_surely(std::vector<ports::Write> batch, std::string what) {
    Millis delay{250};
    while (true) {
        auto saved = co_await save(batch, what);
        if (saved || !store_) co_return;
        log::error("the record could not be written; trying again",
                   {{"what", what}, {"error", saved.error().message}});
        co_await timers_.sleep(delay);
        delay = std::min(delay * 2, Millis{30'000});
    }
}

async::Subscription Journal::subscribe(EventSink sink) {
    auto place = sinks_.insert(sinks_.end(), std::make_shared<EventSink>(std::move(sink)));
    return async::Subscription([this, place] { sinks_.erase(place); });
}

}  // namespace belay::engine
