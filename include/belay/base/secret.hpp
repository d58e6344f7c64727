// A value that must not reach a log, a record or an error text.
#pragma once

#include <string>
#include <utility>

namespace belay {

// Prints as nothing useful; the value leaves by reveal() alone, so that every use can be found.
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}

    const std::string& reveal() const { return value_; }
    bool empty() const { return value_.empty(); }

  private:
    std::string value_;
};

}  // namespace belay
