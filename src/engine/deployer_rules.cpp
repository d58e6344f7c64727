// Which commit a deployment is about, and whether that is to be deployed (docs/rules.md).
#include "build_key.hpp"
#include "deployer.hpp"
#include "repository.hpp"

#include <belay/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace belay::engine {

using domain::Plan;
using domain::Reason;
using domain::ReleaseState;
using domain::Rule;
using domain::State;
using domain::Trigger;

namespace {

// "the tip of main", "tag v1"
std::string named_tip(const ports::Fetched& fetched) {
    return fetched.branch.empty() ? "what tag " + fetched.tag + " names"
                                  : "the tip of " + fetched.branch;
}

// How many times a commit that could not be fetched is taken up again by polling.
constexpr int kFetchTries = 3;
// How far back the ones that a deployment superseded are looked for.
constexpr int kDisplacedMost = 100;

}  // namespace

domain::Event Deployer::superseded(Rule rule, std::string detail) const {
    Event event;
    event.kind = Kind::supersede;
    event.rule = rule;
    event.failure.detail = std::move(detail);
    return event;
}

domain::Event Deployer::not_deployed(Rule rule, std::string detail) const {
    Event event;
    event.kind = Kind::cancel;
    event.rule = rule;
    event.failure.detail = std::move(detail);
    return event;
}

ports::Wanted Deployer::wanted() const {
    const auto& own = app_.active->deployment;
    const auto& config = *app_.active->config;
    ports::Wanted wanted;
    wanted.commit = own.commit;
    if (auto ref = domain::parse_ref(own.ref)) {
        (ref->type == domain::RefType::branch ? wanted.branch : wanted.tag) = ref->name;
        if (ref->type == domain::RefType::tag && !config.tags.empty())
            wanted.tag_pattern = config.tags;
    } else if (own.commit.empty() || !own.pinned) {
        wanted.branch = config.branch;
        if (config.branch.empty()) wanted.tag_pattern = config.tags;
    }
    return wanted;
}

