// The checks of all forges: nothing passes with a secret that the sender can't know, and a body in
// pieces is judged like the whole.
#include "request_text.hpp"

#include <belay/forge/forge.hpp>

#include <array>
#include <cstdlib>
#include <random>

namespace {

std::string unknowable() {
    std::random_device source;
    std::string text;
    for (int i = 0; i < 32; ++i)
        text += static_cast<char>('!' + source() % 90);
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::array<const char*, 12> kNames{
        "auto",  "github",          "gitlab",           "gitea",        "forgejo",   "gogs",
        "gitee", "bitbucket-cloud", "bitbucket-server", "azure-devops", "sourcehut", "generic"};
    static const std::vector<belay::Secret> secrets{belay::Secret(unknowable()), belay::Secret("")};
    auto request = belay::test::read_request(data, size);
    for (const auto* name : kNames) {
        const auto* forge = belay::forge::table().find(name, request);
        if (!forge) continue;
        if (forge->verify(request, secrets)) std::abort();
        auto check = forge->check(request, secrets);
        for (std::size_t at = 0; at < request.body.size(); at += 3)
            check->feed(request.body.substr(at, 3));
        if (check->finish(request.body)) std::abort();
    }
    return 0;
}
