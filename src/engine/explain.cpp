#include "explain.hpp"

#include "rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace belay::engine {

using domain::Decision;
using domain::Delivery;
using domain::Deployment;
using domain::Reason;
using domain::Rule;
using domain::State;
using domain::Trigger;

namespace {

constexpr std::size_t kLogLines = 10;

// "1.2s", "48s", "2m5s": nobody wants to know the milliseconds of a minute.
std::string span(Millis duration) {
    if (duration >= Millis{10'000})
        duration =
            std::chrono::duration_cast<Millis>(std::chrono::duration_cast<Seconds>(duration));
    if (duration < Millis{1'000} || duration >= Millis{10'000}) return format_duration(duration);
    return fmt::format("{:.1f}s", static_cast<double>(duration.count()) / 1000);
}

std::string rough(Millis duration) {
    const auto minutes = duration / Millis{60'000};
    if (minutes < 1) return "less than a minute";
    if (minutes < 120) return fmt::format("{} minutes", minutes);
    if (minutes < 48 * 60) return fmt::format("{} hours", minutes / 60);
    return fmt::format("{} days", minutes / (24 * 60));
}

std::string change_in_words(const domain::Change& change) {
    const auto name = fmt::format("{} {}", to_string(change.ref_type), change.name);
    if (change.deleted) return name + " deleted";
    auto from = change.before ? short_id(*change.before) : "new";
    auto to = short_id(change.commit.value_or(change.after.value_or("")));
    return fmt::format("{} {} → {}{}", name, from, to,
                       change.forced.value_or(false) ? " (forced)" : "");
}

std::vector<std::string> last_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    if (lines.size() > kLogLines)
        lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kLogLines));
    return lines;
}

WhyStep stage_step(const domain::Stage& stage, TimePoint now) {
    WhyStep step;
    step.at = stage.started_at;
    step.kind = "stage";
    step.subject = stage.name;
    step.state = to_string(stage.state);
    const bool over = stage.finished_at != TimePoint{};
    const auto took = span((over ? stage.finished_at : now) - stage.started_at);
    switch (stage.state) {
        case domain::StageState::running:
            step.text = "runs since " + took;
            break;
        case domain::StageState::passed:
            step.text = "passed in " + took;
            break;
        case domain::StageState::failed:
            step.text = "failed after " + took;
            break;
        case domain::StageState::canceled:
            step.text = "stopped after " + took;
            break;
    }
    if (stage.state == domain::StageState::failed && stage.exit_code)
        step.text += fmt::format(", exit code {}", *stage.exit_code);
    if (stage.signal) step.text += fmt::format(", signal {}", *stage.signal);
    if (stage.attempt > 1) step.text += fmt::format(" (attempt {})", stage.attempt);
    if (stage.state == domain::StageState::failed) step.lines = last_lines(stage.tail);
    return step;
}

std::string origin(const Deployment& deployment) {
    const auto note = deployment.note.empty() ? "" : " (" + deployment.note + ")";
    switch (deployment.trigger) {
        case Trigger::push:
            return deployment.delivery ? "queued for " + to_string(deployment.delivery)
                                       : "queued for a push";
        case Trigger::poll:
            return deployment.note.empty() ? "queued, as polling found what no delivery told of"
                                           : "queued for " + deployment.note;
        case Trigger::manual:
            return "queued by hand" + note;
        case Trigger::rollback:
            return fmt::format("a rollback to release {}{}", deployment.release, note);
        case Trigger::redeliver:
            return deployment.delivery
                       ? fmt::format("queued for the replay {}", to_string(deployment.delivery))
                       : "queued for a replay" + note;
        case Trigger::config:
            return "queued, as the app is new here";
    }
    return {};
}

// What an unfinished deployment waits for.
std::string waiting_for(const Deployment& deployment, const Standing& standing) {
    if (deployment.state == State::awaiting_approval)
        return fmt::format("waits for approval; {} left, then it is canceled",
                           rough(std::max(Millis{0}, deployment.expires_at - standing.now)));
    if (deployment.state != State::queued) return fmt::format("is {}", to_string(deployment.state));
    if (standing.hold && !deployment.force && deployment.plan != domain::Plan::restart)
        return fmt::format("waits: {} is on hold by {}{}", standing.app, standing.hold->by,
                           standing.hold->why.empty() ? "" : " (" + standing.hold->why + ")");
    if (!standing.busy.empty()) return "waits for " + standing.busy;
    return "waits for one of [limits] concurrent_deployments";
}

std::string end_in_words(const Deployment& deployment) {
    const auto& failure = deployment.failure;
    switch (deployment.state) {
        case State::healthy:
            return "healthy";
        case State::rolled_back:
            return fmt::format("rolled back: {}", in_words(failure.reason));
        case State::failed:
            return fmt::format("failed: {}", in_words(failure.reason));
        case State::superseded:
            return "superseded";
        case State::canceled:
            if (deployment.rule != Rule::none) return "not deployed";
            return failure.reason == Reason::rejected ? "rejected" : "canceled";
        default:
            return std::string(to_string(deployment.state));
    }
}

std::string probe_in_words(const domain::Probe& probe) {
    auto text = fmt::format("{}: {}", probe.target, probe.error);
    auto body = probe.body.substr(0, probe.body.find('\n'));
    if (!body.empty()) text += fmt::format(" \"{}\"", body.substr(0, 80));
    return text;
}

bool is_log_stage(const std::string& stage) {
    return stage == "building" || stage == "testing" || stage == "releasing" || stage == "fetching";
}

std::string log_name(const std::string& stage) {
    if (stage == "building") return "build";
    if (stage == "testing") return "test";
    if (stage == "releasing") return "release";
    return "fetch";
}

std::string deploy_again(const Deployment& deployment) {
    if (deployment.commit.empty()) return fmt::format("belay deploy {}", deployment.app);
    return fmt::format("belay deploy {} --commit {}", deployment.app, deployment.commit);
}

std::string clock(TimePoint time) {
    return format_time(time).substr(0, 16).replace(10, 1, " ");
}

}  // namespace

