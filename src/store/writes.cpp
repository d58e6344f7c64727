#include "writes.hpp"

#include "rows.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::store {
namespace {

// A deployment takes its stages and probes with it, thousands of rows at worst.
constexpr std::string_view kPruneDeployments = R"sql(
DELETE FROM deployments WHERE id IN (
    SELECT d.id FROM deployments d
    WHERE d.finished_at > 0 AND d.finished_at < ?1
      AND d.state IN ('healthy', 'failed', 'rolled_back', 'canceled', 'superseded')
      AND (?2 = 0 OR d.id < (SELECT n.id FROM deployments n WHERE n.app = d.app
                             ORDER BY n.id DESC LIMIT 1 OFFSET ?2 - 1))
      AND NOT EXISTS (SELECT 1 FROM releases r
                      WHERE r.deployment = d.id AND r.state NOT IN ('pruned', 'bad'))
    LIMIT 50)
RETURNING id)sql";
constexpr std::string_view kPruneDeliveries = R"sql(
DELETE FROM deliveries WHERE id IN (
    SELECT v.id FROM deliveries v
    WHERE v.received_at < ?1
      AND (?2 = 0 OR v.id < (SELECT n.id FROM deliveries n WHERE n.app = v.app
                             ORDER BY n.id DESC LIMIT 1 OFFSET ?2 - 1))
      AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = v.deployment)
    LIMIT 500))sql";
constexpr std::string_view kPruneEvents = R"sql(
DELETE FROM events WHERE id IN (
    SELECT e.id FROM events e
    WHERE e.at < ?1 AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = e.deployment)
    LIMIT 500))sql";
constexpr std::string_view kPruneRuns = R"sql(
DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE ended_at > 0 AND ended_at < ?1 LIMIT 500))sql";
constexpr std::string_view kPruneAudit = R"sql(
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 LIMIT 500))sql";
// Of one scope all but the newest.
constexpr std::string_view kDropAnswers = R"sql(
DELETE FROM answers WHERE scope = ?1
    AND at < (SELECT at FROM answers WHERE scope = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2 - 1))sql";

constexpr std::string_view kPruneOutbox = R"sql(
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox WHERE finished_at > 0 AND finished_at < ?1 LIMIT 500))sql";
constexpr std::string_view kDropOldest = R"sql(
UPDATE outbox SET state = 'dropped', finished_at = ?4, last_error = ?5
WHERE id IN (SELECT id FROM outbox WHERE state = 'waiting' AND kind = ?1 AND destination = ?2
             ORDER BY id DESC LIMIT -1 OFFSET ?3))sql";

template <class... Values>
Result<void> run(Connection& connection, std::string_view sql, const Values&... values) {
    auto query = connection.query(sql);
    bind_all(query, values...);
    return query.run();
}

// How many rows went.
template <class... Values>
Result<std::int64_t> remove(Connection& connection, std::string_view sql, const Values&... values) {
    auto done = run(connection, sql, values...);
    if (!done) return done.error();
    return connection.changes();
}

template <class Record>
Result<void> run_with(Connection& connection, std::string_view sql, const Record& record) {
    auto query = connection.query(sql);
    bind_record(query, record);
    return query.run();
}

// Whether the row is new. Not by one ON CONFLICT DO UPDATE: SQLite keeps a copy of every page that
// such a statement touches, to undo it alone, and most rows are new.
template <class Record>
Result<bool> put_row(Connection& connection, const Record& record) {
    auto inserted = run_with(connection, insert_new_sql<Record>(), record);
    if (!inserted) return inserted.error();
    if (connection.changes() != 0) return true;
    auto updated = run_with(connection, update_sql<Record>(), record);
    if (!updated) return updated.error();
    return false;
}

template <class Record>
Result<void> upsert(Connection& connection, const Record& record) {
    auto put = put_row(connection, record);
    if (!put) return put.error();
    return {};
}

// A row of a list that belongs to another row, at place `n` of it.
template <class Record>
Result<void> insert_part(Connection& connection, std::string_view owner_column, std::int64_t owner,
                         std::int64_t n, const Record& record) {
    static const auto sql =
        fmt::format("INSERT INTO {} ({}, n, {}) VALUES (?, ?, {})", Columns<Record>::kTable,
                    owner_column, column_list<Record>(), placeholders<Record>());
    auto query = connection.query(sql);
    bind_all(query, owner, n);
    bind_record(query, record);
    return query.run();
}

Error prefixed_with(const Result<void>& failed, std::string what) {
    return prefixed(what, failed.error());
}

class Applier {
  public:
    explicit Applier(Connection& connection) : connection_(connection) {}

    Result<void> operator()(const ports::PutDelivery& write) {
        const auto& delivery = write.delivery;
        auto is_new = put_row(connection_, delivery);
        if (!is_new) {
            if (is_new.error().code != Errc::conflict) return is_new.error();
            return Error{Errc::conflict,
                         fmt::format("delivery {} of {} for {} is stored already",
                                     delivery.delivery_id, delivery.forge, delivery.app)};
        }
        if (!*is_new) {
            auto cleared = run(connection_, "DELETE FROM changes WHERE delivery = ?", delivery.id);
            if (!cleared) return cleared;
        }
        std::int64_t n = 0;
        for (const auto& change : delivery.changes) {
            auto added = insert_part(connection_, "delivery", delivery.id.value, ++n, change);
            if (!added) return added;
        }
        return {};
    }

