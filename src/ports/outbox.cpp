#include <belay/ports/outbox.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace belay::ports {
namespace {

constexpr std::array<std::string_view, 2> kKinds{"alert", "status"};
constexpr std::array<std::string_view, 4> kStates{"waiting", "sent", "dropped", "merged"};
constexpr std::size_t kShown = 200;

template <class Enum, std::size_t n>
std::optional<Enum> parse(const std::array<std::string_view, n>& names, std::string_view text) {
    auto at = std::find(names.begin(), names.end(), text);
    if (at == names.end()) return std::nullopt;
    return static_cast<Enum>(at - names.begin());
}

// The first line, printable and not cut within a code point.
std::string first_line(std::string_view body) {
    body = body.substr(0, body.find_first_of("\r\n"));
    auto end = std::min(body.size(), kShown);
    while (end > 0 && end < body.size() && (static_cast<unsigned char>(body[end]) & 0xc0) == 0x80)
        --end;
    std::string line(body.substr(0, end));
    for (auto& letter : line)
        if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = ' ';
    return line;
}

}  // namespace

std::string_view to_string(OutgoingKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}
std::optional<OutgoingKind> parse_outgoing_kind(std::string_view text) {
    return parse<OutgoingKind>(kKinds, text);
}
std::string_view to_string(OutgoingState state) {
    return kStates[static_cast<std::size_t>(state)];
}
std::optional<OutgoingState> parse_outgoing_state(std::string_view text) {
    return parse<OutgoingState>(kStates, text);
}

Verdict judge(const HttpAnswer& answer, TimePoint now) {
    const auto status = answer.status;
    if (status >= 200 && status < 300) return {};
    Verdict verdict;
    const bool later = status == 408 || status == 425 || status == 429 || status >= 500;
    const bool mendable = status == 401 || status == 403 || status == 404;
    verdict.kind = later || mendable ? Verdict::Kind::retry : Verdict::Kind::give_up;
    verdict.why = fmt::format("answered {}", status);
    if (auto line = first_line(answer.body); !line.empty()) verdict.why += ": " + line;
    if (status >= 300 && status < 400)
        verdict.why +=
            ", a redirect, which is not followed: configure the address that it leads to";
    if (later) verdict.retry_after = answer.retry_after(now).value_or(Millis{0});
    return verdict;
}

Verdict judge(const Error& error) {
    const auto kind = error.code == Errc::invalid ? Verdict::Kind::give_up : Verdict::Kind::retry;
    return {kind, error.message, Millis{0}};
}

}  // namespace belay::ports
