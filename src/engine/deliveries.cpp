// The front of the pipeline: what a delivery makes, decided once, durable before it is answered.
#include "engine_core.hpp"
#include "rules.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::engine {

using domain::Decision;
using domain::Delivery;
using domain::Rule;
using domain::Trigger;

namespace {

// A burst of deliveries does not read the files for each of them; a changed secret counts within a
// second.
constexpr Millis kSecretsFresh{1'000};

bool takes_hooks(const AppContext* app) {
    return app && app->config && !app->record.removed;
}

}  // namespace

// For a name that isn't there the work is done for an app that is, so that the time does not tell
// which names are.
std::optional<HookSettings> EngineCore::hook_settings(const std::string& name) {
    auto* app = find(name);
    const bool there = takes_hooks(app);
    auto* looked_at = there ? app : another_app();
    if (!looked_at) return std::nullopt;
    const auto& read = looked_at->hook.read;
    if (!read || services_.world.timers.steady_now() - *read >= kSecretsFresh)
        read_hook_secrets(*looked_at);
    HookSettings settings{looked_at->hook.secrets, looked_at->config->webhook.forge};
    if (!there) return std::nullopt;
    return settings;
}

// Each in turn.
AppContext* EngineCore::another_app() {
    auto next = apps_.upper_bound(last_decoy_);
    if (next == apps_.end()) next = apps_.begin();
    if (next == apps_.end()) return nullptr;
    last_decoy_ = next->first;
    return takes_hooks(next->second.get()) ? next->second.get() : nullptr;
}

void EngineCore::read_hook_secrets(AppContext& app) {
    app.hook.secrets.clear();
    app.hook.read = services_.world.timers.steady_now();
    std::string error;
    for (const auto& reference : app.config->webhook.secrets) {
        auto secret = services_.world.config.resolve(reference);
        if (secret)
            app.hook.secrets.push_back(*secret);
        else
            error = secret.error().message;
    }
    if (!error.empty() && error != app.hook.error)
        log::error("a webhook secret can't be read", {{"app", app.name}, {"error", error}});
    app.hook.error = std::move(error);
}

namespace {

HookAnswer answer_of(const Delivery& delivery) {
    HookAnswer answer;
    answer.status_code = delivery.status_code;
    answer.delivery = delivery.id;
    answer.deployment = delivery.deployment;
    answer.decision = delivery.decision;
    answer.reason = delivery.reason;
    return answer;
}

ports::AddEvent delivery_event(const Delivery& delivery) {
    domain::EventRecord event;
    event.at = delivery.received_at;
    event.type = "delivery";
    event.app = delivery.app;
    event.deployment = delivery.deployment;
    event.state = to_string(delivery.decision);
    event.text = fmt::format("{} {}{}", to_string(delivery.id), to_string(delivery.decision),
                             delivery.reason.empty() ? "" : ": " + delivery.reason);
    return {std::move(event)};
}

}  // namespace

Task<Result<HookAnswer>> EngineCore::submit(std::string name, std::string forge, domain::Push push,
                                            std::string body_digest) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    auto* app = find(name);
    if (!app || !app->config) co_return Error{Errc::not_found, "no such app"};
    auto* store = services_.journal.store();
    Delivery delivery;
    delivery.app = name;
    delivery.forge = forge;
    delivery.event = push.event;
    delivery.delivery_id = push.delivery_id;
    delivery.kind = push.kind;
    delivery.changes = push.changes;
    delivery.body_digest = body_digest;
    if (push.repository) delivery.repository = push.repository->full_name;
    const ports::DeliveryIdentity identity{name, forge, push.delivery_id};
    if (!push.delivery_id.empty() && seen_.contains(identity)) {
        auto earlier = co_await store->find_delivery(name, forge, push.delivery_id);
        if (!earlier) co_return earlier.error();
        if (*earlier) co_return co_await record_repetition(*app, std::move(delivery), **earlier);
    }
    if (!push.delivery_id.empty()) seen_.add(identity);
    auto matched = decide(*app, push);
    if (matched.change && !push.body_authentic)
        matched.reason += "; the signature doesn't cover the body, so the tip decides";
    delivery.decision = matched.change ? Decision::queued : Decision::ignored;
    delivery.rule = matched.rule;
    delivery.reason = matched.reason;
    if (matched.change) {
        auto duplicate = co_await duplicate_of(*app, *matched.change, body_digest);
        if (!duplicate) co_return duplicate.error();
        if (duplicate->rule != Rule::none) {
            delivery.decision = Decision::duplicate;
            delivery.rule = duplicate->rule;
            delivery.reason = duplicate->reason;
            matched.change.reset();
        }
    }
    const auto as_received = delivery;
    auto recorded = co_await record(*app, std::move(delivery), matched.change, Trigger::push);
    if (recorded || recorded.error().code != Errc::conflict || as_received.delivery_id.empty())
        co_return recorded;
    // The same delivery twice at the same moment, or one that was forgotten: the other was first.
    auto first = co_await store->find_delivery(name, forge, as_received.delivery_id);
    if (first && *first) co_return co_await record_repetition(*app, as_received, **first);
    co_return recorded;
}

