// libcurl, loaded when something goes out for the first time: with all that it brings along it
// would make an idle daemon a fifth larger.
#pragma once

#include <belay/base/error.hpp>

#include <curl/curl.h>

namespace belay::outbound {

struct Curl {
    decltype(&curl_global_init) global_init = nullptr;
    decltype(&curl_easy_init) easy_init = nullptr;
    decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
    decltype(&curl_easy_setopt) easy_setopt = nullptr;
    decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
    decltype(&curl_easy_perform) easy_perform = nullptr;
    decltype(&curl_easy_strerror) easy_strerror = nullptr;
    decltype(&curl_slist_append) slist_append = nullptr;
    decltype(&curl_slist_free_all) slist_free_all = nullptr;
    decltype(&curl_url) url = nullptr;
    decltype(&curl_url_cleanup) url_cleanup = nullptr;
    decltype(&curl_url_set) url_set = nullptr;
    decltype(&curl_url_get) url_get = nullptr;
    decltype(&curl_free) free = nullptr;
};

// Loads and starts it, once per process. Errc::unavailable says what to install. Any thread.
Result<void> load_curl();
// After load_curl() has succeeded.
const Curl& curl();

}  // namespace belay::outbound
