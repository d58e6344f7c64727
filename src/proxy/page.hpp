// What the proxy says itself: a short text, as HTML to browsers.
#pragma once

#include <string>
#include <string_view>

namespace belay::proxy {

struct Page {
    int status = 500;
    std::string text{};  // one or two sentences; may hold what the client sent
    bool html = false;
    bool keep_alive = true;
    bool head_only = false;      // to a HEAD request
    int retry_after = 0;         // seconds; 0: not said
    std::string_view release{};  // as in Answering
};

std::string format_page(const Page& page);
std::string_view status_text(int status);

}  // namespace belay::proxy
