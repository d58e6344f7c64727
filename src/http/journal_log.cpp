#include "journal_log.hpp"

#include <algorithm>
#include <chrono>

namespace belay::http {

JournalLog::JournalLog(engine::LogSource source, std::int64_t after)
    : source_(std::move(source)),
      masker_(source_.mask),
      journal_(source_.journal(std::max(after, source_.journal_from))),
      settled_(journal_->position()) {}

Task<Result<std::string>> JournalLog::read() {
    while (true) {
        auto text = co_await journal_->read(std::max<std::int64_t>(end_, 0));
        if (!text || text->empty()) co_return text;
        auto shown = masker_.feed(*text);
        if (masker_.held() == 0) settled_ = journal_->position();
        if (!shown.empty()) co_return shown;
    }
}

Task<Result<Log::Extent>> JournalLog::extent() {
    const auto now = std::chrono::system_clock::now();
    Extent extent;
    extent.size =
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
    extent.shown_to = extent.size;
    extent.modified_at = std::chrono::time_point_cast<Millis>(now);
    co_return extent;
}

}  // namespace belay::http
