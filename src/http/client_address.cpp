#include "client_address.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace belay::http {
namespace {

bool is_forwarded_for(std::string_view name) {
    constexpr std::string_view kName = "x-forwarded-for";
    return std::equal(name.begin(), name.end(), kName.begin(), kName.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

// "203.0.113.9", "203.0.113.9:4711", "2001:db8::1", "[2001:db8::1]:4711"
std::optional<Address> read(std::string_view text) {
    auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && blank(text.back()))
        text.remove_suffix(1);
    if (text.starts_with('[')) {
        text = text.substr(1, text.find(']') - 1);
    } else if (std::count(text.begin(), text.end(), ':') == 1) {
        text = text.substr(0, text.find(':'));
    }
    auto address = parse_address(text);
    return address ? std::optional(*address) : std::nullopt;
}

}  // namespace

bool is_loopback(const Address& address) {
    constexpr Address kV6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    return address.is_v4() ? address.bytes[12] == 127 : address == kV6;
}

Address loopback() {
    return Address{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}};
}

bool is_one_of(const std::vector<Cidr>& ranges, const Address& address) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const Cidr& range) { return range.contains(address); });
}

Address client_of(const Address& peer, const std::vector<Cidr>& trusted,
                  const std::vector<std::pair<std::string, std::string>>& headers) {
    auto client = peer;
    if (!is_one_of(trusted, client)) return client;
    for (auto field = headers.rbegin(); field != headers.rend(); ++field) {
        if (!is_forwarded_for(field->first)) continue;
        std::string_view rest = field->second;
        while (true) {
            auto comma = rest.rfind(',');
            auto said = read(comma == rest.npos ? rest : rest.substr(comma + 1));
            if (!said) return client;
            client = *said;
            if (!is_one_of(trusted, client)) return client;
            if (comma == rest.npos) break;
            rest = rest.substr(0, comma);
        }
    }
    return client;
}

}  // namespace belay::http
