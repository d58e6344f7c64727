// The daemon's word that a probe is its own; see decisions.md 23.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace belay::proxy {

class Nonce {
  public:
    explicit Nonce(std::string path) : path_(std::move(path)) {}

    // In constant time for a given length. Reads the file anew at most once a second, and only when
    // somebody asks.
    bool matches(std::string_view given, std::int64_t now_us);

  private:
    void read();

    std::string path_;
    std::string value_;
    std::int64_t read_at_us_ = -1;
};

}  // namespace belay::proxy
