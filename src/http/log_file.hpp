// Reads one log from its file, masked, as it grows.
#pragma once

#include <belay/async/task.hpp>
#include <belay/base/masker.hpp>
#include <belay/engine/api.hpp>

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace belay::http {

// Loop thread only; the file is touched on the pool. A file that does not exist yet reads as empty.
class LogFile {
  public:
    LogFile(boost::asio::thread_pool& pool, engine::LogSource source, std::int64_t from);
    ~LogFile();
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    const engine::LogSource& source() const { return source_; }

    // The next piece that can be shown; empty: nothing more at present. Pieces are of at most 64
    // KiB. What may be the beginning of a secret is held back until more comes.
    Task<Result<std::string>> read();
    // What is held back.
    std::string flush();
    // Where the next reader goes on: all before it was given out.
    std::int64_t offset() const { return at_ - static_cast<std::int64_t>(masker_.held()); }
    // Bytes beyond this place are not read; -1: all that comes.
    void stop_at(std::int64_t place) { end_ = place; }

    struct Extent {
        std::int64_t size = 0;      // of the file
        std::int64_t shown_to = 0;  // without what may be the beginning of a secret
        TimePoint modified_at{};
    };
    Task<Result<Extent>> extent();

    class Handle;

  private:
    Task<Result<void>> prime();

    boost::asio::thread_pool& pool_;
    engine::LogSource source_;
    Masker masker_;
    std::shared_ptr<Handle> handle_;
    std::int64_t at_;
    std::int64_t end_ = -1;
    bool primed_ = false;
};

}  // namespace belay::http
