#include "page.hpp"

namespace belay::proxy {
namespace {

std::string escaped(std::string_view text) {
    std::string result;
    for (char c : text) {
        if (c == '<')
            result += "&lt;";
        else if (c == '>')
            result += "&gt;";
        else if (c == '&')
            result += "&amp;";
        else if (c == '"')
            result += "&quot;";
        else
            result += c;
    }
    return result;
}

std::string body_of(const Page& page) {
    auto title = std::to_string(page.status) + " " + std::string(status_text(page.status));
    if (!page.html) return title + "\n" + page.text + "\n";
    return "<!doctype html><meta charset=\"utf-8\"><title>" + title +
           "</title><body style=\"font:16px system-ui,sans-serif;max-width:40em;margin:15vh "
           "auto;padding:0 1em\"><h1>" +
           title + "</h1><p>" + escaped(page.text) + "</p>\n";
}

}  // namespace

std::string_view status_text(int status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 404:
            return "Not Found";
        case 408:
            return "Request Timeout";
        case 417:
            return "Expectation Failed";
        case 431:
            return "Request Header Fields Too Large";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Error";
    }
}

std::string format_page(const Page& page) {
    auto body = body_of(page);
    std::string out = "HTTP/1.1 " + std::to_string(page.status) + " " +
                      std::string(status_text(page.status)) + "\r\n";
    out += page.html ? "Content-Type: text/html; charset=utf-8\r\n"
                     : "Content-Type: text/plain; charset=utf-8\r\n";
    out += "Content-Length: " + std::to_string(body.size()) + "\r\nCache-Control: no-store\r\n";
    if (page.retry_after > 0) out += "Retry-After: " + std::to_string(page.retry_after) + "\r\n";
    if (!page.keep_alive) out += "Connection: close\r\n";
    if (!page.release.empty()) out.append("X-Belay-Release: ").append(page.release).append("\r\n");
    out += "\r\n";
    if (!page.head_only) out += body;
    return out;
}

}  // namespace belay::proxy
