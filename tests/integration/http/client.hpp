// A client that sends bytes as they are and reads with a deadline. Shares no code with the server.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

namespace belay::test {

class Client {
  public:
    explicit Client(int fd) : fd_(fd) {
        timeval limit{10, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    Client(Client&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
    ~Client() { close(); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    int fd() const { return fd_; }
    // False when the server has closed.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }
    // Reads until the text has come: everything up to and with it. Fails the test where it does not
    // come.
    std::string until(std::string_view text) {
        while (true) {
            if (auto at = buffer_.find(text); at != buffer_.npos) return take(at + text.size());
            if (!more()) {
                ADD_FAILURE() << "\"" << text << "\" did not come; there is: " << buffer_;
                return {};
            }
        }
    }
    std::string exactly(std::size_t count) {
        while (buffer_.size() < count && more()) {
        }
        return take(count);
    }
    std::string until_closed() {
        while (more()) {
        }
        return std::exchange(buffer_, {});
    }
    bool closed_cleanly() const { return end_ == 0; }

  private:
    bool more() {
        char bytes[16384];
        auto count = ::recv(fd_, bytes, sizeof bytes, 0);
        if (count > 0) buffer_.append(bytes, static_cast<std::size_t>(count));
        if (count <= 0) end_ = count == 0 ? 0 : errno;
        return count > 0;
    }
    std::string take(std::size_t count) {
        auto found = buffer_.substr(0, count);
        buffer_.erase(0, count);
        return found;
    }

    int fd_;
    int end_ = -1;
    std::string buffer_;
};

struct Answer {
    int status = 0;
    std::string head;
    std::map<std::string, std::string> headers;  // names in lower case
    std::map<std::string, std::string> trailers;
    std::string body;
};

inline std::pair<std::string, std::string> read_field(std::string line) {
    while (line.ends_with('\n') || line.ends_with('\r'))
        line.pop_back();
    auto colon = line.find(": ");
    if (colon == line.npos) return {};
    auto name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return {name, line.substr(colon + 2)};
}

inline void read_chunks(Client& client, Answer& answer) {
    while (auto size = std::strtoul(client.until("\r\n").c_str(), nullptr, 16)) {
        answer.body += client.exactly(size);
        client.until("\r\n");
    }
    for (auto line = client.until("\r\n"); line.size() > 2; line = client.until("\r\n"))
        answer.trailers.insert(read_field(line));
}

inline Answer read_answer(Client& client, bool no_body = false) {
    Answer answer;
    answer.head = client.until("\r\n\r\n");
    if (answer.head.size() > 12) answer.status = std::atoi(answer.head.c_str() + 9);
    for (auto at = answer.head.find("\r\n") + 2; at < answer.head.size();) {
        auto end = answer.head.find("\r\n", at);
        answer.headers.insert(read_field(answer.head.substr(at, end - at)));
        at = end + 2;
    }
    if (no_body) return answer;
    if (answer.headers["transfer-encoding"] == "chunked")
        read_chunks(client, answer);
    else
        answer.body =
            client.exactly(std::strtoul(answer.headers["content-length"].c_str(), nullptr, 10));
    return answer;
}

}  // namespace belay::test
