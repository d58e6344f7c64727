// How many deployments may work at the same time ([limits] concurrent_deployments).
#pragma once

#include <belay/async/event.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace belay::engine {

// Loop thread only. Held from fetching to sealing; switches, bakes and rollbacks never wait for
// one.
class Slots {
  public:
    void set_count(int count) {
        count_ = count;
        wake();
    }
    // True: a slot is the caller's. False: `wake` is set when it is worth asking again.
    bool take(async::Event& wake) {
        if (taken_ < count_) {
            ++taken_;
            return true;
        }
        if (std::find(waiting_.begin(), waiting_.end(), &wake) == waiting_.end())
            waiting_.push_back(&wake);
        return false;
    }
    void release() {
        --taken_;
        wake();
    }
    // Before the event goes.
    void forget(async::Event& wake) { std::erase(waiting_, &wake); }
    int count() const { return count_; }
    int taken() const { return taken_; }

  private:
    void wake() {
        for (auto* event : std::exchange(waiting_, {}))
            event->set();
    }

    int count_ = 2;
    int taken_ = 0;
    std::vector<async::Event*> waiting_;
};

}  // namespace belay::engine
