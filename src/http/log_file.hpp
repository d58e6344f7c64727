// Reads one log from its file, masked, as it grows.
#pragma once

#include "log.hpp"

#include <belay/base/masker.hpp>

namespace belay::http {

// Loop thread only; the file is touched on the pool. A file that does not exist yet reads as empty.
class LogFile : public Log {
  public:
    LogFile(boost::asio::thread_pool& pool, engine::LogSource source, std::int64_t from);
    ~LogFile() override;
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    const engine::LogSource& source() const override { return source_; }
    Task<Result<std::string>> read() override;
    std::string flush() override;
    std::int64_t offset() const override { return at_ - static_cast<std::int64_t>(masker_.held()); }
    void stop_at(std::int64_t place) override { end_ = place; }
    Task<Result<Extent>> extent() override;

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
