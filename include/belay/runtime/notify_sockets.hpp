// ports::Readiness: a datagram socket for each run, in a directory that all may pass through.
#pragma once

#include <belay/ports/readiness.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <memory>
#include <vector>

namespace belay::runtime {

class NotifySockets : public ports::Readiness {
  public:
    // Goes on with those of `runs` that an earlier daemon opened, and removes all others. Errors as
    // readdir(3)'s.
    virtual Result<void> take_over(const std::vector<std::string>& runs) = 0;
};

// `directory` is made when it is needed.
std::unique_ptr<NotifySockets> make_notify_sockets(boost::asio::any_io_executor executor,
                                                   std::filesystem::path directory);

}  // namespace belay::runtime
