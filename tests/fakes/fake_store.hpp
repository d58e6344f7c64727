// ports::Store in memory, held to the same contract as the real one
// (tests/integration/store/contract_test.cpp), with commits that fail when told to and rows that
// outlive the store, as a disk outlives the daemon.
#pragma once

#include <belay/async/event.hpp>
#include <belay/ports/store.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace belay::test {

// What is durable. Stores opened on it one after the other see what was committed before.
struct FakeDisk {
    std::map<std::string, domain::App> apps;
    std::map<DeliveryId, domain::Delivery> deliveries;
    std::map<DeploymentId, domain::Deployment> deployments;
    std::map<DeploymentId, std::vector<domain::Stage>> stages;
    std::map<DeploymentId, std::vector<domain::Probe>> probes;
    std::map<std::pair<std::string, ReleaseNumber>, domain::Release> releases;
    std::map<std::string, domain::Run> runs;
    std::map<std::int64_t, domain::EventRecord> events;
    std::map<std::pair<std::string, std::string>, ports::RefSeen> refs_seen;
    std::map<std::string, std::string> configs;
    std::map<std::int64_t, domain::Token> tokens;
    std::map<std::int64_t, domain::AuditEntry> audit;
    std::map<std::pair<std::string, std::string>, ports::PutAnswer> answers;  // by scope and key
    std::map<std::int64_t, ports::Outgoing> outbox;
    std::int64_t last_deployment = 0;
    std::int64_t last_delivery = 0;
    std::int64_t last_event = 0;
    std::int64_t last_token = 0;
    std::int64_t last_audit = 0;
    std::int64_t last_outgoing = 0;
};

class FakeStore : public ports::Store {
  public:
    explicit FakeStore(std::shared_ptr<FakeDisk> disk = std::make_shared<FakeDisk>())
        : disk_(std::move(disk)) {}

    // The n-th commit from now (1: the next) fails with this, and nothing of it is stored.
    void fail_commit(int n, Error error) { failures_[attempts_ + n] = std::move(error); }
    // From now on all commits fail with this; none: they work again.
    void fail_all_commits(std::optional<Error> error) { failure_ = std::move(error); }
    // Crashes, as the caller sees them: from that commit on the store answers nobody any more. The
    // n-th from now is stored and never acknowledged, or is not stored. The loop goes on; stop it
    // in after_commit or before_commit, or poll it.
    void stop_after_commit(int n) { stop_after_ = attempts_ + n; }
    void stop_before_commit(int n) { stop_before_ = attempts_ + n; }
    bool stopped() const { return stopped_; }
    // How many were stored. prune() is not one.
    int commits() const { return commits_; }
    const FakeDisk& rows() const { return *disk_; }
    std::shared_ptr<FakeDisk> disk() const { return disk_; }

    // Called for each commit before it is tried, and after it was stored; the place to stop the
    // world.
    std::function<void(const std::vector<ports::Write>&)> before_commit;
    std::function<void(const std::vector<ports::Write>&)> after_commit;
    // Awaited by each commit before it is tried: a disk that takes its time.
    std::function<Task<void>(const std::vector<ports::Write>&)> hold_commit;

    Task<Result<ports::Committed>> commit(std::vector<ports::Write> batch) override {
        if (closed_) co_return closed();
        co_await turn();
        if (hold_commit) co_await hold_commit(batch);
        ++attempts_;
        if (before_commit) before_commit(batch);
        if (attempts_ == stop_before_) {
            stopped_ = true;
            co_await turn();
        }
        if (auto failure = planned_failure()) co_return *failure;
        auto next = *disk_;
        ports::Committed committed;
        for (const auto& write : batch) {
            auto applied = std::visit(Applier{next, committed}, write);
            if (!applied) co_return applied.error();
        }
        *disk_ = std::move(next);
        ++commits_;
        stopped_ = stopped_ || attempts_ == stop_after_;
        if (after_commit) after_commit(batch);
        if (stopped_) co_await turn();
        co_return committed;
    }

