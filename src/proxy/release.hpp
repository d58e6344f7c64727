// What the proxy keeps of one release of one app while it runs: counters, what is in flight,
// connections to reuse.
#pragma once

#include "entrance.hpp"
#include "flow.hpp"
#include "stream.hpp"

#include <belay/base/address.hpp>
#include <belay/ports/traffic.hpp>

#include <list>
#include <memory>
#include <string>
#include <vector>

namespace belay::proxy {

// An upgraded connection, to be told that its release or its entrance goes.
class Leaver {
  public:
    virtual ~Leaver() = default;
    virtual void go_away() = 0;
    virtual bool came_by(const Entrance& entrance) const = 0;
};

struct Release {
    Release(std::string app_name, ReleaseNumber number) : app(std::move(app_name)) {
        counters.release = number;
    }

    std::string app;
    ports::ReleaseCounters counters;
    std::list<Leaver*> streams;  // not yet told to go

    bool idle() const { return counters.in_flight == 0 && counters.open_streams == 0; }
};

// Holds a request's place among those in flight.
class Claim {
  public:
    Claim() = default;
    explicit Claim(std::shared_ptr<Release> release) : release_(std::move(release)) {
        ++release_->counters.in_flight;
    }
    Claim(Claim&& other) noexcept = default;
    Claim& operator=(Claim&& other) noexcept {
        end();
        release_ = std::move(other.release_);
        return *this;
    }
    ~Claim() { end(); }

    void end() {
        if (auto release = std::exchange(release_, nullptr)) --release->counters.in_flight;
    }

  private:
    std::shared_ptr<Release> release_;
};

class Target;

// A connection to an instance.
class Upstream final : Timer, StreamObserver {
  public:
    Upstream(Loop& loop, Fd socket) : stream(loop, std::move(socket), true) {}

    Stream stream;
    bool reused = false;

  private:
    friend class Target;
    void on_expired() override;
    void on_unread(Stream&) override;

    Target* idle_at_ = nullptr;
};

// One instance of a release, with connections that wait to be used again.
class Target {
  public:
    explicit Target(ports::Upstream upstream);

    const ports::Upstream& upstream() const { return upstream_; }

    // The latest used one, or null.
    std::unique_ptr<Upstream> take();
    // Kept for `idle`, unless the target is retired or has enough.
    void give(std::unique_ptr<Upstream> connection, Millis idle);
    // Closes what waits, and whatever is given from now on.
    void retire();
    // Closes what waits.
    void drop_idle() { idle_.clear(); }
    std::size_t idle() const { return idle_.size(); }

    // Null: refused, unreachable or not in time; errno is the socket's where it was none.
    Flow<std::unique_ptr<Upstream>> connect(Loop& loop, Millis timeout);

    // Refused lately: others come first.
    bool avoided(std::int64_t now_us) const { return now_us < avoided_until_us_; }
    void avoid(std::int64_t now_us) { avoided_until_us_ = now_us + 1'000'000; }
    void trust() { avoided_until_us_ = 0; }

    std::size_t in_flight = 0;

  private:
    friend class Upstream;
    static constexpr std::size_t kIdleMax = 256;
    void drop(Upstream& connection);

    ports::Upstream upstream_;
    sockaddr_storage address_{};
    std::vector<std::unique_ptr<Upstream>> idle_;
    std::int64_t avoided_until_us_ = 0;
    bool retired_ = false;
};

}  // namespace belay::proxy
