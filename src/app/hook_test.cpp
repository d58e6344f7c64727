#include "hook_test.hpp"

#include <belay/config/paths.hpp>
#include <belay/config/source.hpp>
#include <belay/forge/ping.hpp>
#include <belay/outbound/outbound.hpp>

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <filesystem>
#include <utility>

namespace belay::app {
namespace {

using Hop = cli::PingTry::Hop;

// Forges give up after 5 to 10 seconds; whoever takes longer is as good as silent.
outbound::Limits limits() {
    outbound::Limits limits;
    limits.connect = Millis{5'000};
    limits.total = Millis{12'000};
    return limits;
}

Result<std::string> random_id() {
    std::array<unsigned char, 12> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
        return Error{Errc::internal, "the system gives no random bytes"};
    std::string id = "ping-";
    for (auto byte : random)
        id += fmt::format("{:02x}", byte);
    return id;
}

Hop hop_of(outbound::Course::Hop hop) {
    switch (hop) {
        case outbound::Course::Hop::name:
            return Hop::name;
        case outbound::Course::Hop::connect:
            return Hop::connect;
        case outbound::Course::Hop::tls:
            return Hop::tls;
        case outbound::Course::Hop::answer:
            return Hop::answer;
        default:
            return Hop::done;
    }
}

cli::PingTry attempt(const std::string& url, const forge::Ping& ping, const Secret& secret) {
    HttpRequest request;
    request.url = url;
    request.headers = ping.headers;
    request.body = ping.body;
    request.secrets = {secret};
    outbound::Course course;
    auto answer = outbound::exchange(request, limits(), course);
    cli::PingTry result;
    result.url = url;
    result.failed_at = hop_of(course.failed_at);
    result.certificate = course.certificate;
    result.peer = course.peer;
    result.milliseconds = static_cast<int>(course.took.count());
    if (!answer) {
        if (result.failed_at == Hop::done) result.failed_at = Hop::answer;
        result.error = answer.error().message;
        result.timed_out = answer.error().code == Errc::timeout;
        return result;
    }
    result.status = answer->status;
    result.server = answer->header("Server");
    result.location = answer->header("Location");
    result.body = std::move(answer->body);
    return result;
}

bool is_fine(const cli::PingTry& ping) {
    return ping.failed_at == Hop::done && ping.status / 100 == 2;
}

std::string without_slashes(std::string text) {
    while (text.ends_with('/'))
        text.pop_back();
    return text;
}

std::string own_address(std::string listen) {
    if (listen.starts_with(':')) listen = "127.0.0.1" + listen;
    for (auto [any, loopback] : {std::pair{"0.0.0.0:", "127.0.0.1:"}, std::pair{"[::]:", "[::1]:"}})
        if (listen.starts_with(any)) listen = loopback + listen.substr(std::string(any).size());
    return listen;
}

Result<Secret> secret_of(const std::string& config_path, const domain::AppConfig& app) {
    if (app.webhook.secrets.empty())
        return Error{Errc::not_found,
                     fmt::format("{} has no webhook secret: there is no {}", app.name,
                                 config::Beside(config_path).hook_secret(app.name))};
    return config::make_source(config_path)->resolve(app.webhook.secrets.front());
}

}  // namespace

Result<cli::HookTest> test_hook(const std::string& config, const std::string& name) {
    const auto path =
        config.empty() ? config::default_config_path() : std::filesystem::absolute(config).string();
    const config::Beside beside(path);
    const auto file = beside.app_file(name);
    if (!std::filesystem::exists(file))
        return Error{Errc::not_found,
                     fmt::format("no app is called \"{}\": there is no {}", name, file)};
    auto app = config::load_app_file(path, file);
    if (!app.config) {
        for (const auto& complaint : app.complaints)
            if (!complaint.warning) return Error{Errc::invalid, complaint.to_string()};
        return Error{Errc::invalid, file + " is not valid: `belay check` says why"};
    }
    auto secret = secret_of(path, *app.config);
    if (!secret) return secret.error();
    auto loaded = config::make_source(path)->load();
    const auto server =
        loaded.server.value_or(config::default_server(config::current_surroundings(), path));

    cli::HookTest test;
    test.app = name;
    // Where the forge is not named the daemon takes any, and Standard Webhooks' scheme will do.
    test.forge = app.config->webhook.forge;
    test.config_file = path;
    test.public_url = without_slashes(server.public_url);
    test.expose = server.expose;
    test.listen = own_address(server.listen);
    test.proxy_listen = server.proxy_listen;
    test.proxy_listen.insert(test.proxy_listen.end(), server.proxy_tls_listen.begin(),
                             server.proxy_tls_listen.end());
    auto ping = [&](const std::string& base, std::string& id) -> Result<cli::PingTry> {
        auto made = random_id();
        if (!made) return made.error();
        id = *made;
        auto signed_ping = forge::make_ping(
            test.forge, *secret, id, std::chrono::floor<Millis>(std::chrono::system_clock::now()));
        test.is_signed = signed_ping.is_signed;
        return attempt(base + "/hooks/" + name, signed_ping, *secret);
    };
    if (!test.public_url.empty()) {
        auto outside = ping(test.public_url, test.id);
        if (!outside) return outside.error();
        test.outside = std::move(*outside);
    }
    if (test.public_url.empty() || !is_fine(test.outside)) {
        const bool tls = !server.tls_cert.empty();
        auto inside = ping((tls ? "https://" : "http://") + test.listen, test.inside_id);
        if (!inside) return inside.error();
        test.inside = std::move(*inside);
    }
    return test;
}

}  // namespace belay::app
