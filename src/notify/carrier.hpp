// One attempt: from a row of the outbox to what became of it.
#pragma once

#include "channel.hpp"

#include <belay/async/timers.hpp>
#include <belay/notify/notifier.hpp>

#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <string>
#include <vector>

namespace belay::notify {

// Loop thread only. Exchanges run on two pools: whoever ran into its time limit goes to the slow
// one until it answers again, so that the slow wait for each other alone.
class Carrier {
  public:
    Carrier(boost::asio::any_io_executor executor, async::Timers& timers, const Options& options);
    ~Carrier();

    void set_channels(std::vector<domain::Channel> channels) { channels_ = std::move(channels); }
    const std::vector<domain::Channel>& channels() const { return channels_; }
    // Null where belay.toml has none of that name.
    const domain::Channel* channel(const std::string& name) const;

    struct Outcome {
        ports::Verdict verdict;
        std::string answer;    // "answered 200"
        bool overdue = false;  // it ran into the time limit
    };
    Task<Outcome> carry(ports::Outgoing row, bool slow);
    Task<Outcome> test(domain::Channel channel, std::string id);

  private:
    Task<Outcome> deliver(domain::Channel channel, News news, std::string id, bool slow);
    Task<Outcome> report(ports::Outgoing row, bool slow);
    Result<Settings> settings_of(const domain::Channel& channel) const;
    boost::asio::thread_pool& pool(bool slow) { return slow ? slow_ : fast_; }

    boost::asio::any_io_executor executor_;
    async::Timers& timers_;
    const Options& options_;
    std::vector<domain::Channel> channels_;
    boost::asio::thread_pool fast_{6};
    boost::asio::thread_pool slow_{2};
};

}  // namespace belay::notify
