#include <belay/base/http_exchange.hpp>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace belay {
namespace {

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string_view HttpAnswer::header(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (same_name(key, name)) return value;
    return {};
}

std::optional<Millis> HttpAnswer::retry_after(TimePoint now) const {
    auto text = header("retry-after");
    if (text.empty()) return std::nullopt;
    // Seconds; some services (Discord) add decimals.
    double seconds = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (failure == std::errc() && end == text.data() + text.size()) {
        constexpr double kMost = 7.0 * 86'400;
        if (!(seconds >= 0)) return std::nullopt;
        return Millis{static_cast<std::int64_t>(std::min(seconds, kMost) * 1'000)};
    }
    std::tm parts{};
    const std::string date(text);
    const char* rest = ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (rest == nullptr || *rest != '\0') return std::nullopt;
    const TimePoint until{Seconds{::timegm(&parts)}};
    return std::max(Millis{0}, until - now);
}

std::string_view host_of(std::string_view url) {
    if (auto scheme = url.find("://"); scheme != url.npos) url.remove_prefix(scheme + 3);
    url = url.substr(0, url.find_first_of("/?#"));
    if (auto user = url.rfind('@'); user != url.npos) url.remove_prefix(user + 1);
    if (url.starts_with('[')) return url.substr(0, url.find(']') + 1);
    return url.substr(0, url.find(':'));
}

}  // namespace belay
