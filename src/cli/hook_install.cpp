#include "context.hpp"
#include "handlers.hpp"
#include "hook_script.hpp"
#include "json_access.hpp"
#include "repository.hpp"
#include "whole_file.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

namespace belay::cli {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kHookMode = 0755;

std::string absolute(const std::string& path) {
    return path.empty() ? path : fs::absolute(path).lexically_normal().string();
}

// What the configuration says, where the options don't.
Result<HookPlan> plan_of(Context& context) {
    auto url = context.args.value("url");
    auto secret = absolute(context.args.value("secret-file"));
    if (!url.empty() && !secret.empty()) return HookPlan{url, secret, {}};
    auto plan = context.locals.hook_plan(context.config(), context.args.positional("APP"));
    if (!plan) return plan.error();
    if (!url.empty()) plan->url = url;
    if (!secret.empty()) plan->secret_file = secret;
    return plan;
}

// The hook runs as whoever pushes, which is mostly the repository's owner.
Result<void> check_secret(const LocalRepository& repository, const HookPlan& plan,
                          const std::string& app) {
    if (may_read(repository.owner, plan.secret_file)) return {};
    auto name = user_name(repository.owner);
    const auto& file = plan.secret_file;
    if (::access(file.c_str(), F_OK) != 0) return errno_error(errno, "the hook's secret " + file);
    return Error{
        Errc::forbidden,
        fmt::format(
            "{} can't be read by {}, who owns {} and so runs its hooks.\nGive that user a copy of "
            "its own: "
            "`install -o {} -m 0400 {} {}/belay-{}.secret`, then the same command again with "
            "--secret-file {}/belay-{}.secret (a place that no web server shows).",
            file, name, repository.path, name, file, repository.git_dir, app, repository.git_dir,
            app)};
}

std::string options_of(const Context& context, const HookPlan& plan) {
    auto options = fmt::format("--url {} --secret-file {}", shell_quoted(plan.url),
                               shell_quoted(plan.secret_file));
    if (!plan.poll.empty()) options += " --poll " + shell_quoted(plan.poll);
    if (auto spool = absolute(context.args.value("spool")); !spool.empty())
        options += " --spool " + shell_quoted(spool);
    return options;
}

// A hook that is none of ours is kept and run first.
Result<bool> keep_existing(const std::string& hook) {
    auto kept = hook + ".before-belay";
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(kept, ignored)))
        return Error{
            Errc::conflict,
            fmt::format("{} and {} are both hooks of yours: join them in the latter, and move the "
                        "former away",
                        hook, kept)};
    if (::rename(hook.c_str(), kept.c_str()) != 0)
        return errno_error(errno, "moving " + hook + " to " + kept);
    return true;
}

struct Installed {
    std::string hook;
    bool kept = false;
};

Result<Installed> install(const LocalRepository& repository, HookScript script,
                          const std::string& app, const std::string& options) {
    Installed done{repository.hooks + "/" + std::string(hook_name(repository.bare))};
    std::error_code failure;
    if (fs::create_directories(repository.hooks, failure) && ::geteuid() == 0)
        if (::chown(repository.hooks.c_str(), repository.owner, repository.group) != 0)
            return errno_error(errno, repository.hooks);
    if (failure) return errno_error(failure.value(), "making " + repository.hooks);
    auto existing = read_file(done.hook);
    if (!existing && existing.error().code != Errc::not_found) return existing.error();
    if (existing && is_belay_hook(*existing)) {
        script.deliveries = deliveries_of(*existing);
    } else if (existing) {
        auto kept = keep_existing(done.hook);
        if (!kept) return kept.error();
        done.kept = true;
    }
    std::erase_if(script.deliveries, [&](const auto& each) { return each.first == app; });
    script.deliveries.emplace_back(app, options);
    auto written =
        replace_file(done.hook, render_hook(script), kHookMode, repository.owner, repository.group);
    if (!written) return written.error();
    return done;
}

}  // namespace

int hook_install(Context& context) {
    auto app = context.args.positional("APP");
    if (auto name = check_app_name(app); !name) return context.usage(name.error().message);
    auto repository = find_repository(context.args.positional("REPO"));
    if (!repository) return context.fail(repository.error());
    auto plan = plan_of(context);
    if (!plan) return context.fail(plan.error());
    if (!plan->url.starts_with("http://"))
        return context.fail(
            {Errc::invalid,
             fmt::format("the hook can deliver to http:// only, not to {}", plan->url)});
    if (auto readable = check_secret(*repository, *plan, app); !readable)
        return context.fail(readable.error());
    std::error_code failure;
    auto self = fs::read_symlink("/proc/self/exe", failure);
    HookScript script{failure ? "belay" : self.string(), repository->path, repository->bare, {}};
    auto installed = install(*repository, std::move(script), app, options_of(context, *plan));
    if (!installed) return context.fail(installed.error());
    if (context.json())
        return context.print_json(Json{
            {"hook", installed->hook},
            {"url", plan->url},
            {"repository", repository->path},
            {"kept_existing",
             installed->kept}}.dump());
    return context.done(fmt::format(
        "{} delivers {} of {} to {}\n{}", installed->hook, repository->bare ? "pushes" : "commits",
        repository->path, plan->url,
        installed->kept
            ? fmt::format("The hook that was there is {}.before-belay and runs first.\n",
                          installed->hook)
            : ""));
}

}  // namespace belay::cli
