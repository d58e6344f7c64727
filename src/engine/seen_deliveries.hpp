// Which forge's ids were seen lately, so that a delivery that comes for the first time needs no
// look into the database. What it has forgotten is found there all the same: the ids are unique.
#pragma once

#include <belay/ports/store.hpp>

#include <deque>
#include <functional>
#include <string_view>
#include <unordered_set>

namespace belay::engine {

// Loop thread only. Memory: at most kRecentDeliveries hashes.
class SeenDeliveries {
  public:
    // True: it, or one with the same hash.
    bool contains(const ports::DeliveryIdentity& identity) const {
        return known_.contains(hash(identity));
    }
    void add(const ports::DeliveryIdentity& identity) {
        auto key = hash(identity);
        if (!known_.insert(key).second) return;
        order_.push_back(key);
        if (order_.size() <= static_cast<std::size_t>(ports::kRecentDeliveries)) return;
        known_.erase(order_.front());
        order_.pop_front();
    }

  private:
    static std::size_t hash(const ports::DeliveryIdentity& identity) {
        std::size_t all = 0;
        for (std::string_view part : {identity.app, identity.forge, identity.delivery_id})
            all = all * 1'000'003 + std::hash<std::string_view>{}(part);
        return all;
    }

    std::unordered_set<std::size_t> known_;
    std::deque<std::size_t> order_;  // oldest first
};

}  // namespace belay::engine
