#include "context.hpp"

#include <fmt/format.h>

#include <cstdlib>

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

Result<Client> Context::client() {
    auto socket = args.value("socket");
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
    return exit_code(error);
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