std::string_view in_words(Reason reason) {
    switch (reason) {
        case Reason::none:
            return "no reason is recorded";
        case Reason::fetch_failed:
            return "the repository could not be fetched";
        case Reason::fetch_timeout:
            return "fetching took longer than [git] timeout";
        case Reason::auth_failed:
            return "the git server refused the deploy key or token";
        case Reason::host_key_mismatch:
            return "the git server's host key is not the known one";
        case Reason::sha_unavailable:
            return "the repository does not have the commit, branch or tag";
        case Reason::tree_refused:
            return "the commit holds files that can't be laid out safely";
        case Reason::build_failed:
            return "the build failed";
        case Reason::build_timeout:
            return "the build took longer than its timeout";
        case Reason::build_silent:
            return "the build printed nothing for too long";
        case Reason::build_oom:
            return "the build ran out of memory";
        case Reason::test_failed:
            return "the tests failed";
        case Reason::test_timeout:
            return "the tests took longer than their timeout";
        case Reason::test_silent:
            return "the tests printed nothing for too long";
        case Reason::test_oom:
            return "the tests ran out of memory";
        case Reason::release_failed:
            return "the release command failed";
        case Reason::release_timeout:
            return "the release command took longer than its timeout";
        case Reason::release_silent:
            return "the release command printed nothing for too long";
        case Reason::release_oom:
            return "the release command ran out of memory";
        case Reason::artifact_changed:
            return "the tests changed files that the build had made";
        case Reason::seal_failed:
            return "the release could not be sealed";
        case Reason::start_failed:
            return "a process could not be started";
        case Reason::exited:
            return "a process ended by itself";
        case Reason::port_in_use:
            return "the port was taken by something else";
        case Reason::not_owner:
            return "something else answered on the port";
        case Reason::unhealthy:
            return "the health check failed";
        case Reason::flapping:
            return "the health check passed and failed in turns";
        case Reason::deadline:
            return "it was not healthy in time";
        case Reason::oom:
            return "a process ran out of memory";
        case Reason::error_ratio:
            return "users got too many errors";
        case Reason::switch_failed:
            return "the traffic could not be switched";
        case Reason::rollback_failed:
            return "the way back failed as well";
        case Reason::config_invalid:
            return "the configuration is not valid";
        case Reason::disk_full:
            return "the disk is full";
        case Reason::interrupted:
            return "the daemon was stopped while it ran";
        case Reason::internal:
            return "a fault of belay itself";
        case Reason::canceled:
            return "it was canceled";
        case Reason::rejected:
            return "it was rejected";
        case Reason::superseded:
            return "something newer took its place";
    }
    return "";
}

