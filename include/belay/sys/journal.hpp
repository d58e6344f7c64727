// What a unit wrote, and what systemd wrote of it, from the journal [sd-journal(3)].
#pragma once

#include <belay/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace belay::sys {

// Any thread, one at a time: it reads files.
class UnitJournal {
  public:
    // From the first entry after `after`, in microseconds of the wall clock. `directory`: where
    // journal files lie; empty: this machine's journal. Errc::forbidden: this user may not read it;
    // Errc::unavailable: there is none.
    static Result<UnitJournal> open(const std::string& unit, std::int64_t after,
                                    const std::string& directory = {});
    UnitJournal(UnitJournal&&) noexcept;
    UnitJournal& operator=(UnitJournal&&) noexcept;
    ~UnitJournal();

    // Messages that were not read yet, each ended by a line break, of about `most` bytes at most;
    // empty: no more at present. None of after `until` (microseconds; 0: all), nor any from then
    // on.
    Result<std::string> read(std::size_t most, std::int64_t until);
    // When the last one was written; where nothing was read, `after`.
    std::int64_t position() const;

  private:
    class Open;
    explicit UnitJournal(std::unique_ptr<Open> open);

    std::unique_ptr<Open> open_;
};

}  // namespace belay::sys
