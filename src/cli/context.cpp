#include "context.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <unistd.h>

namespace belay::cli {
namespace {

std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

}  // namespace

Context::Context(Arguments arguments, Console& console_in, const Locals& locals_in)
    : args(std::move(arguments)), console(console_in), locals(locals_in) {}

std::string Context::config() const {
    auto given = args.value("config");
    return given.empty() ? from_environment("BELAY_CONFIG") : given;
}

Canvas Context::canvas() const {
    return Canvas{console.width, console.color, console.now()};
}

Error Context::misused(Error error) {
    misused_ = true;
    return error;
}

Result<Client> Context::remote(const std::string& url) {
    auto endpoint = endpoint_of_url(url);
    if (!endpoint) return misused(endpoint.error());
    endpoint->ca = args.value("ca");
    if (endpoint->ca.empty()) endpoint->ca = from_environment("BELAY_CA");
    if (!endpoint->ca.empty() && ::access(endpoint->ca.c_str(), R_OK) != 0)
        return misused(errno_error(errno, "the authorities " + endpoint->ca));
    auto token = from_environment("BELAY_TOKEN");
    while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back())))
        token.pop_back();
    // Else it could end the header's line and say more. Not repeated here, as it is a secret.
    if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; }))
        return misused({Errc::invalid,
                        "BELAY_TOKEN holds no token: a space or control character "
                        "is in it"});
    return Client(std::move(*endpoint), Secret(std::move(token)));
}

Result<Client> Context::client() {
    auto socket = args.value("socket");
    auto url = args.value("url");
    if (!socket.empty() && !url.empty())
        return misused({Errc::invalid, "--socket and --url exclude each other"});
    if (socket.empty() && url.empty()) url = from_environment("BELAY_URL");
    if (!url.empty()) return remote(url);
    if (socket.empty()) socket = from_environment("BELAY_SOCKET");
    if (!socket.empty()) return Client(std::move(socket));
    auto configured = locals.default_socket(config());
    if (!configured) return configured.error();
    return Client(std::move(*configured));
}

Result<std::string> Context::get(const std::string& target) {
    auto client = this->client();
    if (!client) return client.error();
    return client->get(target);
}

Result<std::string> Context::post(const std::string& target, const std::string& json) {
    auto client = this->client();
    if (!client) return client.error();
    return client->post(target, json);
}

int Context::done(std::string_view text) {
    print(console.out, text);
    return kDone;
}

int Context::fail(const Error& error) {
    print(console.err, fmt::format("belay: {}\n", error.message));
    return misused_ ? kUsage : exit_code(error);
}

int Context::usage(std::string_view problem) {
    print(console.err, fmt::format("belay {}: {}\nSee `belay help {}`.\n", args.command->name,
                                   problem, args.command->name));
    return kUsage;
}

int Context::print_json(std::string body) {
    if (body.empty()) return kDone;
    if (!body.ends_with('\n')) body += '\n';
    return done(body);
}

}  // namespace belay::cli