std::vector<WhyStep> explain(const Delivery& delivery) {
    const bool understood = delivery.decision != Decision::rejected;
    WhyStep arrived;
    arrived.at = delivery.received_at;
    arrived.kind = "delivery";
    arrived.subject = to_string(delivery.id);
    const auto sender = delivery.forge.empty() ? "an unknown sender" : delivery.forge;
    if (!understood) {
        arrived.text = fmt::format("{} sent a request to {}'s hook", sender, delivery.app);
    } else {
        arrived.text =
            fmt::format("{} delivered {}{}", sender,
                        delivery.event.empty() ? "an event" : "\"" + delivery.event + "\"",
                        delivery.repository.empty() ? "" : " of " + delivery.repository);
        if (delivery.changes.size() == 1)
            arrived.text += ": " + change_in_words(delivery.changes[0]);
        else
            for (const auto& change : delivery.changes)
                arrived.lines.push_back(change_in_words(change));
    }
    if (delivery.replay_of && delivery.rule != Rule::same_delivery)
        arrived.text =
            fmt::format("{} was replayed by hand: {}", to_string(delivery.replay_of), arrived.text);
    if (!delivery.delivery_id.empty())
        arrived.lines.push_back(fmt::format("the forge's id: {}", delivery.delivery_id));

    WhyStep decided;
    decided.at = delivery.received_at;
    decided.kind = "decision";
    decided.state = to_string(delivery.decision);
    decided.rule = delivery.rule;
    std::string verdict;
    switch (delivery.decision) {
        case Decision::queued:
            verdict = delivery.deployment ? "queued as " + to_string(delivery.deployment)
                                          : std::string("queued");
            break;
        case Decision::ignored:
            verdict = delivery.deployment
                          ? fmt::format("queued as {}, and ignored once it was fetched",
                                        to_string(delivery.deployment))
                          : std::string("ignored");
            break;
        case Decision::duplicate:
            verdict = "a duplicate";
            break;
        case Decision::rejected:
            verdict = "refused";
            break;
    }
    // Replays are nobody's request.
    const bool asked = !(delivery.replay_of && delivery.rule != Rule::same_delivery);
    decided.text =
        fmt::format("{}{}{}", verdict, delivery.reason.empty() ? "" : ": " + delivery.reason,
                    asked ? fmt::format(" (answered {})", delivery.status_code) : "");
    return {arrived, decided};
}

std::vector<WhyStep> explain(const Story& story, const Standing& standing) {
    const auto& deployment = story.deployment;
    std::vector<WhyStep> steps;
    WhyStep queued;
    queued.at = deployment.created_at;
    queued.kind = "deployment";
    queued.subject = to_string(deployment.id);
    queued.state = to_string(State::queued);
    queued.text = origin(deployment);
    steps.push_back(std::move(queued));
    for (const auto& stage : story.stages)
        steps.push_back(stage_step(stage, standing.now));
    if (!domain::is_end(deployment.state)) {
        WhyStep waits;
        waits.kind = "waits";
        waits.state = to_string(deployment.state);
        waits.text = waiting_for(deployment, standing);
        steps.push_back(std::move(waits));
        return steps;
    }
    WhyStep end;
    end.at = deployment.finished_at;
    end.kind = "end";
    end.state = to_string(deployment.state);
    end.rule = deployment.rule;
    end.text = end_in_words(deployment);
    const auto& failure = deployment.failure;
    if (!failure.detail.empty()) end.text += ". " + failure.detail;
    if (failure.exit_code && failure.detail.find("exit code") == std::string::npos)
        end.text += fmt::format(", exit code {}", *failure.exit_code);
    if (failure.signal && failure.detail.find("signal") == std::string::npos)
        end.text += fmt::format(", signal {}", *failure.signal);
    // What the health check saw last, where that is what it failed by.
    const bool by_probes = failure.reason == Reason::unhealthy ||
                           failure.reason == Reason::flapping || failure.reason == Reason::deadline;
    if (by_probes)
        for (auto probe = story.probes.rbegin(); probe != story.probes.rend(); ++probe)
            if (!probe->passed()) {
                end.lines.push_back(probe_in_words(*probe));
                break;
            }
    steps.push_back(std::move(end));
    return steps;
}

