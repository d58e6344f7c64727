// systemd's journal by its native protocol, which keeps fields apart from the text [systemd,
// "Native Journal Protocol", https://systemd.io/JOURNAL_NATIVE_PROTOCOL/].
#pragma once

#include <belay/base/log.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace belay::log {

inline constexpr const char* kJournalSocket = "/run/systemd/journal/socket";

// Whether the descriptor is the stream that systemd connected to the journal: `stream` is the
// variable JOURNAL_STREAM, "DEVICE:INODE" [systemd.exec(5)]. A program that was started with its
// standard error elsewhere inherits the variable all the same.
bool leads_to_journal(int descriptor, const char* stream);

// One entry as it goes over the socket. `line` is the text for people; each field is one of its own
// besides, by the name BELAY_KEY (`app` is BELAY_APP), where its key is made of a-z, 0-9 and _.
std::string journal_entry(Level level, std::string_view line, Fields fields);

// Any thread.
class Journal {
  public:
    // None: no socket can be had.
    static std::optional<Journal> at(const std::string& path);
    Journal(Journal&& other) noexcept;
    Journal& operator=(Journal&&) = delete;
    ~Journal();

    // False: nobody took it, or it is too long for one datagram.
    bool send(const std::string& entry) const;

  private:
    Journal(int socket, std::string path) : socket_(socket), path_(std::move(path)) {}

    int socket_;
    std::string path_;
};

}  // namespace belay::log
