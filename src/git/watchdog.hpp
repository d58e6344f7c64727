// Ends the process when the job's time is over: libgit2 1.5 waits for a silent server for ever.
#pragma once

#include "progress.hpp"

#include <belay/base/time.hpp>

#include <atomic>
#include <string>
#include <string_view>

namespace belay::git {

// The result's descriptor, written to once, by whoever is first.
class ResultChannel {
  public:
    explicit ResultChannel(int fd) : fd_(fd) {}
    // False: somebody else did, or it can't be written.
    bool write(std::string_view text);

  private:
    int fd_;
    std::atomic<bool> written_{false};
};

// From a thread of its own; `progress` and `channel` must live as long as the process. `subject` is
// for the message.
void end_after(Millis timeout, std::string subject, const Progress& progress,
               ResultChannel& channel);

// On SIGTERM the process leaves no file in /tmp.
void tidy_on_termination();

}  // namespace belay::git