    Result<void> operator()(const ports::PutDeployment& write) {
        return upsert(connection_, write.deployment);
    }

    Result<void> operator()(const ports::PutStage& write) {
        const auto& stage = write.stage;
        auto stored = upsert(connection_, stage);
        if (stored) return stored;
        return prefixed_with(
            stored, fmt::format("stage {} of {}", stage.name, to_string(stage.deployment)));
    }

    Result<void> operator()(const ports::AddProbes& write) {
        auto last =
            connection_.query("SELECT coalesce(max(n), 0) FROM probes WHERE deployment = ?");
        bind_all(last, write.deployment);
        auto row = last.step();
        if (!row) return row.error();
        auto n = last.next_integer();
        for (const auto& probe : write.probes) {
            auto added = insert_part(connection_, "deployment", write.deployment.value, ++n, probe);
            if (!added)
                return prefixed_with(added,
                                     fmt::format("probes of {}", to_string(write.deployment)));
        }
        return run(connection_, "DELETE FROM probes WHERE deployment = ? AND n <= ?",
                   write.deployment, n - ports::kProbesKept);
    }

    Result<void> operator()(const ports::PutRelease& write) {
        return upsert(connection_, write.release);
    }
    Result<void> operator()(const ports::PutRun& write) { return upsert(connection_, write.run); }
    Result<void> operator()(const ports::PutApp& write) { return upsert(connection_, write.app); }
    Result<void> operator()(const ports::PutRefSeen& write) { return upsert(connection_, write); }

    Result<void> operator()(const ports::PutConfig& write) {
        return run(connection_,
                   "INSERT INTO configs (hash, json) VALUES (?, ?) ON CONFLICT DO NOTHING",
                   write.hash, write.json);
    }

    Result<void> operator()(const ports::AddEvent& write) {
        return add(write.event, committed_.event_ids);
    }

    Result<void> operator()(const ports::AddToken& write) {
        auto added = add(write.token, committed_.access_ids);
        if (added || added.error().code != Errc::conflict) return added;
        return Error{Errc::conflict, fmt::format("there is a token {} already", write.token.name)};
    }
    Result<void> operator()(const ports::PutTokenUse& write) {
        return run(connection_,
                   "UPDATE tokens SET last_used_at = ?, last_used_from = ? WHERE id = ?", write.at,
                   write.from, write.token);
    }
    Result<void> operator()(const ports::RemoveToken& write) {
        return run(connection_, "DELETE FROM tokens WHERE id = ?", write.token);
    }
    Result<void> operator()(const ports::AddAudit& write) {
        auto added = add(write.entry, committed_.access_ids);
        if (!added) return added;
        return run(connection_, "DELETE FROM audit WHERE id <= ?",
                   committed_.access_ids.back() - ports::kAuditKept);
    }
    Result<void> operator()(const ports::EndAudit& write) {
        return run(connection_, "UPDATE audit SET status_code = ?, outcome = ? WHERE id = ?",
                   write.status_code, write.outcome, write.entry);
    }
    Result<void> operator()(const ports::PutAnswer& write) {
        auto stored = upsert(connection_, write);
        if (stored)
            stored =
                run(connection_, "DELETE FROM answers WHERE at < ?", write.at - ports::kAnswersAge);
        if (!stored) return stored;
        return run(connection_, kDropAnswers, write.scope, ports::kAnswersKept);
    }
    Result<void> operator()(const ports::RemoveAnswer& write) {
        return run(connection_, "DELETE FROM answers WHERE scope = ? AND key = ?", write.scope,
                   write.key);
    }

    Result<void> operator()(const ports::AddOutgoing& write) {
        static const auto insert =
            fmt::format("INSERT INTO outbox ({}) VALUES ({})", column_list<ports::Outgoing>(),
                        placeholders<ports::Outgoing>());
        const auto& outgoing = write.outgoing;
        if (write.once) {
            auto known = connection_.query(
                "SELECT 1 FROM outbox WHERE kind = ? AND destination = ? AND key = ? LIMIT 1");
            bind_all(known, outgoing.kind, outgoing.destination, outgoing.key);
            auto row = known.step();
            if (!row) return row.error();
            if (*row) return {};
        }
        {
            auto query = connection_.query(insert);
            bind_record(query, outgoing);
            auto added = query.run();
            if (!added) return added;
        }
        static const auto why = fmt::format("more than {} were waiting", ports::kOutgoingKept);
        return run(connection_, kDropOldest, outgoing.kind, outgoing.destination,
                   ports::kOutgoingKept, outgoing.created_at, why);
    }