// What can be told of a push before anything is fetched.
Match EngineCore::decide(const AppContext& app, const domain::Push& push) const {
    auto matched = match(push, *app.config);
    if (!matched.change) return matched;
    if (auto why = undeployable(app); !why.empty())
        return {std::nullopt, Rule::unsupported_target, std::move(why)};
    if (matched.change->ref_type != domain::RefType::tag) return matched;
    if (auto newer = newer_tag_than(app, matched.change->name); !newer.empty())
        return {
            std::nullopt, Rule::older_tag,
            fmt::format("{} is older than {}; `belay deploy {} --ref {}` deploys it all the same",
                        matched.change->name, newer, app.name, matched.change->name)};
    return matched;
}

// "v2, which is live"; empty: the tag is not older than what is live or on its way.
std::string EngineCore::newer_tag_than(const AppContext& app, const std::string& tag) const {
    for (const auto& queued : app.queue)
        if (auto other = tag_of(queued.ref); is_older_tag(tag, other))
            return fmt::format("{}, which is queued as {}", other, to_string(queued.id));
    if (app.active)
        if (auto other = tag_of(app.active->deployment.ref); is_older_tag(tag, other))
            return fmt::format("{}, which is being deployed as {}", other,
                               to_string(app.active->deployment.id));
    if (app.live)
        if (auto other = tag_of(app.live->manifest.ref); is_older_tag(tag, other))
            return fmt::format("{}, which is live", other);
    return {};
}

// The forge sent a delivery again: in the inbox, so that it can be seen, and nothing else.
Task<Result<HookAnswer>> EngineCore::record_repetition(AppContext& app, Delivery delivery,
                                                       Delivery earlier) {
    delivery.delivery_id.clear();  // the id stays with the first
    delivery.replay_of = earlier.id;
    delivery.decision = Decision::duplicate;
    delivery.rule = Rule::same_delivery;
    delivery.deployment = earlier.deployment;
    delivery.reason =
        fmt::format("the same as {} ({})", to_string(earlier.id), to_string(earlier.decision));
    auto answer = co_await record(app, std::move(delivery), std::nullopt, Trigger::push);
    if (answer) answer->delivery = earlier.id;
    co_return answer;
}

// Why this change needs no deployment of its own; Rule::none: it does. Pushing A, B, A again is
// three pushes: a body seen before is a duplicate only while its commit is the app's newest.
Task<Result<Match>> EngineCore::duplicate_of(AppContext& app, domain::Change change,
                                             std::string digest) {
    const auto commit = change.commit.value_or("");
    const domain::Deployment* newest = nullptr;
    if (!app.queue.empty())
        newest = &app.queue.back();
    else if (app.active)
        newest = &app.active->deployment;
    Match none, found;
    if (newest && newest->plan == domain::Plan::build && newest->commit == commit &&
        (!commit.empty() || newest->ref == change.ref)) {
        found.rule = Rule::same_commit;
        found.reason =
            commit.empty()
                ? fmt::format("{} fetches the tip already", to_string(newest->id))
                : fmt::format("{} deploys {} already", to_string(newest->id), short_id(commit));
        co_return found;
    }
    if (commit.empty()) co_return none;
    if (!newest && app.live && app.live->manifest.commit == commit &&
        app.live_release.config == app.config_hash) {
        found.rule = Rule::already_live;
        found.reason =
            fmt::format("{} is live already, as release {}", short_id(commit), app.live->release());
        co_return found;
    }
    if (newest) co_return none;
    const ports::Page newest_only{0, 1};
    auto deployments = co_await services_.journal.store()->deployments(app.name, newest_only);
    if (!deployments) co_return deployments.error();
    if (deployments->empty() || deployments->front().commit != commit) co_return none;
    auto earlier = co_await services_.journal.store()->find_body(app.name, commit, digest);
    if (!earlier) co_return earlier.error();
    if (!*earlier || !(*earlier)->deployment) co_return none;
    found.rule = Rule::same_body;
    found.reason = fmt::format("the same body as {}, which made {}", to_string((*earlier)->id),
                               to_string((*earlier)->deployment));
    co_return found;
}

