#include <belay/sys/journal.hpp>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <unistd.h>
#include <utility>

namespace belay::sys {
namespace {

struct JournalClose {
    void operator()(sd_journal* journal) const { ::sd_journal_close(journal); }
};
using Journal = std::unique_ptr<sd_journal, JournalClose>;

// As journalctl -u has it: of the unit's processes, and of systemd about it. The fields that begin
// with an underscore are the journal's own, so that nobody else can pass for them.
int match(sd_journal* journal, const std::string& unit) {
    const std::string own = "_SYSTEMD_UNIT=" + unit;
    const std::string about = "UNIT=" + unit;
    int code = ::sd_journal_add_match(journal, own.c_str(), 0);
    if (code >= 0) code = ::sd_journal_add_disjunction(journal);
    if (code >= 0) code = ::sd_journal_add_match(journal, about.c_str(), 0);
    if (code >= 0) code = ::sd_journal_add_match(journal, "_PID=1", 0);
    return code;
}

Error unreadable(int error_number) {
    if (error_number == EACCES || error_number == EPERM)
        return Error{Errc::forbidden,
                     "the journal can't be read by the user that the daemon runs as: add it to the "
                     "group systemd-journal"};
    if (error_number == ENOENT)
        return Error{Errc::unavailable,
                     "there is no journal on this machine: systemd-journald "
                     "does not run here"};
    return errno_error(error_number, "reading the journal");
}

// To whom its files are closed, the library shows an empty journal.
Result<void> check_access() {
    sd_id128_t machine{};
    if (const int code = ::sd_id128_get_machine(&machine); code < 0) return unreadable(-code);
    std::array<char, SD_ID128_STRING_MAX> name{};
    ::sd_id128_to_string(machine, name.data());
    int failure = ENOENT;
    for (const auto* place : {"/var/log/journal", "/run/log/journal"}) {
        // What people's own processes write lies in files of their own.
        const auto folder = fmt::format("{}/{}/", place, name.data());
        const auto own = fmt::format("{}user-{}.journal", folder, ::geteuid());
        if (::access(own.c_str(), R_OK) == 0) return {};
        if (::access((folder + "system.journal").c_str(), R_OK) == 0) return {};
        if (errno != ENOENT) failure = errno;
    }
    return unreadable(failure);
}

}  // namespace

class UnitJournal::Open {
  public:
    Open(Journal journal, std::int64_t after) : journal_(std::move(journal)), at_(after) {}

    Result<std::string> read(std::size_t most, std::int64_t until);
    std::int64_t position() const { return at_; }

  private:
    // The present entry's; false: it has none, or is of a file that was taken away meanwhile.
    bool message(std::string& text);

    Journal journal_;
    std::int64_t at_;
    bool over_ = false;  // the next one is of after what was asked for
};

bool UnitJournal::Open::message(std::string& text) {
    constexpr std::string_view kField = "MESSAGE=";
    const void* data = nullptr;
    std::size_t size = 0;
    if (::sd_journal_get_data(journal_.get(), "MESSAGE", &data, &size) < 0) return false;
    text.append(static_cast<const char*>(data) + kField.size(), size - kField.size());
    text += '\n';
    return true;
}

Result<std::string> UnitJournal::Open::read(std::size_t most, std::int64_t until) {
    std::string text;
    // Files that came and went.
    if (const int code = ::sd_journal_process(journal_.get()); code < 0) return unreadable(-code);
    while (text.size() < most && !over_) {
        const int code = ::sd_journal_next(journal_.get());
        if (code < 0) return unreadable(-code);
        if (code == 0) break;
        std::uint64_t at = 0;
        if (::sd_journal_get_realtime_usec(journal_.get(), &at) < 0) continue;
        const auto when = static_cast<std::int64_t>(at);
        if (until != 0 && when > until) {
            over_ = true;
            break;
        }
        if (message(text)) at_ = when;
    }
    return text;
}

UnitJournal::UnitJournal(std::unique_ptr<Open> open) : open_(std::move(open)) {}
UnitJournal::UnitJournal(UnitJournal&&) noexcept = default;
UnitJournal& UnitJournal::operator=(UnitJournal&&) noexcept = default;
UnitJournal::~UnitJournal() = default;

Result<UnitJournal> UnitJournal::open(const std::string& unit, std::int64_t after,
                                      const std::string& directory) {
    if (directory.empty())
        if (auto allowed = check_access(); !allowed) return allowed.error();
    sd_journal* opened = nullptr;
    int code = directory.empty() ? ::sd_journal_open(&opened, SD_JOURNAL_LOCAL_ONLY)
                                 : ::sd_journal_open_directory(&opened, directory.c_str(), 0);
    if (code < 0) return unreadable(-code);
    Journal journal(opened);
    code = match(opened, unit);
    // From then on new files are noticed.
    if (code >= 0) code = ::sd_journal_get_fd(opened);
    if (code >= 0)
        code = ::sd_journal_seek_realtime_usec(opened, static_cast<std::uint64_t>(after) + 1);
    if (code < 0) return unreadable(-code);
    return UnitJournal(std::make_unique<Open>(std::move(journal), after));
}

Result<std::string> UnitJournal::read(std::size_t most, std::int64_t until) {
    return open_->read(most, until);
}

std::int64_t UnitJournal::position() const {
    return open_->position();
}

}  // namespace belay::sys
