#include <belay/ports/forge.hpp>

#include <algorithm>

namespace belay::ports {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string_view HookRequest::header(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (std::equal(key.begin(), key.end(), name.begin(), name.end(),
                       [](char a, char b) { return lower(a) == lower(b); }))
            return value;
    return {};
}

Result<void> Forge::verify(const HookRequest& request, const std::vector<Secret>& secrets) const {
    auto body = check(request, secrets);
    body->feed(request.body);
    return body->finish(request.body);
}

}  // namespace belay::ports