    Task<Result<ports::Snapshot>> snapshot() override {
        co_await turn();
        if (closed_) co_return closed();
        ports::Snapshot snapshot;
        for (const auto& [name, app] : disk_->apps)
            snapshot.apps.push_back(app);
        for (const auto& [id, deployment] : disk_->deployments)
            if (!domain::is_end(deployment.state)) snapshot.unfinished.push_back(deployment);
        for (const auto& [id, run] : disk_->runs)
            if (run.ended_at == TimePoint{}) snapshot.open_runs.push_back(run);
        std::stable_sort(snapshot.open_runs.begin(), snapshot.open_runs.end(),
                         [](const auto& a, const auto& b) { return a.started_at < b.started_at; });
        snapshot.last_deployment = disk_->last_deployment;
        snapshot.last_delivery = disk_->last_delivery;
        snapshot.last_event = disk_->last_event;
        for (const auto& [id, delivery] : disk_->deliveries)
            if (!delivery.delivery_id.empty())
                snapshot.recent_deliveries.push_back(
                    {delivery.app, delivery.forge, delivery.delivery_id});
        co_return snapshot;
    }

    Task<Result<std::optional<domain::Delivery>>> find_delivery(std::string app, std::string forge,
                                                                std::string delivery_id) override {
        return newest(&FakeDisk::deliveries, [=](const domain::Delivery& delivery) {
            return delivery.app == app && delivery.forge == forge && !delivery_id.empty() &&
                   delivery.delivery_id == delivery_id;
        });
    }
    Task<Result<std::optional<domain::Delivery>>> find_body(std::string app, std::string commit,
                                                            std::string digest) override {
        return newest(&FakeDisk::deliveries, [=](const domain::Delivery& delivery) {
            return delivery.app == app && delivery.body_digest == digest &&
                   std::any_of(delivery.changes.begin(), delivery.changes.end(),
                               [&](const auto& change) { return change.commit == commit; });
        });
    }
    Task<Result<std::optional<domain::Delivery>>> delivery(DeliveryId id) override {
        return newest(&FakeDisk::deliveries,
                      [=](const auto& delivery) { return delivery.id == id; });
    }
    Task<Result<std::vector<domain::Delivery>>> deliveries(std::string app,
                                                           ports::Page page) override {
        return newest_first(
            &FakeDisk::deliveries, page.limit, [=](const domain::Delivery& delivery) {
                return (app.empty() || delivery.app == app) && on_page(delivery.id.value, page);
            });
    }
    Task<Result<std::vector<domain::Delivery>>> deliveries_of_commit(std::string prefix,
                                                                     int limit) override {
        return newest_first(&FakeDisk::deliveries, limit, [=](const domain::Delivery& delivery) {
            return std::any_of(delivery.changes.begin(), delivery.changes.end(),
                               [&](const auto& change) {
                                   return begins(change.commit.value_or(""), prefix) ||
                                          begins(change.after.value_or(""), prefix);
                               });
        });
    }

