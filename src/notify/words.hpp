// What a person reads, before any service's own form.
#pragma once

#include "news.hpp"

#include <string>
#include <utility>
#include <vector>

namespace belay::notify {

enum class Tone { good, bad, waiting, neutral };

struct Words {
    std::string title;                                       // one line
    std::string summary;                                     // sentences, may be empty
    std::vector<std::pair<std::string, std::string>> facts;  // "Commit", "0a1b2c3 Fix the cart"
    std::vector<std::string> log;
    std::string link;
    std::string command;
    Tone tone = Tone::neutral;
};

// `host` names the machine in what belongs to no app.
Words words_of(const News& news, const std::string& host);

// Title, summary, facts, log, link and command as lines, at most `limit` bytes: the log goes first,
// then the summary is cut.
std::string plain_text(const Words& words, std::size_t limit, bool with_title);

// The log as one text.
std::string log_text(const Words& words);

// "it failed its health check".
std::string_view in_words(domain::Reason reason);

}  // namespace belay::notify
