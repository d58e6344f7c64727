#include "curl.hpp"

#include <fmt/format.h>

#include <dlfcn.h>

namespace belay::outbound {
namespace {

// Debian's two builds of the same interface.
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

template <class Function>
bool find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    return function != nullptr;
}

bool find_all(void* library, Curl& curl) {
    return find(library, "curl_global_init", curl.global_init) &&
           find(library, "curl_easy_init", curl.easy_init) &&
           find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
           find(library, "curl_easy_setopt", curl.easy_setopt) &&
           find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
           find(library, "curl_easy_perform", curl.easy_perform) &&
           find(library, "curl_easy_strerror", curl.easy_strerror) &&
           find(library, "curl_slist_append", curl.slist_append) &&
           find(library, "curl_slist_free_all", curl.slist_free_all) &&
           find(library, "curl_url", curl.url) &&
           find(library, "curl_url_cleanup", curl.url_cleanup) &&
           find(library, "curl_url_set", curl.url_set) &&
           find(library, "curl_url_get", curl.url_get) && find(library, "curl_free", curl.free);
}

struct Loaded {
    Loaded() {
        void* library = nullptr;
        for (const auto* name : kNames)
            if (!library) library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
        const char* said = library ? nullptr : ::dlerror();
        if (library && find_all(library, curl) && curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
            return;
        problem = fmt::format("libcurl can't be loaded ({}): apt-get install libcurl4",
                              said ? said : "it is not as it should be");
    }

    Curl curl;
    std::string problem;
};

const Loaded& loaded() {
    static const Loaded once;
    return once;
}

}  // namespace

Result<void> load_curl() {
    if (loaded().problem.empty()) return {};
    return Error{Errc::unavailable, loaded().problem};
}

const Curl& curl() {
    return loaded().curl;
}

}  // namespace belay::outbound
