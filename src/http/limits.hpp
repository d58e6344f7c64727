// How often strangers are refused before they are told to wait, and when they are turned away.
#pragma once

#include <belay/async/timers.hpp>
#include <belay/base/address.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace belay::http {

// So many at once, and so many a second on the long run.
struct Rate {
    double burst;
    double per_second;
};

// A level for each key that rises by one an event and falls with time. It remembers the keys that
// were used last: whoever comes with more addresses than it holds is not slowed down by it, but
// does not grow it either. Loop thread only.
class Levels {
  public:
    Levels(async::Timers& timers, std::size_t most) : timers_(timers), most_(most) {}

    // Up to `top`. The level then.
    double add(const std::string& key, double per_second, double top);
    double level(const std::string& key, double per_second);
    void lower(const std::string& key, double level);
    std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        double level;
        async::SteadyTime at;
        std::list<std::string>::iterator place;
    };
    double now(Entry& entry, double per_second);

    async::Timers& timers_;
    std::size_t most_;
    std::unordered_map<std::string, Entry> entries_;
    std::list<std::string> used_;  // the last ones first
};

// The rules (docs/api.md, "Limits"). What is signed or brings a token passes whatever others at the
// same address do, short of a flood: forges send for many customers from the same addresses, so
// that anybody can make one deliver rubbish here. Each answer that says "wait" says for how many
// seconds. Loop thread only; peers on the Unix socket are never asked about.
class Limits {
  public:
    explicit Limits(async::Timers& timers);

    // Before a request is looked at: the address floods.
    std::optional<Seconds> shut_out(const Address& client);
    // For every refusal of somebody who has not shown who he is: bad signatures, failed tokens,
    // addresses that don't exist, what is no HTTP. `app` is the name in a hook's address, whether
    // or not there is such an app. Where this says "wait", the answer is 429 instead.
    std::optional<Seconds> refused(const Address& client, std::string_view app = {});
    // For every answer to somebody who needs no role.
    std::optional<Seconds> served(const Address& client);
    // For every delivery of that app that was rightly signed.
    std::optional<Seconds> signed_delivery(const Address& client, const std::string& app);

  private:
    Levels refusals_;   // by address
    Levels answers_;    // by address
    Levels app_names_;  // refusals by the name in a hook's address
    Levels apps_;       // signed deliveries
};

}  // namespace belay::http
