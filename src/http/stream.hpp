// An answer that is written piece by piece; the connection ends with it.
#pragma once

#include "connection.hpp"
#include "message.hpp"

#include <belay/async/task_group.hpp>
#include <belay/http/server.hpp>

namespace belay::http {

class Stream {
  public:
    Stream(Connection& connection, async::TaskGroup& tasks, const Options& options, int version)
        : connection_(connection), tasks_(tasks), options_(options), version_(version) {}

    bool begun() const { return begun_; }
    // All return false when the peer has gone or takes too long; the producer should end then.
    Task<bool> begin(std::string content_type, Headers headers);
    Task<bool> write(std::string bytes);
    // Trailers are left out for HTTP/1.0.
    Task<bool> end(Headers trailers);
    // Without an end: the peer sees that it is cut off.
    void cut() { connection_.close(); }
    // Set when the peer has gone or the server stops.
    async::Event& gone() { return connection_.gone; }
    // How an act ended that was answered by this stream, for the record.
    std::string outcome;

  private:
    Task<bool> send(std::string bytes);

    Connection& connection_;
    async::TaskGroup& tasks_;
    const Options& options_;
    int version_;
    bool begun_ = false;
};

}  // namespace belay::http
