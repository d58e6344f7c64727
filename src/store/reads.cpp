#include "reads.hpp"

#include "rows.hpp"

#include <algorithm>
#include <limits>

namespace belay::store {
namespace {

// SQLite takes a negative limit for none at all.
int bounded(int limit) {
    return std::max(0, limit);
}

std::int64_t upper(ports::Page page) {
    return page.before > 0 ? page.before : std::numeric_limits<std::int64_t>::max();
}

// Above every text that starts with the prefix: U+10FFFF sorts behind all else, and the comparison
// is bytewise.
std::string behind(const std::string& prefix) {
    return prefix + "\xF4\x8F\xBF\xBF";
}

template <class Record, class... Values>
List<Record> list(Connection& connection, const std::string& sql, const Values&... values) {
    auto query = connection.query(sql);
    bind_all(query, values...);
    return read_all<Record>(query);
}

template <class Record, class... Values>
Found<Record> find(Connection& connection, const std::string& sql, const Values&... values) {
    auto query = connection.query(sql);
    bind_all(query, values...);
    return read_one<Record>(query);
}

Result<void> add_changes(Connection& connection, domain::Delivery& delivery) {
    static const auto sql = select<domain::Change>("WHERE delivery = ? ORDER BY n");
    auto changes = list<domain::Change>(connection, sql, delivery.id);
    if (!changes) return changes.error();
    delivery.changes = std::move(*changes);
    return {};
}

template <class... Values>
List<domain::Delivery> list_deliveries(Connection& connection, const std::string& sql,
                                       const Values&... values) {
    auto found = list<domain::Delivery>(connection, sql, values...);
    if (!found) return found;
    for (auto& delivery : *found) {
        auto added = add_changes(connection, delivery);
        if (!added) return added.error();
    }
    return found;
}

template <class... Values>
Found<domain::Delivery> find_one_delivery(Connection& connection, const std::string& sql,
                                          const Values&... values) {
    auto found = list_deliveries(connection, sql, values...);
    if (!found) return found.error();
    if (found->empty()) return std::optional<domain::Delivery>();
    return std::optional<domain::Delivery>(std::move(found->front()));
}

// The highest id ever given out: AUTOINCREMENT's own record, which survives the rows.
Result<std::int64_t> last_id(Connection& connection, std::string_view table) {
    auto query = connection.query("SELECT seq FROM sqlite_sequence WHERE name = ?");
    bind_all(query, table);
    auto row = query.step();
    if (!row) return row.error();
    return *row ? query.next_integer() : 0;
}

Result<std::vector<ports::DeliveryIdentity>> recent_deliveries(Connection& connection) {
    auto query = connection.query(
        "SELECT app, forge, delivery_id FROM deliveries WHERE id > ? AND delivery_id <> ''");
    auto last = last_id(connection, "deliveries");
    if (!last) return last.error();
    bind_all(query, *last - ports::kRecentDeliveries);
    std::vector<ports::DeliveryIdentity> found;
    while (true) {
        auto row = query.step();
        if (!row) return row.error();
        if (!*row) return found;
        ports::DeliveryIdentity identity;
        identity.app = query.next_text();
        identity.forge = query.next_text();
        identity.delivery_id = query.next_text();
        found.push_back(std::move(identity));
    }
}

}  // namespace

Result<ports::Snapshot> snapshot(Connection& connection) {
    static const auto apps_sql = select<domain::App>("ORDER BY name");
    static const auto unfinished_sql = select<domain::Deployment>(
        "WHERE state <> 'healthy' AND state <> 'failed' AND state <> 'rolled_back' AND "
        "state <> 'canceled' AND state <> 'superseded' ORDER BY id");
    static const auto runs_sql = select<domain::Run>("WHERE ended_at = 0 ORDER BY started_at, id");
    auto apps = list<domain::App>(connection, apps_sql);
    if (!apps) return apps.error();
    auto unfinished = list<domain::Deployment>(connection, unfinished_sql);
    if (!unfinished) return unfinished.error();
    auto runs = list<domain::Run>(connection, runs_sql);
    if (!runs) return runs.error();
    auto last_deployment = last_id(connection, "deployments");
    if (!last_deployment) return last_deployment.error();
    auto last_delivery = last_id(connection, "deliveries");
    if (!last_delivery) return last_delivery.error();
    auto last_event = last_id(connection, "events");
    if (!last_event) return last_event.error();
    auto recent = recent_deliveries(connection);
    if (!recent) return recent.error();
    return ports::Snapshot{std::move(*apps),  std::move(*unfinished), std::move(*runs),
                           *last_deployment,  *last_delivery,         *last_event,
                           std::move(*recent)};
}

Found<domain::Delivery> find_delivery(Connection& connection, const std::string& app,
                                      const std::string& forge, const std::string& delivery_id) {
    // The second condition lets the partial index serve, and deliveries without an id are never the
    // same.
    static const auto sql = select<domain::Delivery>(
        "WHERE app = ? AND forge = ? AND delivery_id = ? AND delivery_id <> ''");
    return find_one_delivery(connection, sql, app, forge, delivery_id);
}

Found<domain::Delivery> find_body(Connection& connection, const std::string& app,
                                  const std::string& commit, const std::string& digest) {
    // By the commit: an index of digests would cost each delivery a page of its own.
    static const auto sql = select<domain::Delivery>(
        "WHERE app = ? AND body_digest = ? AND id IN (SELECT delivery FROM changes "
        "WHERE \"commit\" = ?) ORDER BY id DESC LIMIT 1");
    return find_one_delivery(connection, sql, app, digest, commit);
}

Found<domain::Delivery> delivery(Connection& connection, DeliveryId id) {
    static const auto sql = select<domain::Delivery>("WHERE id = ?");
    return find_one_delivery(connection, sql, id);
}

List<domain::Delivery> deliveries(Connection& connection, const std::string& app,
                                  ports::Page page) {
    static const auto all = select<domain::Delivery>("WHERE id < ? ORDER BY id DESC LIMIT ?");
    static const auto of_app =
        select<domain::Delivery>("WHERE app = ? AND id < ? ORDER BY id DESC LIMIT ?");
    if (app.empty()) return list_deliveries(connection, all, upper(page), bounded(page.limit));
    return list_deliveries(connection, of_app, app, upper(page), bounded(page.limit));
}

List<domain::Delivery> deliveries_of_commit(Connection& connection, const std::string& prefix,
                                            int limit) {
    static const auto sql = select<domain::Delivery>(R"sql(WHERE id IN (
        SELECT delivery FROM changes WHERE "commit" >= ?1 AND "commit" < ?2
        UNION SELECT delivery FROM changes WHERE "after" >= ?1 AND "after" < ?2
                                             AND "after" IS NOT "commit")
        ORDER BY id DESC LIMIT ?3)sql");
    if (prefix.empty()) return std::vector<domain::Delivery>();
    return list_deliveries(connection, sql, prefix, behind(prefix), bounded(limit));
}

