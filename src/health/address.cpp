#include "address.hpp"

#include <charconv>

namespace belay::health {
namespace {

Error bad_url(std::string_view url, std::string_view why) {
    return Error{Errc::invalid, "health.url \"" + std::string(url) + "\": " + std::string(why)};
}

}  // namespace

std::string Address::authority() const {
    auto shown = host.find(':') == host.npos ? host : "[" + host + "]";
    return shown + ":" + std::to_string(port);
}

Result<Address> parse_url(std::string_view url) {
    std::string_view scheme = "http://";
    if (url.starts_with("tcp://")) scheme = "tcp://";
    if (url.starts_with("https://")) return bad_url(url, "https is not in effect yet; probe http");
    if (!url.starts_with(scheme)) return bad_url(url, "it does not begin with http://");
    auto rest = url.substr(scheme.size());
    auto end = std::min(rest.find_first_of("/?#"), rest.size());
    auto authority = rest.substr(0, end);
    auto path = rest.substr(end, rest.find('#') - end);
    if (authority.find('@') != authority.npos)
        return bad_url(url, "user names have no place in it");
    for (char c : url)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f)
            return bad_url(url, "it holds a space or control character");

    Address address;
    address.port = 80;
    auto colon = authority.rfind(':');
    if (auto bracket = authority.rfind(']'); bracket != authority.npos) {
        if (authority.front() != '[') return bad_url(url, "a bracket is missing");
        if (colon < bracket) colon = authority.npos;
        address.host = authority.substr(1, bracket - 1);
    } else {
        address.host = authority.substr(0, colon);
    }
    if (address.host.empty()) return bad_url(url, "it names no host");
    if (address.host.find_first_of("[]") != address.host.npos)
        return bad_url(url, "a bracket is missing");
    if (colon != authority.npos) {
        auto port = authority.substr(colon + 1);
        auto [last, failure] =
            std::from_chars(port.data(), port.data() + port.size(), address.port);
        if (failure != std::errc() || last != port.data() + port.size() || address.port == 0)
            return bad_url(url, "\"" + std::string(port) + "\" is no port");
    }
    address.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
    return address;
}

Result<Address> address_of(const ports::ProbeTarget& target) {
    if (!target.health.url.empty()) return parse_url(target.health.url);
    Address address{target.host, target.port, target.health.path};
    if (!address.path.starts_with('/')) address.path.insert(0, "/");
    return address;
}

}  // namespace belay::health
