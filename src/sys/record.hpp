// The shim's records and the daemon's own `spec` file, read back. Formats: shim/protocol.hpp.
#pragma once

#include <belay/base/error.hpp>
#include <belay/base/process.hpp>
#include <belay/sys/identity.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace belay::sys {

using Fields = std::map<std::string, std::string, std::less<>>;

// Errc::invalid where the magic or the sum is wrong.
Result<Fields> parse_record(std::string_view content, std::string_view magic);
std::string make_record(std::string_view magic, const Fields& fields);

struct IdentityRecord {
    ProcessIdentity shim;
    ProcessIdentity program;  // pid 0: does not run
    std::string token;
    std::string run_id;
    TimePoint started_at{};
    std::uint64_t restarts = 0;
};
Result<IdentityRecord> read_identity_record(int directory);

struct ExitRecord {
    bool final = false;
    std::uint64_t count = 0;  // how often it ended; 0: never ran
    Exit exit;
};
// Errc::not_found where nothing has been written.
Result<ExitRecord> read_exit_record(int directory);

Result<RestartPolicy> read_policy_record(int directory);

// 0 where it is missing.
std::uint64_t number_in(const Fields& fields, std::string_view key);

// Words of a line by blanks.
std::vector<std::string_view> words_of(std::string_view line);
std::uint64_t to_number(std::string_view text);

}  // namespace belay::sys
