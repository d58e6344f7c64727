// Room that is kept for the record: given back when the disk is full, so that what is under way can
// still be written down.
#pragma once

#include <chrono>
#include <string>

namespace belay::store {

// The store's thread only.
class Reserve {
  public:
    explicit Reserve(std::string path);

    // True: there was some, and now its room is free.
    bool release();
    // Sets it aside again once the disk has room to spare; looks no oftener than every few seconds.
    void refill();

  private:
    std::string path_;
    bool held_ = false;
    std::chrono::steady_clock::time_point looked_{};
};

}  // namespace belay::store