Found<domain::Deployment> deployment(Connection& connection, DeploymentId id) {
    static const auto sql = select<domain::Deployment>("WHERE id = ?");
    return find<domain::Deployment>(connection, sql, id);
}

List<domain::Deployment> deployments(Connection& connection, const std::string& app,
                                     ports::Page page) {
    static const auto all = select<domain::Deployment>("WHERE id < ? ORDER BY id DESC LIMIT ?");
    static const auto of_app =
        select<domain::Deployment>("WHERE app = ? AND id < ? ORDER BY id DESC LIMIT ?");
    if (app.empty())
        return list<domain::Deployment>(connection, all, upper(page), bounded(page.limit));
    return list<domain::Deployment>(connection, of_app, app, upper(page), bounded(page.limit));
}

List<domain::Deployment> deployments_of_commit(Connection& connection, const std::string& prefix,
                                               int limit) {
    static const auto sql = select<domain::Deployment>(
        R"sql(WHERE "commit" >= ? AND "commit" < ? ORDER BY id DESC LIMIT ?)sql");
    if (prefix.empty()) return std::vector<domain::Deployment>();
    return list<domain::Deployment>(connection, sql, prefix, behind(prefix), bounded(limit));
}

List<domain::Stage> stages(Connection& connection, DeploymentId id) {
    // rowid: in the order in which they were first stored, so begun.
    static const auto sql = select<domain::Stage>("WHERE deployment = ? ORDER BY rowid");
    return list<domain::Stage>(connection, sql, id);
}

List<domain::Probe> probes(Connection& connection, DeploymentId id, int limit) {
    static const auto sql = select<domain::Probe>("WHERE deployment = ? ORDER BY n DESC LIMIT ?");
    auto found = list<domain::Probe>(connection, sql, id, bounded(limit));
    if (found) std::reverse(found->begin(), found->end());
    return found;
}

List<domain::Release> releases(Connection& connection, const std::string& app) {
    static const auto sql = select<domain::Release>("WHERE app = ? ORDER BY number DESC");
    return list<domain::Release>(connection, sql, app);
}

Found<domain::Release> release(Connection& connection, const std::string& app,
                               ReleaseNumber number) {
    static const auto sql = select<domain::Release>("WHERE app = ? AND number = ?");
    return find<domain::Release>(connection, sql, app, number);
}