WhyStep what_is_live(const Deployment& deployment, const Standing& standing) {
    WhyStep step;
    step.kind = "live";
    step.state = standing.live == 0 ? "none" : "live";
    step.at = standing.live == 0 ? TimePoint{} : standing.live_since;
    if (standing.live == 0) {
        step.text = fmt::format("nothing of {} is live", standing.app);
        return step;
    }
    const auto named =
        fmt::format("release {} ({})", standing.live, short_id(standing.live_commit));
    const bool own = standing.live == deployment.release;
    const bool before = standing.live_since <= deployment.created_at;
    if (own)
        step.text = named + " has the traffic";
    else if (deployment.state == State::rolled_back && standing.live == deployment.previous)
        step.text = named + " has the traffic again";
    else if (before)
        step.text = named + " stayed live all the time";
    else
        step.text = named + " is live now";
    return step;
}

WhyStep what_is_known(const Standing& standing) {
    WhyStep step;
    step.kind = "polling";
    step.subject = standing.app;
    if (standing.follows.empty()) {
        step.text = "has no valid configuration, so it follows nothing";
        return step;
    }
    step.text = "follows " + standing.follows;
    if (const auto& last = standing.last_delivery) {
        step.text += fmt::format("; its last delivery was {}, {}: {}", to_string(last->id),
                                 clock(last->received_at), to_string(last->decision));
        if (last->changes.size() == 1) step.text += ", " + change_in_words(last->changes[0]);
    } else {
        step.text += "; no delivery ever came for it";
    }
    const auto& poll = standing.poll;
    if (!poll)
        step.text += "; polling is off";
    else if (poll->last_at == TimePoint{})
        step.text += "; it was not polled yet since the daemon started";
    else if (!poll->error.empty())
        step.text += fmt::format("; polling failed {}: {}", clock(poll->last_at), poll->error);
    else
        step.text += fmt::format("; it was polled {}, and was at {}", clock(poll->last_at),
                                 short_id(poll->tip));
    if (standing.live != 0) step.text += "; live is " + short_id(standing.live_commit);
    return step;
}

std::string answer(const Delivery& delivery) {
    const auto id = to_string(delivery.id);
    switch (delivery.decision) {
        case Decision::rejected:
            return fmt::format("{} was refused: {}", id, delivery.reason);
        case Decision::duplicate:
            return fmt::format("{} started nothing new: {}", id, delivery.reason);
        default:
            return fmt::format("{} was ignored: {}", id, delivery.reason);
    }
}

std::string answer(const Deployment& deployment, const Standing& standing) {
    const auto commit =
        deployment.commit.empty() ? to_string(deployment.id) : short_id(deployment.commit);
    const auto& detail = deployment.failure.detail;
    switch (deployment.state) {
        case State::healthy:
            if (standing.live == deployment.release)
                return fmt::format("{} is live, as release {} of {}", commit, deployment.release,
                                   deployment.app);
            return fmt::format("{} went live as release {}; {}", commit, deployment.release,
                               standing.live == 0
                                   ? std::string("nothing is live now")
                                   : fmt::format("release {} is live now", standing.live));
        case State::failed:
            return fmt::format("{} is not live: {}", commit, in_words(deployment.failure.reason));
        case State::rolled_back:
            return fmt::format("{} was live and was taken back: {}", commit,
                               in_words(deployment.failure.reason));
        case State::canceled:
            return fmt::format("{} was not deployed: {}", commit,
                               detail.empty() ? in_words(deployment.failure.reason) : detail);
        case State::superseded:
            return fmt::format("{} was superseded: {}", commit,
                               detail.empty() ? in_words(Reason::superseded) : detail);
        default:
            return fmt::format("{} {}", commit, waiting_for(deployment, standing));
    }
}

