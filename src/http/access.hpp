// Bearer tokens (RFC 6750): who holds one, what it allows, and when it ends.
#pragma once

#include <belay/async/cancel.hpp>
#include <belay/async/event.hpp>
#include <belay/async/task_group.hpp>
#include <belay/async/timers.hpp>
#include <belay/base/secret.hpp>
#include <belay/domain/access.hpp>
#include <belay/ports/store.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace belay::http {

// Loop thread only. All tokens are in memory, so that no request waits for the database; what
// changes is stored first.
class Access {
  public:
    // `store` null: there are no tokens, and none can be made.
    Access(ports::Store* store, async::Timers& timers, async::TaskGroup& tasks)
        : store_(store), timers_(timers), tasks_(tasks) {}

    // Reads the tokens; requests that need them wait for that. Once.
    Task<void> load();

    struct Holder {
        std::int64_t id = 0;
        std::string name;
        domain::Role role = domain::Role::none;
    };
    // Errc::unauthorized: wrong, expired or revoked, in one word for all; unavailable: the tokens
    // can't be read. `from` is remembered as the place of its last use.
    Task<Result<Holder>> holder_of(std::string token, std::string from);
    bool is_valid(std::int64_t id) const;

    // While a long answer goes on: `end` is called as soon as the token expires or is revoked, at
    // once if that has happened. 0 is no token and never ends.
    struct Watch {
        async::Subscription revoked;
        async::Subscription expired;
    };
    [[nodiscard]] Watch watch(std::int64_t id, std::function<void()> end);

    struct Wish {
        std::string name;
        domain::Role role = domain::Role::read;
        Millis lifetime{0};  // 0: for ever
        std::string by;
    };
    struct Made {
        domain::Token token;
        Secret text;  // shown once, kept nowhere
    };
    // Errc::invalid, conflict (the name is taken), limit.
    Task<Result<Made>> create(Wish wish);
    // By name. Ends it at once, also where that can't be stored; then the error says so.
    Task<Result<void>> revoke(std::string name);
    // By name; errors as the store's.
    Task<Result<std::vector<domain::Token>>> tokens();

    // When tokens were last used, as far as it is not stored yet.
    Task<void> save_uses();

  private:
    struct Held {
        domain::Token token;
        TimePoint use_saved{};
        bool saving = false;
        bool revoked = false;  // but still stored
        async::Cancel ended;
    };
    Task<Result<void>> loaded();
    bool is_valid(const Held& held) const;
    void note_use(Held& held, std::string from);
    Task<void> save_use(std::int64_t id);

    ports::Store* store_;
    async::Timers& timers_;
    async::TaskGroup& tasks_;
    async::Event loaded_;
    Error problem_;  // why there are no tokens
    bool usable_ = false;
    std::map<std::int64_t, Held> held_;
};

}  // namespace belay::http
