// How a deployment's way looks to someone who waits for it. Pure: from one record to the next.
#pragma once

#include "table.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>

namespace belay::cli {

// On a terminal the line of what runs is written again and again, and stays when it is done; else
// each change is a line of its own, with the time since the deployment was made.
class Progress {
  public:
    explicit Progress(bool terminal) : terminal_(terminal) {}

    // What to print, now that the record reads like this.
    std::string update(const nlohmann::json& deployment, const Canvas& canvas);
    // The running line with the time gone on; nothing where there is no terminal.
    std::string tick(const Canvas& canvas);
    // Ends a running line, so that other text can follow.
    std::string close();

  private:
    struct Running {
        std::string name;
        TimePoint since{};
    };

    std::string stage_changes(const nlohmann::json& deployment, const Canvas& canvas);
    std::string line(std::string_view mark, std::string_view name, std::string_view text,
                     Style style, const Canvas& canvas) const;

    bool terminal_;
    TimePoint began_{};
    std::map<std::string, std::string> stages_;  // "build#1" -> the state last shown
    std::string state_;                          // last shown
    Running running_;
    bool line_open_ = false;
    unsigned turn_ = 0;  // of the sign that moves
};

bool has_ended(const nlohmann::json& deployment);

// The last word: "d12 is healthy after 48s: shop release 13", or why not.
std::string render_outcome(const nlohmann::json& deployment, const Canvas& canvas);

}  // namespace belay::cli
