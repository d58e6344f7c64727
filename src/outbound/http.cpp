#include "address.hpp"
#include "transfer.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::outbound {
namespace {

constexpr std::size_t kHeaders = 128;

struct Received {
    HttpAnswer answer;
    std::size_t limit = 0;
    bool full = false;
};

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* into) {
    auto& received = *static_cast<Received*>(into);
    auto& body = received.answer.body;
    const auto room = received.limit - body.size();
    body.append(bytes, std::min(room, count));
    if (count <= room) return count;
    received.full = true;  // ends the transfer: what is kept is enough
    return 0;
}

std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* into) {
    auto& headers = static_cast<Received*>(into)->answer.headers;
    std::string_view line(bytes, count);
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ' ||
                             line.back() == '\t'))
        line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {
        headers.clear();  // a 100 was before it
        return count;
    }
    auto colon = line.find(':');
    if (colon == line.npos || headers.size() >= kHeaders) return count;
    auto value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
        value.remove_prefix(1);
    headers.emplace_back(line.substr(0, colon), value);
    return count;
}

bool fits_a_header(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char letter) {
        auto byte = static_cast<unsigned char>(letter);
        return (byte < 0x20 && letter != '\t') || byte == 0x7f;
    });
}

struct FreeUrl {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// The host as libcurl will use it: numbers in odd spellings ("0xa9fea9fe") become addresses.
Result<std::string> host_in(const std::string& url) {
    std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
    const Error wrong{Errc::invalid, fmt::format("{} is no http or https URL with a host",
                                                 host_of(url).empty() ? "it" : host_of(url))};
    if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
        return wrong;
    char* part = nullptr;
    if (curl_url_get(parsed.get(), CURLUPART_HOST, &part, 0) != CURLUE_OK) return wrong;
    std::string host(part);
    curl_free(part);
    if (!url.starts_with("http://") && !url.starts_with("https://")) return wrong;
    return host;
}

}  // namespace

Result<HttpAnswer> exchange(const HttpRequest& request, const Limits& limits) {
    Course course;
    return exchange(request, limits, course);
}

Result<HttpAnswer> exchange(const HttpRequest& request, const Limits& limits, Course& course) {
    course = {};
    course.failed_at = Course::Hop::name;
    auto host = host_in(request.url);
    if (!host) return host.error();
    if (is_refused_literal(*host))
        return Error{Errc::forbidden, fmt::format("{} is a link-local or metadata address, which "
                                                  "Belay never connects to",
                                                  *host)};
    Transfer transfer(*host, limits, request.secrets);
    for (const auto& [name, value] : request.headers) {
        if (!fits_a_header(name) || !fits_a_header(value))
            return Error{Errc::invalid,
                         fmt::format("the header {} holds control characters", name)};
        transfer.add_header(fmt::format("{}: {}", name, value));
    }
    transfer.add_header("Expect:");  // else libcurl waits for a 100 before larger bodies
    Received received;
    received.limit = limits.answer;
    transfer.set(CURLOPT_URL, request.url.c_str());
    transfer.set(CURLOPT_PROTOCOLS_STR, "http,https");
    transfer.set(CURLOPT_USERAGENT, "belay/" BELAY_VERSION);
    transfer.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    transfer.set(CURLOPT_WRITEFUNCTION, &take_body);
    transfer.set(CURLOPT_WRITEDATA, static_cast<void*>(&received));
    transfer.set(CURLOPT_HEADERFUNCTION, &take_header);
    transfer.set(CURLOPT_HEADERDATA, static_cast<void*>(&received));
    if (request.method == "GET") {
        transfer.set(CURLOPT_HTTPGET, 1L);
    } else {
        transfer.set(CURLOPT_POST, 1L);
        transfer.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        transfer.set(CURLOPT_POSTFIELDS, request.body.data());
        transfer.set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    transfer.expect_tls(request.url.starts_with("https:"));
    const auto code = transfer.perform();
    course = transfer.course(code);
    if (code != CURLE_OK && !received.full) return transfer.error(code);
    received.answer.status = static_cast<int>(transfer.response_code());
    return std::move(received.answer);
}

}  // namespace belay::outbound