Found<std::string> config(Connection& connection, const std::string& hash) {
    auto query = connection.query("SELECT json FROM configs WHERE hash = ?");
    bind_all(query, hash);
    auto row = query.step();
    if (!row) return row.error();
    if (!*row) return std::optional<std::string>();
    return std::optional<std::string>(query.next_text());
}

Found<ports::RefSeen> ref_seen(Connection& connection, const std::string& app,
                               const std::string& ref) {
    static const auto sql = select<ports::PutRefSeen>("WHERE app = ? AND ref = ?");
    auto row = find<ports::PutRefSeen>(connection, sql, app, ref);
    if (!row) return row.error();
    if (!*row) return std::optional<ports::RefSeen>();
    auto& seen = **row;
    return std::optional(ports::RefSeen{std::move(seen.ref), std::move(seen.commit), seen.at});
}

List<domain::EventRecord> events(Connection& connection, std::int64_t after, int limit,
                                 const std::string& app, DeploymentId deployment) {
    // One text for each combination, as a condition that may be absent would keep the indexes from
    // serving.
    static const auto make = [](std::string_view where) {
        return select_numbered<domain::EventRecord>("WHERE id > ? " + std::string(where) +
                                                    " ORDER BY id LIMIT ?");
    };
    static const auto all = make("");
    static const auto of_app = make("AND app = ?");
    static const auto of_deployment = make("AND deployment <> 0 AND deployment = ?");
    static const auto of_both = make("AND deployment <> 0 AND deployment = ? AND app = ?");
    auto query = connection.query(deployment ? (app.empty() ? of_deployment : of_both)
                                             : (app.empty() ? all : of_app));
    bind_all(query, after);
    if (deployment) bind_all(query, deployment);
    if (!app.empty()) bind_all(query, app);
    bind_all(query, bounded(limit));
    return read_numbered<domain::EventRecord>(query);
}

List<domain::Token> tokens(Connection& connection) {
    static const auto sql = select_numbered<domain::Token>("ORDER BY name");
    auto query = connection.query(sql);
    return read_numbered<domain::Token>(query);
}

List<domain::AuditEntry> audit(Connection& connection, ports::Page page) {
    static const auto sql =
        select_numbered<domain::AuditEntry>("WHERE id < ? ORDER BY id DESC LIMIT ?");
    auto query = connection.query(sql);
    bind_all(query, upper(page), bounded(page.limit));
    return read_numbered<domain::AuditEntry>(query);
}

Found<ports::PutAnswer> answer(Connection& connection, const std::string& scope,
                               const std::string& key, TimePoint now) {
    static const auto sql = select<ports::PutAnswer>("WHERE scope = ? AND key = ? AND at >= ?");
    return find<ports::PutAnswer>(connection, sql, scope, key, now - ports::kAnswersAge);
}

List<ports::Destination> waiting_destinations(Connection& connection) {
    auto query = connection.query(
        "SELECT DISTINCT kind, destination FROM outbox WHERE state = 'waiting' ORDER BY kind, "
        "destination");
    std::vector<ports::Destination> found;
    while (true) {
        auto row = query.step();
        if (!row) return row.error();
        if (!*row) return found;
        ports::Destination destination;
        auto complaint = take(query, destination.kind);
        if (!complaint.empty()) return Error{Errc::internal, "the database's outbox: " + complaint};
        take(query, destination.name);
        found.push_back(std::move(destination));
    }
}

List<ports::Outgoing> waiting_outgoing(Connection& connection,
                                       const ports::Destination& destination, int limit) {
    static const auto sql = "SELECT id, " + column_list<ports::Outgoing>() +
                            " FROM outbox WHERE state = 'waiting' AND kind = ? AND destination = "
                            "? ORDER BY id LIMIT ?";
    auto query = connection.query(sql);
    bind_all(query, destination.kind, destination.name, bounded(limit));
    std::vector<ports::Outgoing> found;
    while (true) {
        auto row = query.step();
        if (!row) return row.error();
        if (!*row) return found;
        auto id = query.next_integer();
        found.push_back(read_record<ports::Outgoing>(query));
        found.back().id = id;
    }
}

Result<TimePoint> last_sent(Connection& connection, const ports::Destination& destination,
                            const std::string& key) {
    auto query = connection.query(
        "SELECT coalesce(max(finished_at), 0) FROM outbox WHERE kind = ? AND destination = ? AND "
        "key = ? AND state = 'sent'");
    bind_all(query, destination.kind, destination.name, key);
    auto row = query.step();
    if (!row) return row.error();
    TimePoint at{};
    take(query, at);
    return at;
}

}  // namespace belay::store
