// Deliveries that wait for the daemon, one file each, oldest first by name.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/time.hpp>

#include <string>
#include <vector>

namespace belay::cli {

struct Waiting {
    std::string id;    // webhook-id, the same for every try
    std::string body;  // signed anew at every try: the timestamp is part of what is signed
    std::string file;
};

class Spool {
  public:
    // The directory is made when something is first kept; its mode lets the group of a shared
    // repository in.
    explicit Spool(std::string directory) : directory_(std::move(directory)) {}

    Result<Waiting> keep(const std::string& app, std::string id, std::string body,
                         TimePoint now) const;
    // Of one app; files that can't be understood are passed over. Beyond `most` the oldest are
    // dropped: each push names the newest state of its refs.
    std::vector<Waiting> waiting(const std::string& app, std::size_t most) const;
    void drop(const Waiting& waiting) const;

  private:
    std::string directory_;
};

}  // namespace belay::cli
