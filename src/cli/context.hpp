// What every command's function gets.
#pragma once

#include "client.hpp"
#include "command.hpp"
#include "console.hpp"
#include "table.hpp"

#include <belay/cli/cli.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace belay::cli {

class Context {
  public:
    Context(Arguments arguments, Console& console, const Locals& locals);

    const Arguments args;
    Console& console;
    const Locals& locals;

    std::string config() const;  // --config, else BELAY_CONFIG, else empty
    bool json() const { return args.flag("json"); }
    Canvas canvas() const;

    // Of the daemon at --socket or --url, else BELAY_URL (with BELAY_TOKEN), else BELAY_SOCKET,
    // else the socket that the configuration says.
    Result<Client> client();

    // The body of GET or POST, after the client was found.
    Result<std::string> get(const std::string& target);
    Result<std::string> post(const std::string& target, const std::string& json = "{}");

    // Each prints and gives the exit code.
    int done(std::string_view text);
    int fail(const Error& error);
    int usage(std::string_view problem);
    // GET `target` and print it: as it is with --json, else as `render` shows it.
    template <class Render>
    int show(const std::string& target, Render render);
    // The answer with a line feed, where it has none.
    int print_json(std::string body);

  private:
    Result<Client> remote(const std::string& url);
    // Where the daemon is was said in a way that can't be understood.
    Error misused(Error error);

    bool misused_ = false;
};

template <class Render>
int Context::show(const std::string& target, Render render) {
    auto body = get(target);
    if (!body) return fail(body.error());
    if (json()) return print_json(*body);
    return done(render(*body));
}

// Runs what the arguments say, on given streams: what `run` does, and the tests.
int dispatch(std::vector<std::string> arguments, Console& console, const Locals& locals);

}  // namespace belay::cli
