// One HTTP request to somebody else's server and its answer, as plain data: what adapters write and
// judge, and `outbound` carries.
#pragma once

#include <belay/base/secret.hpp>
#include <belay/base/time.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay {

struct HttpRequest {
    std::string method = "POST";
    std::string url;  // http or https
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    // What in url, headers or body is secret: masked in every error text. The url's path, query and
    // user are never shown.
    std::vector<Secret> secrets;
};

struct HttpAnswer {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;  // its beginning, where it is longer than the limit

    // First header of that name, whatever the case; empty where there is none.
    std::string_view header(std::string_view name) const;
    // Retry-After (RFC 9110 §10.2.3), in seconds or as a date; `now` is what the date counts from.
    std::optional<Millis> retry_after(TimePoint now) const;
};

// "hooks.slack.com" of "https://user@hooks.slack.com:443/services/T0/B0/x": the part of a URL that
// may be shown.
std::string_view host_of(std::string_view url);

}  // namespace belay