Task<std::optional<domain::Event>> Deployer::fetch_and_judge(ports::FetchJob job) {
    auto found = co_await find_displaced();
    if (!found) co_return failed(Reason::internal, found.error().message);
    if (app_.live) job.live = app_.live->manifest.commit;
    job.others = displaced_commits_;
    auto fetched = co_await fetch_with_retries(job);
    // A forge's hook may come before its own server knows the commit.
    Millis pause{2'000};
    for (int attempt = 1; !fetched; ++attempt) {
        const bool unknown = fetched.error().reason == ports::SourceReason::sha_unavailable &&
                             is_automatic(deployment()) && !deployment().commit.empty() &&
                             !deployment().ref.empty();
        if (!unknown) break;
        auto decided = co_await judge_unavailable(job);
        if (decided) co_return *decided;
        if (attempt == 3) break;
        const bool slept = co_await world().timers.sleep(pause, active().step);
        if (!slept) break;
        pause *= 4;
        fetched = co_await fetch_with_retries(job);
    }
    if (!fetched) co_return co_await fetch_failed(fetched.error());

    co_await remember_tip(*fetched);
    auto moved = co_await judge_tip(*fetched);
    if (moved) co_return *moved;
    auto& own = deployment();
    own.commit = fetched->commit;
    if (own.ref.empty()) own.ref = fetched->ref;
    own.author = fetched->author_name;
    own.message = fetched->subject;
    active().describe = fetched->describe;
    auto& release = active().release;
    release.commit = own.commit;
    release.ref = own.ref;
    release.build_key = build_key(world().config, *active().config, own.commit);
    if (own.force) co_return std::nullopt;
    auto known = co_await judge_history();
    if (known) co_return *known;
    auto ruled_out = co_await judge_rules(*fetched);
    if (ruled_out) co_return *ruled_out;
    if (!app_.live || app_.live->manifest.commit != own.commit ||
        app_.live_release.build_key != release.build_key)
        co_return std::nullopt;
    own.source = app_.live->release();
    Event copied;
    copied.kind = Kind::fetched;
    copied.copy = true;
    co_return copied;
}

Task<ports::SourceResult<ports::Fetched>> Deployer::fetch_with_retries(ports::FetchJob job) {
    // 3 tries, 2 and 8 s apart (reference/deploy-safety.md §1.2); [git] timeout bounds each.
    Millis pause{2'000};
    for (int attempt = 1;; ++attempt) {
        auto fetched = co_await world().source.fetch(job, active().step);
        if (fetched || !fetched.error().transient || attempt == 3 || active().step.requested())
            co_return fetched;
        log::warning("fetching failed; trying again", {{"deployment", to_string(deployment().id)},
                                                       {"error", fetched.error().message}});
        const bool slept = co_await world().timers.sleep(pause, active().step);
        if (!slept) co_return fetched;
        pause *= 4;
    }
}

// The delivered commit is not in the repository: force-pushed away, or not there yet. None: it may
// still come.
Task<std::optional<domain::Event>> Deployer::judge_unavailable(ports::FetchJob job) {
    job.wanted.commit.clear();
    auto tip = co_await fetch_with_retries(std::move(job));
    if (!tip) co_return co_await fetch_failed(tip.error());
    co_await remember_tip(*tip);
    if (app_.live && app_.live->manifest.commit == tip->commit) co_return std::nullopt;
    auto earlier = co_await dealt_with(tip->commit);
    if (earlier) co_return std::nullopt;
    co_return co_await give_way_to(*tip);
}

// A server that was away is no fault of the commit: the next poll takes it up again.
Task<domain::Event> Deployer::fetch_failed(ports::SourceError error) {
    auto& own = deployment();
    auto reason = reason_of(error.reason);
    const bool away = reason == Reason::fetch_failed || reason == Reason::fetch_timeout;
    if (away && is_automatic(own) && !own.commit.empty() && active().config->poll) {
        auto tries = co_await services_.journal.store()->deployments_of_commit(own.commit, 20);
        const auto count = !tries ? kFetchTries
                                  : std::count_if(tries->begin(), tries->end(),
                                                  [&](auto& one) { return one.app == app_.name; });
        if (count < kFetchTries) {
            std::vector<ports::Write> writes;
            writes.emplace_back(ports::PutRefSeen{app_.name, own.ref, "", services_.now()});
            auto saved = co_await services_.journal.save(std::move(writes), "ref_forgotten");
            if (saved) error.message += "; polling tries again";
        }
    }
    co_return failed(reason, error.message);
}

Task<void> Deployer::remember_tip(const ports::Fetched& fetched) {
    if (fetched.ref.empty() || fetched.tip.empty()) co_return;
    std::vector<ports::Write> writes;
    writes.emplace_back(ports::PutRefSeen{app_.name, fetched.ref, fetched.tip, services_.now()});
    auto saved = co_await services_.journal.save(std::move(writes), "ref_seen");
    if (!saved)
        log::warning("a tip was not recorded",
                     {{"app", app_.name}, {"error", saved.error().message}});
}

// Another deployment of this commit that came to an end of its own or is under way.
Task<std::optional<domain::Deployment>> Deployer::dealt_with(std::string commit) {
    auto found = co_await services_.journal.store()->deployments_of_commit(commit, 20);
    if (!found) co_return std::nullopt;
    for (const auto& one : *found)
        if (one.app == app_.name && one.id != deployment().id && one.plan != Plan::restart &&
            one.state != State::superseded && one.rule != Rule::skip_mark &&
            one.failure.reason != Reason::fetch_failed &&
            one.failure.reason != Reason::fetch_timeout)
            co_return one;
    co_return std::nullopt;
}

// spec/decisions.md 8: a commit that is no longer the tip is superseded by the tip, so that a
// captured delivery that is sent again changes nothing.
Task<std::optional<domain::Event>> Deployer::judge_tip(const ports::Fetched& fetched) {
    const auto& own = deployment();
    const bool commit_untold = own.trigger == Trigger::push && own.commit.empty();
    if (own.pinned || fetched.tip.empty()) co_return std::nullopt;
    if (fetched.tip == fetched.commit && !commit_untold) co_return std::nullopt;
    auto earlier = co_await dealt_with(fetched.tip);
    const bool tip_is_live = app_.live && app_.live->manifest.commit == fetched.tip;
    // The third in a row goes on, so that a busy branch goes live; but only ever forward, and the
    // tip is next.
    const bool forward = !fetched.branch.empty() && fetched.on_branch && !fetched.in_live;
    if (forward && !commit_untold &&
        !domain::may_supersede(own, app_.active->course, app_.record.superseded_in_row)) {
        if (earlier || tip_is_live) co_return std::nullopt;
        auto newer = tip_of(fetched);
        auto next = co_await services_.enqueue(app_, std::move(newer));
        if (!next) co_return failed(Reason::internal, next.error().message);
        co_return std::nullopt;
    }
    if (tip_is_live && !commit_untold)
        co_return superseded(
            Rule::tip_moved,
            fmt::format("{} is the past: {} is {}, and it is live", short_id(fetched.commit),
                        short_id(fetched.tip), named_tip(fetched)));
    if (is_automatic(own) && earlier) {
        auto event =
            superseded(Rule::tip_moved,
                       fmt::format("{}{} is {}, and {} dealt with it ({})",
                                   commit_untold ? "" : short_id(fetched.commit) + " is the past: ",
                                   short_id(fetched.tip), named_tip(fetched),
                                   to_string(earlier->id), to_string(earlier->state)));
        if (!domain::is_end(earlier->state)) event.by = earlier->id;
        co_return event;
    }
    if (commit_untold) co_return std::nullopt;
    co_return co_await give_way_to(fetched);
}

domain::Deployment Deployer::tip_of(const ports::Fetched& fetched) const {
    const auto& own = app_.active->deployment;
    domain::Deployment tip;
    tip.app = app_.name;
    tip.trigger = own.trigger == Trigger::push ? Trigger::poll : own.trigger;
    tip.commit = fetched.tip;
    tip.ref = fetched.ref;
    tip.force = own.force;
    tip.note = fmt::format("{} when {} was fetched", named_tip(fetched), to_string(own.id));
    return tip;
}

Task<domain::Event> Deployer::give_way_to(const ports::Fetched& tip) {
    const auto& own = deployment();
    auto newer = tip_of(tip);
    auto queued = co_await services_.enqueue(app_, std::move(newer));
    if (!queued) co_return failed(Reason::internal, queued.error().message);
    // The queue asks this one to go as well, with less to say.
    if (active().asked && active().asked->kind == Kind::supersede) active().asked.reset();
    auto event =
        superseded(Rule::tip_moved, fmt::format("{} is no longer {}: {} is, and is deployed as {}",
                                                short_id(own.commit), named_tip(tip),
                                                short_id(tip.tip), to_string(*queued)));
    event.by = *queued;
    co_return event;
}

// What became of the commit before.
Task<std::optional<domain::Event>> Deployer::judge_history() {
    auto& own = deployment();
    auto releases = co_await services_.journal.store()->releases(app_.name);
    if (!releases) co_return failed(Reason::internal, releases.error().message);
    for (const auto& earlier : *releases) {
        if (earlier.commit != own.commit || earlier.state != ReleaseState::bad ||
            earlier.config != own.config)
            continue;
        own.rule = Rule::bad_commit;
        co_return failed(
            Reason::rejected,
            fmt::format("{} went bad before, as release {}: `belay deploy {} --commit {} --force` "
                        "deploys it all the same",
                        short_id(own.commit), earlier.number, app_.name, own.commit));
    }
    const bool live = app_.live && app_.live->manifest.commit == own.commit;
    if (live && !(own.trigger == Trigger::manual || own.trigger == Trigger::redeliver) &&
        app_.live_release.config == own.config)
        co_return superseded(Rule::already_live,
                             fmt::format("{} is live already, as release {}", short_id(own.commit),
                                         app_.live->release()));
    co_return std::nullopt;
}

// Why the tag is an older version; empty: it isn't.
std::string Deployer::judge_tag(const std::string& tag, const ports::Fetched& fetched) const {
    auto live = app_.live ? tag_of(app_.live->manifest.ref) : std::string();
    if (is_older_tag(tag, live))
        return fmt::format("{} is older than {}, which is live", tag, live);
    if (is_older_tag(tag, fetched.newest_tag))
        return fmt::format("{} is not the newest version: {} is", tag, fetched.newest_tag);
    // Where a branch is live versions can't be compared, but histories can.
    if (app_.live && live.empty() && fetched.in_live)
        return fmt::format("{} is part of what is live already", tag);
    return {};
}

Task<std::optional<domain::Event>> Deployer::judge_rules(const ports::Fetched& fetched) {
    const auto& own = deployment();
    if (!ruled()) co_return std::nullopt;
    // A tag is a decision of its own: tools that make releases mark the commits that they tag.
    if (auto tag = tag_of(own.ref); !tag.empty()) {
        auto old = judge_tag(tag, fetched);
        if (!old.empty()) co_return not_deployed(Rule::older_tag, old);
        co_return co_await judge_paths();
    }
    if (auto mark = skip_mark(fetched.subject + "\n" + fetched.body)) {
        // What this one superseded wanted to go live, and is part of it.
        const bool carries = std::any_of(fetched.others.begin(), fetched.others.end(),
                                         [](const auto& other) { return !skip_mark(other.text); });
        if (!carries)
            co_return not_deployed(
                Rule::skip_mark, fmt::format("the message of {} says {}; the next push without it "
                                             "brings its changes along",
                                             short_id(own.commit), *mark));
        log::info("a skip mark is passed over, as pushes before it wait to go live",
                  {{"deployment", to_string(own.id)}});
    }
    co_return co_await judge_paths();
}

// On the git diff from what is live. What can't be told is taken as changed.
Task<std::optional<domain::Event>> Deployer::judge_paths() {
    const auto& own = deployment();
    const auto& config = *active().config;
    if (!app_.live || !filters_paths(config)) co_return std::nullopt;
    auto users = users_of(app_, services_.options.separate_users);
    ports::ChangesJob job;
    job.child.app = app_.name;
    job.child.user = build_user(users);
    job.child.timeout = services_.server.git_timeout;
    job.mirror = mirror_path(services_, app_.name);
    job.from = app_.live->manifest.commit;
    job.to = own.commit;
    auto changes = co_await world().source.changed_paths(std::move(job), active().step);
    if (!changes) {
        log::warning("what changed could not be told, so everything did",
                     {{"deployment", to_string(own.id)}, {"error", changes.error().message}});
        co_return std::nullopt;
    }
    if (!changes->complete || concerns(config, changes->paths)) co_return std::nullopt;
    const auto live = short_id(app_.live->manifest.commit);
    co_return not_deployed(
        Rule::path_filter,
        changes->paths.empty()
            ? fmt::format("no file differs between {} and {}, which is live", short_id(own.commit),
                          live)
            : fmt::format("nothing that `paths` names has changed since {}, which is live; what "
                          "has: {}",
                          live, some_of(changes->paths)));
}

// A push that was superseded before it went live still wants to: its successor must not be skipped
// as if it came alone.
Task<Result<void>> Deployer::find_displaced() {
    const auto own = deployment().id;
    const ports::Page page{own.value, kDisplacedMost};
    auto before = co_await services_.journal.store()->deployments(app_.name, page);
    if (!before) co_return before.error();
    displaced_commits_.clear();
    displaced_by_hand_ = false;
    std::set<DeploymentId> heirs{own};
    for (const auto& one : *before) {  // newest first: an heir is always newer
        if (one.state != State::superseded || !heirs.contains(one.superseded_by)) continue;
        heirs.insert(one.id);
        if (!is_automatic(one) && one.trigger != Trigger::redeliver)
            displaced_by_hand_ = true;
        else if (!one.commit.empty())
            displaced_commits_.push_back(one.commit);
    }
    co_return Result<void>{};
}

}  // namespace belay::engine
