#include "carrier.hpp"
#include "status_payload.hpp"

#include <belay/async/task_group.hpp>
#include <belay/base/failpoint.hpp>
#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace belay::notify {
namespace {

using ports::Destination;
using ports::Outgoing;
using ports::OutgoingKind;
using ports::OutgoingState;
using ports::Verdict;

constexpr Millis kStoreRetry{5'000};
// By how much the wall clock is adjusted without a word.
constexpr Millis kClockSlack{1'000};
// From which attempt on a destination counts as one that keeps failing.
constexpr int kFailing = 3;

std::string new_id() {
    static thread_local std::mt19937_64 source{std::random_device{}()};
    return fmt::format("msg_{:016x}{:016x}", source(), source());
}

TimePoint oldest_of(const std::vector<Outgoing>& rows) {
    auto oldest = rows.front().created_at;
    for (const auto& row : rows)
        oldest = std::min(oldest, row.created_at);
    return oldest;
}

// Once a destination's turn has come.
struct Turn {
    std::optional<Outgoing> row;    // to be sent
    std::vector<Outgoing> changed;  // others to be saved with it: merged into it, or put off
    TimePoint until{};              // else when to look again
};

struct Lane {
    async::Event wake;
    bool slow = false;
    bool hurry = false;  // the pause before the next attempt is over
    // Of what can't be sent at present.
    int attempts = 0;
    TimePoint since{};
    std::string last_error;
};

class Worker final : public Notifier {
  public:
    Worker(boost::asio::any_io_executor executor, async::Timers& timers, Options options)
        : timers_(timers),
          options_(std::move(options)),
          carrier_(executor, timers, options_),
          tasks_(std::move(executor)) {}

    void set_channels(std::vector<domain::Channel> channels) override {
        carrier_.set_channels(std::move(channels));
        // What failed for want of a right setting is tried at once.
        for (auto& [destination, lane] : lanes_) {
            lane->hurry = true;
            lane->wake.set();
        }
    }

    void start(ports::Store& store) override {
        store_ = &store;
        tasks_.spawn("outbox", look());
    }

    Task<void> close(Millis patience) override {
        closing_.request();
        const auto until = timers_.steady_now() + patience;
        while (tasks_.running() != 0 && timers_.steady_now() < until)
            co_await timers_.sleep(Millis{20});
    }

    Outgoing alert(const domain::Alert& alert, const std::string& channel) override {
        News news;
        news.alert = bounded(alert);
        news.since = alert.at;
        Outgoing row;
        row.kind = OutgoingKind::alert;
        row.destination = channel;
        row.app = alert.app;
        row.key = key_of(alert);
        row.message_id = new_id();
        row.payload = encode(news);
        row.created_at = alert.at;
        row.next_at = alert.at + options_.pace.gather;
        return row;
    }

    Outgoing status(const ports::StatusReport& report) override {
        Outgoing row;
        row.kind = OutgoingKind::status;
        row.destination = report.app;
        row.app = report.app;
        row.key = fmt::format("{}/{}", report.repo, report.sha);
        row.message_id = new_id();
        row.payload = encode(report);
        row.created_at = row.next_at = report.at;
        return row;
    }

    void wake() override {
        if (store_ == nullptr) return;
        for (auto& [destination, lane] : lanes_)
            lane->wake.set();
        something_.set();
    }

    Task<Result<std::string>> test(std::string name) override {
        const auto* channel = carrier_.channel(name);
        if (channel == nullptr)
            co_return Error{Errc::not_found,
                            fmt::format("there is no channel \"{}\": belay.toml would name it "
                                        "[notify.{}]",
                                        name, name)};
        auto copy = *channel;
        auto outcome = co_await carrier_.test(std::move(copy), new_id());
        if (outcome.verdict.kind == Verdict::Kind::done) co_return outcome.answer;
        co_return Error{Errc::unavailable, fmt::format("{}: {}", name, outcome.verdict.why)};
    }

    std::vector<std::string> problems() override {
        std::vector<std::string> found;
        for (const auto& [destination, lane] : lanes_) {
            if (lane->attempts < kFailing) continue;
            const bool alerts = destination.kind == OutgoingKind::alert;
            found.push_back(fmt::format(
                "{} {} has failed {} times since {}: {}{}",
                alerts ? "sending alerts to" : "reporting statuses of", destination.name,
                lane->attempts, format_time(lane->since), lane->last_error,
                alerts ? fmt::format("; `belay notify test {}` tries it", destination.name) : ""));
        }
        for (const auto& [destination, why] : refused_)
            if (destination.kind == OutgoingKind::status)
                found.push_back(fmt::format("the forge refused the last status of {}: {}",
                                            destination.name, why));
        return found;
    }

    std::vector<DestinationFigures> figures() const override {
        std::map<Destination, DestinationFigures> all;
        for (const auto& channel : carrier_.channels())
            all.try_emplace(Destination{OutgoingKind::alert, channel.name});
        for (const auto& [destination, counted] : counted_) {
            // A channel that is no longer configured goes once nothing waits for it.
            if (destination.kind == OutgoingKind::status || counted.waiting != 0 ||
                all.contains(destination))
                all[destination] = counted;
        }
        std::vector<DestinationFigures> figures;
        for (auto& [destination, counted] : all) {
            counted.destination = destination;
            figures.push_back(counted);
        }
        return figures;
    }

  private:
    // A lane for each destination where something waits.
    Task<void> look() {
        while (!closing_.requested()) {
            something_.reset();
            auto destinations = co_await store_->waiting_destinations();
            if (!destinations) {
                log::warning("the outbox can't be read", {{"error", destinations.error().message}});
                co_await timers_.sleep(kStoreRetry, closing_);
                continue;
            }
            for (const auto& destination : *destinations) {
                if (lanes_.contains(destination)) continue;
                lanes_.emplace(destination, std::make_unique<Lane>());
                tasks_.spawn("outbox " + destination.name, work(destination));
            }
            while (!something_.is_set() && !closing_.requested())
                co_await timers_.wait(something_, Millis{3'600'000}, closing_);
        }
    }

    Task<void> work(Destination destination) {
        auto& lane = *lanes_.at(destination);
        while (!closing_.requested()) {
            lane.wake.reset();
            auto rows = co_await store_->waiting_outgoing(destination, ports::kOutgoingKept);
            if (!rows) {
                log::warning("the outbox can't be read", {{"error", rows.error().message}});
                co_await timers_.sleep(kStoreRetry, closing_);
                continue;
            }
            auto& counted = counted_[destination];
            counted.waiting = rows->size();
            counted.oldest = rows->empty() ? TimePoint{} : oldest_of(*rows);
            if (rows->empty()) {
                if (lane.wake.is_set()) continue;
                break;
            }
            for (auto& row : *rows)
                keep_up_with_clock(row);
            if (std::exchange(lane.hurry, false))
                for (auto& row : *rows)
                    if (row.attempts != 0) row.next_at = timers_.now();
            Turn turn;
            if (destination.kind == OutgoingKind::alert)
                turn = co_await alert_turn(destination, std::move(*rows));
            else
                turn = status_turn(std::move(*rows));
            if (closing_.requested()) break;
            if (turn.row) {
                co_await send(lane, std::move(turn));
                continue;
            }
            co_await save(std::move(turn.changed));
            auto pause = std::max(Millis{1}, turn.until - timers_.now());
            co_await timers_.wait(lane.wake, pause, closing_);
        }
        lanes_.erase(destination);
        something_.set();  // what came meanwhile finds a lane again
    }

    // Written at a time that is yet to come: the clock was set back since, and what the row waits
    // for with it.
    void keep_up_with_clock(Outgoing& row) {
        const auto ahead = row.created_at - timers_.now();
        if (ahead <= kClockSlack) return;
        row.created_at -= ahead;
        row.next_at -= ahead;
    }

    // What was tried before goes first and lets nothing pass. Of what was not, the oldest that is
    // due and not to be kept quiet goes, with all that says the same.
    Task<Turn> alert_turn(Destination destination, std::vector<Outgoing> rows) {
        Turn turn;
        const auto now = timers_.now();
        turn.until = TimePoint::max();
        for (auto& row : rows) {
            if (row.attempts == 0) continue;
            if (row.next_at <= now)
                turn.row = std::move(row);
            else
                turn.until = row.next_at;
            co_return turn;
        }
        for (auto& row : rows) {
            if (row.next_at > now) {
                turn.until = std::min(turn.until, row.next_at);
                continue;
            }
            auto last = co_await quiet_until(destination, row);
            if (last > now) {
                row.next_at = last;
                turn.until = std::min(turn.until, last);
                turn.changed.push_back(row);
                continue;
            }
            auto news = decode(row.payload);
            if (news) co_await gather(destination, row, *news, rows, turn);
            row.payload = news ? encode(*news) : row.payload;
            turn.row = row;
            co_return turn;
        }
        co_return turn;
    }

    // Until when repeats of the row's news are counted only; in the past: it may be sent.
    Task<TimePoint> quiet_until(Destination destination, Outgoing row) {
        auto news = decode(row.payload);
        if (!news) co_return TimePoint{};
        const auto quiet = quiet_time(news->alert.event) * options_.pace.quiet / 1'000;
        if (quiet.count() == 0) co_return TimePoint{};
        auto last = co_await store_->last_sent(destination, row.key);
        if (!last || *last == TimePoint{}) co_return TimePoint{};
        co_return std::min(*last, timers_.now()) + quiet;
    }

    Task<void> gather(Destination destination, Outgoing& row, News& news,
                      std::vector<Outgoing>& rows, Turn& turn) {
        const auto now = timers_.now();
        const auto group = group_of(news.alert);
        auto last = co_await store_->last_sent(destination, row.key);
        const auto quiet = quiet_time(news.alert.event) * options_.pace.quiet / 1'000;
        news.again = last && *last != TimePoint{} && row.created_at < *last + quiet;
        for (auto& other : rows) {
            if (other.id == row.id || other.attempts != 0) continue;
            auto more = decode(other.payload);
            if (!more) continue;
            const bool same = other.key == row.key;
            if (same) {
                ++news.count;
                news.alert = std::move(more->alert);
            } else {
                if (group.empty() || group_of(more->alert) != group || other.app == row.app ||
                    news.others.size() >= kOthers)
                    continue;
                // What is being kept quiet stays so.
                auto until = co_await quiet_until(destination, other);
                if (until > now) continue;
                auto known = std::find_if(
                    news.others.begin(), news.others.end(),
                    [&](const domain::Alert& one) { return one.app == more->alert.app; });
                if (known == news.others.end())
                    news.others.push_back(std::move(more->alert));
                else
                    *known = std::move(more->alert);
            }
            other.state = OutgoingState::merged;
            other.finished_at = now;
            other.last_error = fmt::format("told by message {}", row.id);
            turn.changed.push_back(other);
        }
    }

    // In order; of several about one commit the newest tells it all.
    Turn status_turn(std::vector<Outgoing> rows) {
        Turn turn;
        const auto now = timers_.now();
        auto& row = rows.front();
        for (std::size_t i = 1; i < rows.size(); ++i)
            if (rows[i].key == row.key) {
                row.state = OutgoingState::merged;
                row.finished_at = now;
                row.last_error = fmt::format("told by message {}", rows[i].id);
                turn.changed.push_back(row);
                // The pause of a forge that fails holds for what takes its place.
                rows[i].attempts = row.attempts;
                rows[i].next_at = std::max(rows[i].next_at, row.next_at);
                turn.changed.push_back(rows[i]);
                turn.until = now;
                return turn;
            }
        turn.until = row.next_at;
        if (row.next_at <= now) turn.row = row;
        return turn;
    }

    Task<void> send(Lane& lane, Turn turn) {
        auto& row = *turn.row;
        ++row.attempts;
        const auto pause = pause_after(row.attempts);
        row.next_at = timers_.now() + pause;
        auto rows = turn.changed;
        rows.push_back(row);
        // Before the attempt: what one message tells is fixed from here on, as its id is.
        auto recorded = co_await save(std::move(rows));
        if (!recorded || closing_.requested()) {
            if (!closing_.requested()) co_await timers_.sleep(kStoreRetry, closing_);
            co_return;
        }
        failpoint("outbox.before_send");
        auto outcome = co_await carrier_.carry(row, lane.slow);
        failpoint("outbox.after_send");
        lane.slow = outcome.overdue;
        settle(row, outcome.verdict);
        note(lane, row);
        // It must not be sent again because this can't be written now.
        while (true) {
            std::vector<Outgoing> settled{row};
            auto saved = co_await save(std::move(settled));
            if (saved || closing_.requested()) co_return;
            co_await timers_.sleep(kStoreRetry, closing_);
        }
    }

    void settle(Outgoing& row, const Verdict& verdict) {
        const auto now = timers_.now();
        row.last_error = verdict.why;
        if (verdict.kind == Verdict::Kind::done) {
            row.state = OutgoingState::sent;
            row.finished_at = now;
            row.last_error.clear();
            return;
        }
        row.next_at = now + std::max(pause_after(row.attempts), verdict.retry_after);
        // A clock that was set ahead makes nothing old: half of the attempts that fit in were made.
        const auto& pace = options_.pace;
        const bool too_old = row.next_at - row.created_at > pace.give_up &&
                             row.attempts * 2 * pace.longest_retry >= pace.give_up;
        if (verdict.kind == Verdict::Kind::retry && !too_old) return;
        row.state = OutgoingState::dropped;
        row.finished_at = now;
        if (verdict.kind == Verdict::Kind::retry)
            row.last_error = fmt::format("given up after {} attempts in {}: {}", row.attempts,
                                         format_duration(options_.pace.give_up), verdict.why);
    }

    void note(Lane& lane, const Outgoing& row) {
        auto& counted = counted_[{row.kind, row.destination}];
        ++(row.state == OutgoingState::sent ? counted.sent : counted.failed);
        if (row.state == OutgoingState::dropped) ++counted.dropped;
        const std::string to =
            row.kind == OutgoingKind::alert ? row.destination : "statuses of " + row.destination;
        if (row.state == OutgoingState::sent) refused_.erase({row.kind, row.destination});
        if (row.state == OutgoingState::dropped)
            refused_[{row.kind, row.destination}] = row.last_error;
        if (row.state == OutgoingState::sent) {
            if (lane.attempts >= kFailing) log::info("messages go out again", {{"to", to}});
            lane.attempts = 0;
            return;
        }
        if (lane.attempts == 0) lane.since = timers_.now();
        lane.attempts = std::max(lane.attempts + 1, row.attempts);
        lane.last_error = row.last_error;
        log::warning(row.state == OutgoingState::dropped ? "a message was dropped"
                                                         : "a message was not taken",
                     {{"to", to},
                      {"message", fmt::to_string(row.id)},
                      {"attempt", fmt::to_string(row.attempts)},
                      {"why", row.last_error}});
    }

    Millis pause_after(int attempts) {
        auto pause = options_.pace.first_retry;
        for (int i = 1; i < attempts && pause < options_.pace.longest_retry; ++i)
            pause *= 2;
        pause = std::min(pause, options_.pace.longest_retry);
        std::uniform_int_distribution<std::int64_t> jitter(-pause.count() / 5, pause.count() / 5);
        return pause + Millis{jitter(random_)};
    }

    Task<bool> save(std::vector<Outgoing> rows) {
        if (rows.empty()) co_return true;
        std::vector<ports::Write> batch;
        for (auto& row : rows)
            batch.emplace_back(ports::PutOutgoing{std::move(row)});
        auto saved = co_await store_->commit(std::move(batch));
        // Purged meanwhile: there is nothing to remember.
        if (saved || saved.error().code == Errc::not_found) co_return true;
        log::warning("the outbox can't be written", {{"error", saved.error().message}});
        co_return false;
    }

    async::Timers& timers_;
    Options options_;
    Carrier carrier_;
    std::map<Destination, std::unique_ptr<Lane>> lanes_;
    std::map<Destination, DestinationFigures> counted_;
    std::map<Destination, std::string> refused_;  // why the last message was given up
    async::Event something_;
    async::Cancel closing_;
    ports::Store* store_ = nullptr;
    std::mt19937_64 random_{std::random_device{}()};
    async::TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<Notifier> make_notifier(boost::asio::any_io_executor executor,
                                        async::Timers& timers, Options options) {
    return std::make_unique<Worker>(std::move(executor), timers, std::move(options));
}

}  // namespace belay::notify
