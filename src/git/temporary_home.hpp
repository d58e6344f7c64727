// A HOME whose .ssh/known_hosts tells libssh2 which of a server's host keys to ask for. What is
// trusted is decided by our own check.
#pragma once

#include <string>
#include <vector>

namespace belay::git {

class TemporaryHome {
  public:
    // One at a time. Without lines nothing is made.
    explicit TemporaryHome(const std::vector<std::string>& lines);
    ~TemporaryHome();
    TemporaryHome(const TemporaryHome&) = delete;
    TemporaryHome& operator=(const TemporaryHome&) = delete;
};

}  // namespace belay::git
