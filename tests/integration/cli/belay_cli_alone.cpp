// `belay` without a daemon in it. Only the commands of the `cli` module work.
#include <belay/cli/cli.hpp>

#include <csignal>

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    belay::Error none{belay::Errc::not_found, "there is no configuration here"};
    belay::cli::Locals locals;
    locals.default_socket = [&](const std::string&) -> belay::Result<std::string> { return none; };
    locals.secrets_file = [&](const std::string&,
                              const std::string&) -> belay::Result<std::string> { return none; };
    locals.hook_plan = [&](const std::string&,
                           const std::string&) -> belay::Result<belay::cli::HookPlan> {
        return none;
    };
    return belay::cli::run(argc, argv, locals);
}
