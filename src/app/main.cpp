// belay: one executable, many commands.
#include "local_commands.hpp"

#include <belay/cli/cli.hpp>

#include <csignal>
#include <exception>
#include <iostream>

int main(int argc, char** argv) {
    // OpenSSL and libssh2 write without MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return belay::cli::run(argc, argv, belay::app::local_commands());
    } catch (const std::exception& failure) {
        std::cerr << "belay: " << failure.what() << '\n';
        return belay::cli::kFailed;
    }
}
