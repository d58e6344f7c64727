#include "journal.hpp"

#include <belay/base/log.hpp>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <unistd.h>

namespace belay::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warning:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

// The one global: a logger has no owner that outlives all its users.
spdlog::logger& logger() {
    static auto instance = [] {
        auto made = std::make_shared<spdlog::logger>(
            "belay", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        // The journal stamps lines itself, and sets this variable for what it reads.
        made->set_pattern(std::getenv("JOURNAL_STREAM") ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
        made->flush_on(spdlog::level::debug);
        return made;
    }();
    return *instance;
}

// None where standard error is not the journal's.
const std::optional<Journal>& journal() {
    static const auto instance = leads_to_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"))
                                     ? Journal::at(kJournalSocket)
                                     : std::nullopt;
    return instance;
}

void append_value(std::string& line, std::string_view value) {
    bool plain = !value.empty() && value.find_first_of(" \"\n\r\t=\\") == std::string_view::npos;
    if (plain) {
        line += value;
        return;
    }
    line += '"';
    for (char c : value) {
        if (c == '\n') {
            line += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') line += '\\';
        line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    line += '"';
}

}  // namespace

void set_level(Level level) {
    logger().set_level(to_spdlog(level));
}

void write(Level level, std::string_view message, Fields fields) {
    if (!logger().should_log(to_spdlog(level))) return;
    std::string line(message);
    for (const auto& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    if (journal() && journal()->send(journal_entry(level, line, fields))) return;
    logger().log(to_spdlog(level), "{}", line);
}

}  // namespace belay::log
