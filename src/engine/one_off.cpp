// A command of the user's beside the live release (`belay run`).
#include "engine_core.hpp"
#include "environment.hpp"
#include "users.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace belay::engine {

Task<Result<int>> EngineCore::run(OneOff command, std::function<Task<bool>(std::string)> output) {
    auto found = known(command.app);
    if (!found) co_return found.error();
    auto& app = **found;
    if (app.record.live == 0)
        co_return Error{Errc::conflict, fmt::format("{} has no live release", app.name)};
    if (command.argv.empty()) co_return Error{Errc::invalid, "no command was given"};
    auto& releases = services_.world.releases;
    auto environment = co_await releases.environment(app.name, app.record.live, "run");
    if (!environment) co_return environment.error();
    auto logs = releases.log_directory(app.name, "run");
    if (!logs) co_return logs.error();
    auto manifest = co_await releases.manifest(app.name, app.record.live);
    if (!manifest) co_return manifest.error();
    ports::StageJob job;
    job.app = app.name;
    job.name = "run";
    job.run.argv = command.argv;
    job.cwd = releases.directory(app.name, app.record.live);
    job.env = std::move(*environment);
    add_instance(job.env, "run", 1, 0);
    job.mask = mask_of(app);
    if (*manifest)
        if (auto user = user_of(**manifest)) run_as(job, *user);
    job.timeout = Millis{24 * 3'600'000};
    job.silence = job.timeout;
    job.log_path = fmt::format("{}/{}.log", *logs, services_.now().time_since_epoch().count());
    const auto log_path = job.log_path;
    struct Shared {
        std::optional<Result<ports::StageOutcome>> outcome;
        async::Event done;
        async::Cancel cancel;
    };
    auto shared = std::make_shared<Shared>();
    services_.tasks.spawn("run", run_one_off(
                                     std::move(job),
                                     [shared](Result<ports::StageOutcome> outcome) {
                                         shared->outcome = std::move(outcome);
                                         shared->done.set();
                                     },
                                     shared->cancel));
    // The stage writes its masked output to the file; it is handed on as it grows.
    off_t offset = 0;
    bool whole = false;
    while (!whole) {
        whole = co_await services_.world.timers.wait(shared->done, Millis{50});
        while (true) {
            std::string chunk(65'536, '\0');
            int fd = ::open(log_path.c_str(), O_RDONLY | O_CLOEXEC);
            if (fd < 0) break;
            auto got = ::pread(fd, chunk.data(), chunk.size(), offset);
            ::close(fd);
            if (got <= 0) break;
            chunk.resize(static_cast<std::size_t>(got));
            offset += got;
            const bool taken = co_await output(std::move(chunk));
            if (!taken) {
                shared->cancel.request();
                break;
            }
        }
    }
    ::unlink(log_path.c_str());
    auto& outcome = *shared->outcome;
    if (!outcome) co_return outcome.error();
    if (outcome->signal) co_return 128 + *outcome->signal;
    co_return outcome->exit_code.value_or(1);
}

Task<void> EngineCore::run_one_off(ports::StageJob job,
                                   std::function<void(Result<ports::StageOutcome>)> done,
                                   async::Cancel cancel) {
    auto outcome = co_await services_.world.stages.run(std::move(job), cancel);
    done(std::move(outcome));
}

}  // namespace belay::engine