// One durable batch for the delivery, its decision and its deployment.
Task<Result<HookAnswer>> EngineCore::record(AppContext& app, Delivery delivery,
                                            std::optional<domain::Change> change, Trigger trigger) {
    delivery.id = DeliveryId{++last_delivery_};
    delivery.received_at = services_.now();
    delivery.status_code = delivery.decision == Decision::queued ? 202 : 200;
    std::vector<ports::Write> writes;
    writes.reserve(12);  // with what enqueue() adds: a record is large, and none is moved again
    if (!change) {
        writes.emplace_back(ports::PutDelivery{delivery});
        writes.emplace_back(delivery_event(delivery));
        auto saved = co_await services_.journal.save(std::move(writes), "delivery");
        if (!saved) co_return saved.error();
        co_return answer_of(delivery);
    }
    domain::Deployment deployment;
    deployment.trigger = trigger;
    deployment.delivery = delivery.id;
    deployment.commit = change->commit.value_or("");
    deployment.ref = change->ref;
    std::string waits;
    if (app.record.hold)
        waits =
            fmt::format("{} is on hold by {}: it waits for resume", app.name, app.record.hold->by);
    if (!waits.empty()) delivery.reason += "; " + waits;
    if (change->commit)
        writes.emplace_back(
            ports::PutRefSeen{app.name, change->ref, *change->commit, delivery.received_at});
    writes.emplace_back(ports::PutDelivery{delivery});
    writes.emplace_back(delivery_event(delivery));
    auto queued = co_await enqueue(app, std::move(deployment), std::move(writes));
    if (!queued) co_return queued.error();
    delivery.deployment = *queued;
    auto answer = answer_of(delivery);
    answer.reason = waits;  // the rule is a matter of course to who pushed
    co_return answer;
}

Task<void> EngineCore::record_refusal(std::string app, std::string forge, int status_code,
                                      std::string reason) {
    if (!ready_for_work()) co_return;
    Delivery delivery;
    delivery.id = DeliveryId{++last_delivery_};
    delivery.app = std::move(app);
    delivery.forge = std::move(forge);
    delivery.received_at = services_.now();
    delivery.status_code = status_code;
    delivery.decision = Decision::rejected;
    delivery.rule = domain::rule_of_refusal(status_code);
    delivery.reason = std::move(reason);
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutDelivery{delivery});
    writes.emplace_back(delivery_event(delivery));
    auto saved = co_await services_.journal.save(std::move(writes), "refusal");
    if (!saved)
        log::warning("a refused delivery was not recorded", {{"error", saved.error().message}});
}

// Replays the recorded changes; the body itself isn't kept (spec/decisions.md 5).
Task<Result<HookAnswer>> EngineCore::redeliver(DeliveryId id) {
    if (auto ready = ready_for_work(); !ready) co_return ready.error();
    auto recorded = co_await services_.journal.store()->delivery(id);
    if (!recorded) co_return recorded.error();
    if (!*recorded) co_return Error{Errc::not_found, fmt::format("no delivery {}", to_string(id))};
    auto app = known((*recorded)->app);
    if (!app) co_return app.error();
    if (!(*app)->config)
        co_return Error{Errc::conflict, fmt::format("{} has no valid configuration: {}",
                                                    (*app)->name, (*app)->config_error)};
    if ((*recorded)->decision == Decision::rejected)
        co_return Error{
            Errc::conflict,
            fmt::format("{} was refused before it was understood ({}), so nothing of it "
                        "was kept: let the forge send it again",
                        to_string(id), (*recorded)->reason)};
    domain::Push push;
    push.kind = (*recorded)->kind;
    push.event = (*recorded)->event;
    push.changes = (*recorded)->changes;
    push.body_authentic = (*recorded)->forge != "gitee";
    auto matched = decide(**app, push);
    auto replay = **recorded;
    replay.delivery_id.clear();  // the forge's id stays with the first
    replay.deployment = {};
    replay.replay_of = id;
    replay.rule = matched.rule;
    replay.decision = matched.change ? Decision::queued : Decision::ignored;
    replay.reason = matched.reason;
    co_return co_await record(**app, std::move(replay), matched.change, Trigger::redeliver);
}

Task<Result<std::vector<Delivery>>> EngineCore::deliveries(std::string app, ports::Page page) {
    if (!services_.journal.store()) co_return services_.journal.unavailable();
    co_return co_await services_.journal.store()->deliveries(std::move(app), page);
}

Task<Result<Delivery>> EngineCore::delivery(DeliveryId id) {
    if (!services_.journal.store()) co_return services_.journal.unavailable();
    auto found = co_await services_.journal.store()->delivery(id);
    if (!found) co_return found.error();
    if (!*found) co_return Error{Errc::not_found, fmt::format("no delivery {}", to_string(id))};
    co_return **found;
}

}  // namespace belay::engine
