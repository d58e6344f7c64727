// The outbox' worker: sends what waits there, each destination in its own order and at its own
// pace.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/domain/config.hpp>
#include <belay/ports/outbox.hpp>
#include <belay/ports/store.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace belay::notify {

// How it paces itself; tests shorten it.
struct Pace {
    Millis gather{2'000};  // between an alert's cause and its sending, for others of the same kind
    Millis first_retry{5'000};      // doubles with each attempt, with a fifth of jitter
    Millis longest_retry{900'000};  // but for what a receiver asks for
    Millis give_up{86'400'000};     // after the message was written
    Millis attempt{30'000};         // of one exchange, or of a command
    // Of the quiet time after which repeats of an alert are counted, per mille: 1000 is all of it.
    int quiet = 1'000;
};

struct Options {
    std::string shim;                               // starts the commands of exec channels
    std::string host;                               // this machine's name
    std::string link;                               // of test alerts
    const ports::StatusForges* statuses = nullptr;  // null: statuses are given up
    // The secret behind a reference of the configuration.
    std::function<Result<Secret>(const domain::SecretRef&)> resolve;
    // The token for an app's statuses.
    std::function<Result<Secret>(const std::string& app)> status_token;
    Pace pace;
};

// What became of what was to be sent to one destination, since the start.
struct DestinationFigures {
    ports::Destination destination;
    std::size_t waiting =
        0;               // as seen when it was last looked at: at each change, and each attempt
    TimePoint oldest{};  // of these; 0: none waits
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;   // attempts
    std::uint64_t dropped = 0;  // messages, given up
};

// Loop thread only.
class Notifier : public ports::Outbox {
  public:
    // At start and after every reload.
    virtual void set_channels(std::vector<domain::Channel> channels) = 0;
    // Takes up what waits, and works until close(). Once.
    virtual void start(ports::Store& store) = 0;
    // Starts nothing new and returns when what is under way has been recorded, or after the
    // patience.
    virtual Task<void> close(Millis patience) = 0;
    // Of every channel, and of every app that ever had a status to report.
    virtual std::vector<DestinationFigures> figures() const = 0;
};

// The executor and the timers outlive it; so does the store given to start(). Its destructor waits
// for exchanges under way.
std::unique_ptr<Notifier> make_notifier(boost::asio::any_io_executor executor,
                                        async::Timers& timers, Options options);

}  // namespace belay::notify
