#include "context.hpp"
#include "handlers.hpp"
#include "json_access.hpp"
#include "render.hpp"

#include <fmt/format.h>

namespace belay::cli {

// The token alone on standard output, so that a script can take it from there.
int token_create(Context& context) {
    const auto& args = context.args;
    auto role = args.value("role");
    if (role.empty()) role = "read";
    if (role != "read" && role != "deploy" && role != "admin")
        return context.usage("--role is read, deploy or admin");
    Json body{{"name", args.positional("NAME")}, {"role", role}};
    if (auto expires = args.value("expires"); !expires.empty()) {
        auto lifetime = parse_duration(expires);
        if (!lifetime) return context.usage("--expires: " + lifetime.error().message);
        body["expires_in"] = expires;
    }
    auto answer = context.post("/api/v1/tokens", body.dump());
    if (!answer) return context.fail(answer.error());
    if (context.json()) return context.print_json(*answer);
    auto made = parse_json(*answer);
    auto expires = time_of(made, "expires_at");
    print(context.console.err,
          fmt::format("The token {} ({}{}) is shown this once; BELAY_TOKEN holds it for `belay "
                      "--url`.\n",
                      shown_of(made, "name"), shown_of(made, "role"),
                      expires ? ", until " + format_time(*expires) : ""));
    return context.done(shown_of(made, "token") + "\n");
}

int token_list(Context& context) {
    return context.show("/api/v1/tokens", [&](const std::string& body) {
        return render_tokens(parse_json(body), context.canvas());
    });
}

int token_revoke(Context& context) {
    auto name = context.args.positional("NAME");
    auto answer = context.post("/api/v1/tokens/" + url_encoded(name) + "/revoke");
    if (!answer) return context.fail(answer.error());
    return context.json() ? context.print_json(*answer)
                          : context.done(fmt::format("The token {} is no more\n", name));
}

}  // namespace belay::cli
