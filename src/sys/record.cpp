#include "record.hpp"

#include "shim/protocol.hpp"

#include <belay/sys/files.hpp>

#include <fmt/format.h>

#include <charconv>

namespace belay::sys {

namespace {

std::uint64_t checksum(std::string_view text) {
    std::uint64_t sum = 14695981039346656037u;
    for (auto character : text) {
        sum ^= static_cast<unsigned char>(character);
        sum *= 1099511628211u;
    }
    return sum;
}

constexpr std::string_view kSum = "\nsum ";

Result<Fields> read_record(int directory, const char* name, std::string_view magic) {
    auto content = read_file_at(directory, name, 4096);
    if (!content) return content.error();
    if (content->empty()) return Error{Errc::not_found, fmt::format("{} is empty", name)};
    auto fields = parse_record(*content, magic);
    if (!fields) return prefixed(name, fields.error());
    return fields;
}

ProcessIdentity process_in(const Fields& fields, std::string_view key) {
    ProcessIdentity identity;
    auto boot = fields.find("boot");
    auto value = fields.find(key);
    if (boot == fields.end() || value == fields.end()) return identity;
    auto words = words_of(value->second);
    if (words.size() != 2) return identity;
    identity.boot = boot->second;
    identity.pid = static_cast<pid_t>(to_number(words[0]));
    identity.start = to_number(words[1]);
    return identity;
}

std::string text_in(const Fields& fields, std::string_view key) {
    auto found = fields.find(key);
    return found == fields.end() ? std::string() : found->second;
}

}  // namespace

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
        auto word = line.substr(0, line.find(' '));
        if (!word.empty()) words.push_back(word);
        line.remove_prefix(std::min(line.size(), word.size() + 1));
    }
    return words;
}

std::uint64_t to_number(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::uint64_t number_in(const Fields& fields, std::string_view key) {
    return to_number(text_in(fields, key));
}

Result<Fields> parse_record(std::string_view content, std::string_view magic) {
    if (!content.starts_with(magic) || content.substr(magic.size(), 1) != "\n")
        return Error{Errc::invalid, fmt::format("does not begin with \"{}\"", magic)};
    auto end = content.rfind(kSum);
    if (end == std::string_view::npos) return Error{Errc::invalid, "has no sum"};
    auto sum = content.substr(end + kSum.size(), 16);
    auto body = content.substr(0, end + 1);
    if (sum != fmt::format("{:016x}", checksum(body)))
        return Error{Errc::invalid, "does not fit its sum: it was cut off or changed"};
    Fields fields;
    body.remove_prefix(magic.size() + 1);
    while (!body.empty()) {
        auto line = body.substr(0, body.find('\n'));
        body.remove_prefix(std::min(body.size(), line.size() + 1));
        auto blank = std::min(line.find(' '), line.size());
        fields.emplace(line.substr(0, blank), line.substr(std::min(blank + 1, line.size())));
    }
    return fields;
}

std::string make_record(std::string_view magic, const Fields& fields) {
    auto text = fmt::format("{}\n", magic);
    for (const auto& [key, value] : fields)
        text += fmt::format("{} {}\n", key, value);
    return text + fmt::format("sum {:016x}\n", checksum(text));
}

Result<IdentityRecord> read_identity_record(int directory) {
    auto fields = read_record(directory, "identity", shim::kIdentityMagic);
    if (!fields) return fields.error();
    IdentityRecord record;
    record.shim = process_in(*fields, "shim");
    record.program = process_in(*fields, "program");
    record.token = text_in(*fields, "token");
    record.run_id = text_in(*fields, "run");
    record.restarts = number_in(*fields, "restarts");
    record.started_at = TimePoint(Millis(static_cast<std::int64_t>(number_in(*fields, "started"))));
    return record;
}

Result<ExitRecord> read_exit_record(int directory) {
    auto fields = read_record(directory, "exit", shim::kExitMagic);
    if (!fields) return fields.error();
    ExitRecord record;
    record.final = number_in(*fields, "final") != 0;
    record.count = number_in(*fields, "count");
    record.exit.code = static_cast<int>(number_in(*fields, "code"));
    record.exit.signal = static_cast<int>(number_in(*fields, "signal"));
    record.exit.peak_memory = number_in(*fields, "peak");
    record.exit.cpu = Millis(static_cast<std::int64_t>(number_in(*fields, "cpu")));
    record.exit.at = TimePoint(Millis(static_cast<std::int64_t>(number_in(*fields, "at"))));
    return record;
}

Result<RestartPolicy> read_policy_record(int directory) {
    auto fields = read_record(directory, "policy", shim::kPolicyMagic);
    if (!fields) return fields.error();
    return text_in(*fields, "policy") == "always" ? RestartPolicy::always : RestartPolicy::never;
}

}  // namespace belay::sys
