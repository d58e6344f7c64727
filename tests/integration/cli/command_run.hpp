// One command line, run in this process against given streams and a socket in a directory of its
// own.
#pragma once

#include "cli/context.hpp"

#include <belay/cli/cli.hpp>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace belay::cli {

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "belay-cli-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string path(const std::string& name = {}) const {
        return name.empty() ? path_ : path_ + "/" + name;
    }

  private:
    std::string path_;
};

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

struct CommandRun {
    TemporaryFolder folder;
    Locals locals;
    std::string input;
    bool in_is_terminal = false;
    TimePoint now = *parse_time("2026-11-22T12:00:00Z");

    CommandRun() {
        locals.default_socket = [this](const std::string&) -> Result<std::string> {
            return socket();
        };
        locals.secrets_file = [this](const std::string&,
                                     const std::string& app) -> Result<std::string> {
            if (app != "shop") return Error{Errc::not_found, "there is no app " + app};
            return folder.path("secrets/shop.env");
        };
        locals.hook_plan = [this](const std::string&, const std::string& app) -> Result<HookPlan> {
            return HookPlan{"http://127.0.0.1:1/hooks/" + app, folder.path("shop.hook"), "5m"};
        };
    }

    std::string socket() const { return folder.path("belay.sock"); }

    Outcome operator()(std::vector<std::string> arguments) {
        std::ostringstream out, err;
        std::istringstream in(input);
        Console console{
            .out = out, .err = err, .in = in, .in_is_terminal = in_is_terminal, .now = [this] {
                return now;
            }};
        Outcome outcome;
        outcome.code = dispatch(std::move(arguments), console, locals);
        outcome.out = out.str();
        outcome.err = err.str();
        return outcome;
    }
};

}  // namespace belay::cli
