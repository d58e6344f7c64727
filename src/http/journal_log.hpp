// Reads what a unit wrote to the journal, masked, as it grows.
#pragma once

#include "log.hpp"

#include <belay/base/masker.hpp>
#include <belay/ports/units.hpp>

namespace belay::http {

class JournalLog : public Log {
  public:
    // From the first line after `after`.
    JournalLog(engine::LogSource source, std::int64_t after);

    const engine::LogSource& source() const override { return source_; }
    Task<Result<std::string>> read() override;
    std::string flush() override { return masker_.flush(); }
    std::int64_t offset() const override { return settled_; }
    void stop_at(std::int64_t place) override { end_ = place; }
    // It reaches to the present.
    Task<Result<Extent>> extent() override;

  private:
    engine::LogSource source_;
    Masker masker_;
    std::unique_ptr<ports::UnitLog> journal_;
    std::int64_t settled_;  // up to there nothing is held back
    std::int64_t end_ = -1;
};

}  // namespace belay::http