    Task<Result<std::optional<domain::Deployment>>> deployment(DeploymentId id) override {
        return newest(&FakeDisk::deployments,
                      [=](const auto& deployment) { return deployment.id == id; });
    }
    Task<Result<std::vector<domain::Deployment>>> deployments(std::string app,
                                                              ports::Page page) override {
        return newest_first(&FakeDisk::deployments, page.limit, [=](const auto& deployment) {
            return (app.empty() || deployment.app == app) && on_page(deployment.id.value, page);
        });
    }
    Task<Result<std::vector<domain::Deployment>>> deployments_of_commit(std::string prefix,
                                                                        int limit) override {
        return newest_first(&FakeDisk::deployments, limit, [=](const auto& deployment) {
            return begins(deployment.commit, prefix);
        });
    }
    Task<Result<std::vector<domain::Stage>>> stages(DeploymentId id) override {
        co_await turn();
        if (closed_) co_return closed();
        co_return value_of(disk_->stages, id).value_or(std::vector<domain::Stage>());
    }
    Task<Result<std::vector<domain::Probe>>> probes(DeploymentId id, int limit) override {
        co_await turn();
        if (closed_) co_return closed();
        auto found = value_of(disk_->probes, id).value_or(std::vector<domain::Probe>());
        auto wanted = std::min(found.size(), static_cast<std::size_t>(std::max(0, limit)));
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(wanted));
        co_return found;
    }

    Task<Result<std::vector<domain::Release>>> releases(std::string app) override {
        return newest_first(&FakeDisk::releases, kAll,
                            [=](const auto& release) { return release.app == app; });
    }
    Task<Result<std::optional<domain::Release>>> release(std::string app,
                                                         ReleaseNumber number) override {
        co_await turn();
        if (closed_) co_return closed();
        co_return value_of(disk_->releases, std::pair(app, number));
    }
    Task<Result<std::optional<std::string>>> config(std::string hash) override {
        co_await turn();
        if (closed_) co_return closed();
        co_return value_of(disk_->configs, hash);
    }
    Task<Result<std::optional<ports::RefSeen>>> ref_seen(std::string app,
                                                         std::string ref) override {
        co_await turn();
        if (closed_) co_return closed();
        co_return value_of(disk_->refs_seen, std::pair(app, ref));
    }
    Task<Result<std::vector<domain::EventRecord>>> events(std::int64_t after, int limit,
                                                          std::string app,
                                                          DeploymentId deployment) override {
        co_await turn();
        if (closed_) co_return closed();
        std::vector<domain::EventRecord> found;
        for (auto at = disk_->events.upper_bound(after); at != disk_->events.end(); ++at) {
            const auto& event = at->second;
            if (static_cast<int>(found.size()) >= limit) break;
            if (!app.empty() && event.app != app) continue;
            if (deployment && event.deployment != deployment) continue;
            found.push_back(event);
        }
        co_return found;
    }

    Task<Result<std::vector<domain::Token>>> tokens() override {
        co_await turn();
        if (closed_) co_return closed();
        std::vector<domain::Token> found;
        for (const auto& [id, token] : disk_->tokens)
            found.push_back(token);
        std::sort(found.begin(), found.end(),
                  [](const auto& a, const auto& b) { return a.name < b.name; });
        co_return found;
    }
    Task<Result<std::vector<domain::AuditEntry>>> audit(ports::Page page) override {
        return newest_first(&FakeDisk::audit, page.limit,
                            [=](const auto& entry) { return on_page(entry.id, page); });
    }
    Task<Result<std::optional<ports::PutAnswer>>> answer(std::string scope, std::string key,
                                                         TimePoint now) override {
        co_await turn();
        if (closed_) co_return closed();
        auto found = value_of(disk_->answers, std::pair(scope, key));
        if (found && found->at < now - ports::kAnswersAge) found.reset();
        co_return found;
    }
    Task<Result<std::vector<ports::Destination>>> waiting_destinations() override {
        co_await turn();
        if (closed_) co_return closed();
        std::set<ports::Destination> found;
        for (const auto& [id, row] : disk_->outbox)
            if (row.state == ports::OutgoingState::waiting)
                found.insert({row.kind, row.destination});
        co_return std::vector<ports::Destination>(found.begin(), found.end());
    }
    Task<Result<std::vector<ports::Outgoing>>> waiting_outgoing(ports::Destination destination,
                                                                int limit) override {
        co_await turn();
        if (closed_) co_return closed();
        std::vector<ports::Outgoing> found;
        for (const auto& [id, row] : disk_->outbox)
            if (row.state == ports::OutgoingState::waiting && row.kind == destination.kind &&
                row.destination == destination.name && static_cast<int>(found.size()) < limit)
                found.push_back(row);
        co_return found;
    }
    Task<Result<TimePoint>> last_sent(ports::Destination destination, std::string key) override {
        co_await turn();
        if (closed_) co_return closed();
        TimePoint last{};
        for (const auto& [id, row] : disk_->outbox)
            if (row.state == ports::OutgoingState::sent && row.kind == destination.kind &&
                row.destination == destination.name && row.key == key)
                last = std::max(last, row.finished_at);
        co_return last;
    }

    // A file that says no more than that one was asked for: rows live in memory here.
    Task<Result<void>> backup(std::string file) override {
        co_await turn();
        if (closed_) co_return closed();
        if (std::filesystem::exists(file))
            co_return Error{Errc::conflict, file + " exists already"};
        std::ofstream made(file);
        if (!made) co_return Error{Errc::not_found, file + " can't be written"};
        co_return Result<void>{};
    }

    Task<Result<std::int64_t>> prune(TimePoint before, int keep_newest) override {
        co_await turn();
        if (closed_) co_return closed();
        auto& disk = *disk_;
        std::int64_t count = 0;
        auto gone =
            prunable(disk.deployments, keep_newest, [&](const domain::Deployment& deployment) {
                return domain::is_end(deployment.state) && deployment.finished_at > TimePoint{} &&
                       deployment.finished_at < before && !may_still_run(deployment.id);
            });
        constexpr std::size_t kAtOnce = 50;
        if (gone.size() > kAtOnce) gone.resize(kAtOnce);
        for (auto id : gone) {
            erase_deployment(disk, id);
            ++count;
            count += erase(disk.events, [&](const auto& event) { return event.deployment == id; });
        }
        auto read = prunable(disk.deliveries, keep_newest, [&](const domain::Delivery& delivery) {
            return delivery.received_at < before && !disk.deployments.contains(delivery.deployment);
        });
        for (auto id : read)
            disk.deliveries.erase(id);
        count += static_cast<std::int64_t>(read.size());
        count += erase(disk.events, [&](const auto& event) {
            return event.at < before && !disk.deployments.contains(event.deployment);
        });
        count += erase(disk.runs, [&](const auto& run) {
            return run.ended_at > TimePoint{} && run.ended_at < before;
        });
        count += erase(disk.audit, [&](const auto& entry) { return entry.at < before; });
        count += erase(disk.outbox, [&](const auto& row) {
            return row.finished_at > TimePoint{} && row.finished_at < before;
        });
        co_return count;
    }

    Task<void> close() override {
        closed_ = true;
        co_await turn();
    }

  private:
    static constexpr int kAll = 1 << 30;

    static Error closed() { return Error{Errc::unavailable, "the database is closed"}; }

    // Like the real one, never answers within the call; and not at all once it has stopped.
    Task<void> turn() {
        co_await boost::asio::post(boost::asio::use_awaitable);
        if (!stopped_) co_return;
        async::Event never;
        co_await never.wait();
    }

    static bool begins(const std::string& text, const std::string& prefix) {
        return !prefix.empty() && text.starts_with(prefix);
    }
    static bool on_page(std::int64_t id, ports::Page page) {
        return page.before <= 0 || id < page.before;
    }

    template <class Key, class Value>
    static std::optional<Value> value_of(const std::map<Key, Value>& rows, const Key& key) {
        auto at = rows.find(key);
        return at == rows.end() ? std::nullopt : std::optional(at->second);
    }

    template <class Key, class Value, class Condition>
    static std::int64_t erase(std::map<Key, Value>& rows, Condition condition) {
        auto count = std::erase_if(rows, [&](const auto& row) { return condition(row.second); });
        return static_cast<std::int64_t>(count);
    }

    static void erase_deployment(FakeDisk& disk, DeploymentId id) {
        disk.deployments.erase(id);
        disk.stages.erase(id);
        disk.probes.erase(id);
    }

    std::optional<Error> planned_failure() const {
        auto failure = value_of(failures_, attempts_);
        return failure ? failure : failure_;
    }

    template <class Key, class Value, class Condition>
    Task<Result<std::vector<Value>>> newest_first(std::map<Key, Value> FakeDisk::* table, int limit,
                                                  Condition condition) {
        co_await turn();
        if (closed_) co_return closed();
        std::vector<Value> found;
        const auto& rows = (*disk_).*table;
        for (auto at = rows.rbegin(); at != rows.rend() && static_cast<int>(found.size()) < limit;
             ++at)
            if (condition(at->second)) found.push_back(at->second);
        co_return found;
    }

    template <class Key, class Value, class Condition>
    Task<Result<std::optional<Value>>> newest(std::map<Key, Value> FakeDisk::* table,
                                              Condition condition) {
        auto search = newest_first(table, 1, std::move(condition));
        auto found = co_await std::move(search);
        if (!found) co_return found.error();
        co_return found->empty() ? std::nullopt : std::optional(found->front());
    }

    bool may_still_run(DeploymentId id) const {
        return std::any_of(disk_->releases.begin(), disk_->releases.end(), [&](const auto& row) {
            const auto& release = row.second;
            return release.deployment == id && release.state != domain::ReleaseState::pruned &&
                   release.state != domain::ReleaseState::bad;
        });
    }

    // Of each app all but the newest, as far as they fulfil the condition.
    template <class Key, class Value, class Condition>
    static std::vector<Key> prunable(const std::map<Key, Value>& rows, int keep_newest,
                                     Condition condition) {
        std::vector<Key> found;
        std::map<std::string, int> seen;
        for (auto at = rows.rbegin(); at != rows.rend(); ++at)
            if (++seen[at->second.app] > keep_newest && condition(at->second))
                found.push_back(at->first);
        return found;
    }

    struct Applier {
        FakeDisk& disk;
        ports::Committed& committed;

        Result<void> operator()(const ports::PutDelivery& write) const {
            const auto& delivery = write.delivery;
            for (const auto& [id, other] : disk.deliveries)
                if (id != delivery.id && !delivery.delivery_id.empty() &&
                    other.app == delivery.app && other.forge == delivery.forge &&
                    other.delivery_id == delivery.delivery_id)
                    return Error{Errc::conflict, "delivery " + delivery.delivery_id + " of " +
                                                     delivery.forge + " for " + delivery.app +
                                                     " is stored already"};
            disk.deliveries[delivery.id] = delivery;
            disk.last_delivery = std::max(disk.last_delivery, delivery.id.value);
            return {};
        }
        Result<void> operator()(const ports::PutDeployment& write) const {
            disk.deployments[write.deployment.id] = write.deployment;
            disk.last_deployment = std::max(disk.last_deployment, write.deployment.id.value);
            return {};
        }
        Result<void> operator()(const ports::PutStage& write) const {
            const auto& stage = write.stage;
            if (!disk.deployments.contains(stage.deployment)) return orphan(stage.deployment);
            auto& stages = disk.stages[stage.deployment];
            auto at = std::find_if(stages.begin(), stages.end(), [&](const auto& other) {
                return other.name == stage.name && other.attempt == stage.attempt;
            });
            if (at == stages.end())
                stages.push_back(stage);
            else
                *at = stage;
            return {};
        }
        Result<void> operator()(const ports::AddProbes& write) const {
            if (write.probes.empty()) return {};
            if (!disk.deployments.contains(write.deployment)) return orphan(write.deployment);
            auto& probes = disk.probes[write.deployment];
            probes.insert(probes.end(), write.probes.begin(), write.probes.end());
            if (probes.size() > ports::kProbesKept)
                probes.erase(probes.begin(), probes.end() - ports::kProbesKept);
            return {};
        }
        Result<void> operator()(const ports::PutRelease& write) const {
            disk.releases[{write.release.app, write.release.number}] = write.release;
            return {};
        }
        Result<void> operator()(const ports::PutRun& write) const {
            disk.runs[write.run.id] = write.run;
            return {};
        }
        Result<void> operator()(const ports::PutApp& write) const {
            disk.apps[write.app.name] = write.app;
            return {};
        }
        Result<void> operator()(const ports::PutConfig& write) const {
            disk.configs.emplace(write.hash, write.json);
            return {};
        }
        Result<void> operator()(const ports::PutRefSeen& write) const {
            disk.refs_seen[{write.app, write.ref}] =
                ports::RefSeen{write.ref, write.commit, write.at};
            return {};
        }
        Result<void> operator()(const ports::AddEvent& write) const {
            auto event = write.event;
            event.id = ++disk.last_event;
            disk.events[event.id] = event;
            committed.event_ids.push_back(event.id);
            return {};
        }
        Result<void> operator()(const ports::AddOutgoing& write) const {
            auto row = write.outgoing;
            auto same_place = [&](const ports::Outgoing& other) {
                return other.kind == row.kind && other.destination == row.destination;
            };
            if (write.once &&
                std::any_of(disk.outbox.begin(), disk.outbox.end(), [&](const auto& other) {
                    return same_place(other.second) && other.second.key == row.key;
                }))
                return {};
            row.id = ++disk.last_outgoing;
            disk.outbox[row.id] = row;
            int waiting = 0;
            for (auto at = disk.outbox.rbegin(); at != disk.outbox.rend(); ++at) {
                auto& other = at->second;
                if (!same_place(other) || other.state != ports::OutgoingState::waiting ||
                    ++waiting <= ports::kOutgoingKept)
                    continue;
                other.state = ports::OutgoingState::dropped;
                other.finished_at = row.created_at;
                other.last_error =
                    "more than " + std::to_string(ports::kOutgoingKept) + " were waiting";
            }
            return {};
        }
        Result<void> operator()(const ports::PutOutgoing& write) const {
            auto at = disk.outbox.find(write.outgoing.id);
            if (at == disk.outbox.end())
                return Error{Errc::not_found, "message " + std::to_string(write.outgoing.id) +
                                                  " is not in the outbox"};
            at->second = write.outgoing;
            return {};
        }
        Result<void> operator()(const ports::PurgeApp& write) const {
            auto of_app = [&](const auto& row) { return row.app == write.app; };
            std::set<std::string> ours;
            std::set<std::string> others;
            for (const auto& [id, deployment] : disk.deployments)
                (of_app(deployment) ? ours : others).insert(deployment.config);
            for (const auto& [key, release] : disk.releases)
                (of_app(release) ? ours : others).insert(release.config);
            for (const auto& hash : ours)
                if (!others.contains(hash)) disk.configs.erase(hash);
            std::vector<DeploymentId> gone;
            for (const auto& [id, deployment] : disk.deployments)
                if (of_app(deployment)) gone.push_back(id);
            for (auto id : gone)
                erase_deployment(disk, id);
            erase(disk.deliveries, of_app);
            erase(disk.releases, of_app);
            erase(disk.runs, of_app);
            erase(disk.events, of_app);
            erase(disk.outbox, of_app);
            std::erase_if(disk.refs_seen,
                          [&](const auto& row) { return row.first.first == write.app; });
            disk.apps.erase(write.app);
            return {};
        }

        Result<void> operator()(const ports::AddToken& write) const {
            for (const auto& [id, other] : disk.tokens)
                if (other.name == write.token.name)
                    return Error{Errc::conflict, "there is a token " + other.name + " already"};
            auto token = write.token;
            token.id = ++disk.last_token;
            disk.tokens[token.id] = token;
            committed.access_ids.push_back(token.id);
            return {};
        }
        Result<void> operator()(const ports::PutTokenUse& write) const {
            auto at = disk.tokens.find(write.token);
            if (at == disk.tokens.end()) return {};
            at->second.last_used_at = write.at;
            at->second.last_used_from = write.from;
            return {};
        }
        Result<void> operator()(const ports::RemoveToken& write) const {
            disk.tokens.erase(write.token);
            return {};
        }
        Result<void> operator()(const ports::AddAudit& write) const {
            auto entry = write.entry;
            entry.id = ++disk.last_audit;
            disk.audit[entry.id] = entry;
            disk.audit.erase(entry.id - ports::kAuditKept);
            committed.access_ids.push_back(entry.id);
            return {};
        }
        Result<void> operator()(const ports::EndAudit& write) const {
            auto at = disk.audit.find(write.entry);
            if (at == disk.audit.end()) return {};
            at->second.status_code = write.status_code;
            at->second.outcome = write.outcome;
            return {};
        }
        Result<void> operator()(const ports::PutAnswer& write) const {
            disk.answers[{write.scope, write.key}] = write;
            erase(disk.answers,
                  [&](const auto& row) { return row.at < write.at - ports::kAnswersAge; });
            std::vector<TimePoint> times;
            for (const auto& [key, row] : disk.answers)
                if (row.scope == write.scope) times.push_back(row.at);
            if (times.size() <= ports::kAnswersKept) return {};
            std::sort(times.rbegin(), times.rend());
            auto oldest = times[ports::kAnswersKept - 1];
            erase(disk.answers,
                  [&](const auto& row) { return row.scope == write.scope && row.at < oldest; });
            return {};
        }
        Result<void> operator()(const ports::RemoveAnswer& write) const {
            disk.answers.erase({write.scope, write.key});
            return {};
        }

        static Error orphan(DeploymentId id) {
            return Error{Errc::not_found, to_string(id) + " does not exist"};
        }
    };

    std::shared_ptr<FakeDisk> disk_;
    std::map<int, Error> failures_;  // by attempt
    std::optional<Error> failure_;
    int attempts_ = 0;
    int commits_ = 0;
    int stop_after_ = 0;
    int stop_before_ = 0;
    bool stopped_ = false;
    bool closed_ = false;
};

}  // namespace belay::test
