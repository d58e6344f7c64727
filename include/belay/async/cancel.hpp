// Asking work to stop: explicit, so that the work can clean up (kill a tree, wait for its death)
// before it returns.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <utility>

namespace belay::async {

// Undoes a registration when it goes.
class Subscription {
  public:
    Subscription() = default;
    explicit Subscription(std::function<void()> undo) : undo_(std::move(undo)) {}
    Subscription(Subscription&& other) noexcept : undo_(std::exchange(other.undo_, nullptr)) {}
    Subscription& operator=(Subscription&& other) noexcept {
        if (this != &other) {
            end();
            undo_ = std::exchange(other.undo_, nullptr);
        }
        return *this;
    }
    ~Subscription() { end(); }

    void end() {
        if (auto undo = std::exchange(undo_, nullptr)) undo();
    }

  private:
    std::function<void()> undo_;
};

// Loop thread only. Copies share one request: the asker keeps one, the work another.
class Cancel {
  public:
    Cancel() : shared_(std::make_shared<Shared>()) {}

    // Calls every callback once; later registrations are called at once.
    void request() {
        if (shared_->requested) return;
        shared_->requested = true;
        auto shared = shared_;  // a callback may drop the last Cancel
        for (auto at = shared->callbacks.begin(); at != shared->callbacks.end();) {
            auto call = at++;
            if (auto callback = *call) callback();
        }
    }
    bool requested() const { return shared_->requested; }

    [[nodiscard]] Subscription on_request(std::function<void()> callback) const {
        if (shared_->requested) {
            callback();
            return {};
        }
        auto place = shared_->callbacks.insert(shared_->callbacks.end(), std::move(callback));
        return Subscription([weak = std::weak_ptr(shared_), place] {
            auto shared = weak.lock();
            if (!shared) return;
            // From request() on only emptied, as it may be walking the list.
            if (shared->requested)
                *place = nullptr;
            else
                shared->callbacks.erase(place);
        });
    }
    // Those that would be called now; what a long life gathers is seen by it.
    std::size_t registrations() const { return shared_->callbacks.size(); }

  private:
    struct Shared {
        bool requested = false;
        std::list<std::function<void()>> callbacks;
    };
    std::shared_ptr<Shared> shared_;
};

}  // namespace belay::async