std::vector<std::string> advice(const Delivery& delivery, const Standing& standing) {
    const auto file = standing.file.empty() ? "the app's file" : standing.file;
    const auto ref = delivery.changes.empty() ? std::string() : delivery.changes.back().name;
    switch (delivery.rule) {
        case Rule::bad_signature:
            return {
                fmt::format("give the forge the secret of {}'s hook: the one that [webhook] "
                            "secret names, else secrets/{}.hook beside belay.toml",
                            delivery.app, delivery.app)};
        case Rule::too_large:
            return {
                "raise [limits] hook_body in belay.toml, or let the forge send push events only"};
        case Rule::too_slow:
            return {"let the forge send it again; polling finds the push as well"};
        case Rule::wrong_type:
            return {"set the content type of the forge's webhook to application/json"};
        case Rule::malformed:
            return {"see that the webhook's kind is the forge's own; [webhook] forge names one"};
        case Rule::rate_limited:
            return {"nothing: forges try again, and polling finds the push as well"};
        case Rule::other_ref:
            if (delivery.changes.empty() || delivery.changes.back().deleted) return {};
            return {
                fmt::format("belay deploy {} --ref {}", delivery.app, delivery.changes.back().ref),
                fmt::format("or follow it: `branch` or `tags` in {}", file)};
        case Rule::other_repository:
            return {
                fmt::format("compare `repo` in {} with the repository that has the webhook", file)};
        case Rule::ping:
            return {"the hook works: push to deploy"};
        case Rule::older_tag:
            return {fmt::format("belay deploy {} --ref refs/tags/{}", delivery.app, ref)};
        case Rule::same_delivery:
            return {fmt::format("belay why {}", to_string(delivery.replay_of))};
        case Rule::same_body:
        case Rule::already_live:
            return {fmt::format("belay redeliver {} deploys it once more", to_string(delivery.id))};
        default:
            return {};
    }
}

std::vector<std::string> advice(const Story& story, const Standing& standing) {
    const auto& deployment = story.deployment;
    const auto id = to_string(deployment.id);
    std::vector<std::string> next;
    switch (deployment.state) {
        case State::awaiting_approval:
            return {"belay approve " + id, fmt::format("belay reject {} -m WHY", id)};
        case State::queued:
            if (standing.hold && !deployment.force)
                return {fmt::format("belay resume {}", deployment.app)};
            return {};
        case State::canceled:
        case State::superseded:
            if (deployment.state == State::canceled || deployment.rule == Rule::already_live)
                return {fmt::format("{} deploys it all the same", deploy_again(deployment))};
            return {};
        case State::failed:
        case State::rolled_back:
            break;
        default:
            if (!domain::is_end(deployment.state)) return {"belay show " + id};
            return {};
    }
    const auto& failure = deployment.failure;
    if (failure.stage == "draining" || failure.stage == "baking" || failure.stage == "verifying" ||
        failure.stage == "starting")
        next.push_back("belay show " + id + " has the probes");
    else if (is_log_stage(failure.stage))
        next.push_back(
            fmt::format("belay logs {} --stage {} has all of it", id, log_name(failure.stage)));
    if (failure.reason == Reason::auth_failed || failure.reason == Reason::host_key_mismatch)
        next.push_back("belay check");
    if (domain::blame_of(failure.reason) == domain::Blame::user) {
        if (deployment.rule == Rule::bad_commit || deployment.state == State::rolled_back)
            next.push_back(deploy_again(deployment) + " --force deploys it all the same");
        else if (failure.reason != Reason::rejected)
            next.push_back("push what cures it");
    } else {
        next.push_back(deploy_again(deployment) + " tries again");
    }
    if (standing.hold) next.push_back(fmt::format("belay resume {}", deployment.app));
    return next;
}

}  // namespace belay::engine
