// One log as it is shown: masked, from a place on, as it grows.
#pragma once

#include <belay/async/task.hpp>
#include <belay/engine/api.hpp>

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace belay::http {

// Loop thread only. A place is a byte of a file, or a microsecond of a journal.
class Log {
  public:
    virtual ~Log() = default;

    virtual const engine::LogSource& source() const = 0;
    // The next piece that can be shown; empty: nothing more at present. Pieces are of about 64 KiB
    // at most. What may be the beginning of a secret is held back until more comes.
    virtual Task<Result<std::string>> read() = 0;
    // What is held back.
    virtual std::string flush() = 0;
    // Where the next reader goes on: all before it was given out.
    virtual std::int64_t offset() const = 0;
    // What is beyond this place is not read; -1: all that comes.
    virtual void stop_at(std::int64_t place) = 0;

    struct Extent {
        std::int64_t size = 0;      // where it ends by now
        std::int64_t shown_to = 0;  // without what may be the beginning of a secret
        TimePoint modified_at{};
    };
    virtual Task<Result<Extent>> extent() = 0;
};

// From `from` on; of a journal, which knows the time of each line, nothing of before `since`.
std::unique_ptr<Log> open_log(boost::asio::thread_pool& pool, engine::LogSource source,
                              std::int64_t from, TimePoint since);

}  // namespace belay::http
