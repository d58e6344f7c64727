// The daemon's own log: one line an event, written synchronously to standard error, flushed at
// once.
#pragma once

#include <belay/base/error.hpp>

#include <initializer_list>
#include <string>
#include <string_view>

namespace belay::log {

// key=value after the message; a value with spaces or quotes is quoted.
struct Field {
    std::string_view key;
    std::string value;
};
using Fields = std::initializer_list<Field>;

enum class Level { debug, info, warning, error };

// Default info. Any thread.
void set_level(Level level);
void write(Level level, std::string_view message, Fields fields);

inline void debug(std::string_view message, Fields fields = {}) {
    write(Level::debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
    write(Level::info, message, fields);
}
inline void warning(std::string_view message, Fields fields = {}) {
    write(Level::warning, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
    write(Level::error, message, fields);
}

}  // namespace belay::log
