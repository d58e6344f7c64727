#include "log.hpp"

#include "journal_log.hpp"
#include "log_file.hpp"

#include <algorithm>
#include <chrono>

namespace belay::http {

std::unique_ptr<Log> open_log(boost::asio::thread_pool& pool, engine::LogSource source,
                              std::int64_t from, TimePoint since) {
    if (!source.journal) return std::make_unique<LogFile>(pool, std::move(source), from);
    const auto earliest =
        std::chrono::duration_cast<std::chrono::microseconds>(since.time_since_epoch()).count() - 1;
    return std::make_unique<JournalLog>(std::move(source), std::max(from, earliest));
}

}  // namespace belay::http
