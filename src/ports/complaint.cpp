#include <belay/ports/config_source.hpp>

#include <fmt/format.h>

namespace belay::ports {

std::string Complaint::to_string() const {
    auto text = warning ? "warning: " + message : message;
    if (line == 0) return fmt::format("{}: {}", file, text);
    return fmt::format("{}:{}:{}: {}", file, line, column, text);
}

}  // namespace belay::ports