    Result<void> operator()(const ports::PutOutgoing& write) {
        static const auto update = [] {
            std::string text = "UPDATE outbox SET ";
            std::string_view separator;
            for (auto name : column_names<ports::Outgoing>()) {
                text.append(separator).append("\"").append(name).append("\" = ?");
                separator = ", ";
            }
            return text + " WHERE id = ?";
        }();
        auto query = connection_.query(update);
        bind_record(query, write.outgoing);
        bind_all(query, write.outgoing.id);
        auto done = query.run();
        if (!done) return done;
        if (connection_.changes() != 0) return {};
        return Error{Errc::not_found,
                     fmt::format("message {} is not in the outbox", write.outgoing.id)};
    }

    Result<void> operator()(const ports::PurgeApp& write) {
        // Configurations are shared by their hash: only those that nobody else refers to go.
        constexpr std::string_view kStatements[] = {
            R"sql(DELETE FROM configs WHERE hash IN (SELECT config FROM deployments WHERE app = ?1
                                               UNION SELECT config FROM releases WHERE app = ?1)
                AND hash NOT IN (SELECT config FROM deployments WHERE app <> ?1
                                 UNION SELECT config FROM releases WHERE app <> ?1))sql",
            "DELETE FROM deployments WHERE app = ?",
            "DELETE FROM deliveries WHERE app = ?",
            "DELETE FROM releases WHERE app = ?",
            "DELETE FROM runs WHERE app = ?",
            "DELETE FROM refs_seen WHERE app = ?",
            "DELETE FROM events WHERE app = ?",
            "DELETE FROM outbox WHERE app = ?",
            "DELETE FROM apps WHERE name = ?",
        };
        for (auto sql : kStatements) {
            auto removed = run(connection_, sql, write.app);
            if (!removed) return removed;
        }
        return {};
    }

    ports::Committed take() { return std::move(committed_); }

  private:
    // A record whose id the database assigns.
    template <class Record>
    Result<void> add(const Record& record, std::vector<std::int64_t>& ids) {
        auto query = connection_.query(insert_sql<Record>());
        bind_record(query, record);
        auto added = query.run();
        if (added) ids.push_back(sqlite3_last_insert_rowid(connection_.raw()));
        return added;
    }

    Connection& connection_;
    ports::Committed committed_;
};

Result<std::int64_t> prune_deployments(Connection& connection, TimePoint before, int keep_newest) {
    std::vector<DeploymentId> gone;
    {
        auto query = connection.query(kPruneDeployments);
        bind_all(query, before, keep_newest);
        while (true) {
            auto row = query.step();
            if (!row) return row.error();
            if (!*row) break;
            gone.push_back(DeploymentId{query.next_integer()});
        }
    }
    auto count = static_cast<std::int64_t>(gone.size());
    for (auto id : gone) {
        auto events = remove(connection, "DELETE FROM events WHERE deployment = ?", id);
        if (!events) return events;
        count += *events;
    }
    return count;
}

}  // namespace

bool LastVersions::take(const ports::Write& write) {
    if (const auto* deployment = std::get_if<ports::PutDeployment>(&write))
        deployments_[deployment->deployment.id.value] = deployment;
    else if (const auto* app = std::get_if<ports::PutApp>(&write))
        apps_[app->app.name] = app;
    else if (const auto* config = std::get_if<ports::PutConfig>(&write))
        configs_[config->hash] = config;
    else if (const auto* seen = std::get_if<ports::PutRefSeen>(&write))
        refs_[{seen->app, seen->ref}] = seen;
    else
        return false;
    return true;
}

Result<void> LastVersions::write(Connection& connection) {
    Applier applier(connection);
    Result<void> done;
    auto put = [&](auto& writes) {
        for (const auto& [key, write] : writes)
            if (done) done = applier(*write);
        writes.clear();
    };
    put(configs_);
    put(apps_);
    put(deployments_);
    put(refs_);
    return done;
}

bool may_wait(const std::vector<ports::Write>& batch) {
    return std::none_of(batch.begin(), batch.end(), [](const ports::Write& write) {
        return std::holds_alternative<ports::PutStage>(write) ||
               std::holds_alternative<ports::AddProbes>(write) ||
               std::holds_alternative<ports::PurgeApp>(write);
    });
}

Result<ports::Committed> apply_batch(Connection& connection, const std::vector<ports::Write>& batch,
                                     LastVersions* later) {
    Applier applier(connection);
    for (const auto& write : batch) {
        if (later && later->take(write)) continue;
        auto applied = std::visit(applier, write);
        if (!applied) return applied.error();
    }
    return applier.take();
}

Result<std::int64_t> prune_step(Connection& connection, TimePoint before, int keep_newest) {
    auto keep = std::max(0, keep_newest);
    auto count = prune_deployments(connection, before, keep);
    if (!count) return count;
    auto deliveries = remove(connection, kPruneDeliveries, before, keep);
    if (!deliveries) return deliveries;
    auto events = remove(connection, kPruneEvents, before);
    if (!events) return events;
    auto runs = remove(connection, kPruneRuns, before);
    if (!runs) return runs;
    auto audit = remove(connection, kPruneAudit, before);
    if (!audit) return audit;
    auto outbox = remove(connection, kPruneOutbox, before);
    if (!outbox) return outbox;
    return *count + *deliveries + *events + *runs + *audit + *outbox;
}

}  // namespace belay::store
