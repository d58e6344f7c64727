// A request's body, piece by piece, under its deadlines.
#pragma once

#include "connection.hpp"

#include <belay/base/error.hpp>
#include <belay/http/server.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace belay::http {

class BodyReader {
  public:
    // The head has been read.
    BodyReader(Connection& connection, Parser& parser, const Options& options)
        : connection_(connection), parser_(parser), options_(options) {}

    // As announced; none where it comes in chunks. 0: there is no body.
    std::optional<std::uint64_t> length() const;
    // The next piece, of `most` bytes at most, empty at the end; valid until the next call or
    // co_await. It lies at the beginning of `into` where it could be read there straight. The first
    // call answers `Expect: 100-continue`. Errc::limit beyond `limit` bytes in all, timeout,
    // invalid (not HTTP), unavailable (the peer has gone).
    Task<Result<std::string_view>> next(std::uint64_t limit, std::size_t most = Scratch::kSize,
                                        std::span<char> into = {});
    // All of it where it came with the head, as most deliveries do; valid until the next read from
    // this connection. None: it has to be read piece by piece.
    std::optional<std::string_view> whole();
    // Of a small body.
    Task<Result<std::string>> all(std::uint64_t limit);
    // Nothing of it is left unread.
    bool done() const;

  private:
    Task<Result<void>> begin();
    void set_deadline();

    Connection& connection_;
    Parser& parser_;
    const Options& options_;
    bool begun_ = false;
    std::chrono::steady_clock::time_point began_{};
    std::uint64_t received_ = 0;
};

}  // namespace belay::http
