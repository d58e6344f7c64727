// An HTTP server that answers as a test says, on a Unix socket or a port of 127.0.0.1.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace belay::cli {

struct Seen {
    std::string method;
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

// One answer. The connection is closed when the handler returns.
class Answer {
  public:
    explicit Answer(int fd) : fd_(fd) {}

    void json(int status, const std::string& body);
    void problem(int status, const std::string& detail);
    // A chunked body; `end` with trailers ("Name: value\r\n"), or nothing for one that breaks off.
    void begin(const std::string& type, const std::string& headers = {});
    void chunk(const std::string& bytes);
    void end(const std::string& trailers = {});
    void raw(const std::string& bytes);
    // Until the other side closes.
    void wait_gone();

  private:
    int fd_;
};

class FakeDaemon {
  public:
    using Handler = std::function<void(const Seen&, Answer&)>;

    // Empty path: TCP.
    FakeDaemon(std::string socket, Handler handler);
    ~FakeDaemon();

    int port() const { return port_; }
    // What came in so far, and once at least `count` requests have.
    std::vector<Seen> seen();
    std::vector<Seen> wait_seen(std::size_t count);

  private:
    void accept_all();
    void serve(int fd);

    std::string socket_;
    Handler handler_;
    int listener_ = -1;
    int port_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Seen> seen_;
    std::list<std::thread> workers_;
    std::vector<int> open_;
    bool stopping_ = false;
    std::thread acceptor_;
};

}  // namespace belay::cli
