#include "migrations.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace belay::store {
namespace {

// "Bely", in the file's header (sqlite.org/fileformat2.html, offset 68): tells our file from any
// other's.
constexpr int kApplicationId = 0x42656c79;

// Instants are UTC milliseconds, 0 where there is none; ids 0 where there is none; enumerations are
// stored as their words. AUTOINCREMENT: an id is never given out twice, even after the newest row
// is gone.
constexpr const char* kFirst = R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE apps (
    name TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    live INTEGER NOT NULL,
    stable INTEGER NOT NULL,
    hold_by TEXT,
    hold_why TEXT,
    hold_since INTEGER,  -- NULL: not on hold
    stopped INTEGER NOT NULL,
    degraded INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    uid_base INTEGER NOT NULL,
    superseded_in_row INTEGER NOT NULL,
    last_release INTEGER NOT NULL,
    last_seen_commit TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    forge TEXT NOT NULL,
    event TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    status_code INTEGER NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL,
    deployment INTEGER NOT NULL,
    kind TEXT NOT NULL,
    repository TEXT NOT NULL,
    body_digest TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX deliveries_identity ON deliveries (app, forge, delivery_id) WHERE delivery_id <> '';
CREATE INDEX deliveries_digest ON deliveries (app, body_digest, id);
CREATE INDEX deliveries_app ON deliveries (app, id);
CREATE INDEX deliveries_received ON deliveries (received_at);

CREATE TABLE changes (
    delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    ref_type TEXT NOT NULL,
    name TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT,
    "commit" TEXT,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    forced INTEGER,
    PRIMARY KEY (delivery, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX changes_commit ON changes ("commit") WHERE "commit" IS NOT NULL;
CREATE INDEX changes_after ON changes ("after") WHERE "after" IS NOT NULL;

CREATE TABLE deployments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    "plan" TEXT NOT NULL,
    delivery INTEGER NOT NULL,
    "commit" TEXT NOT NULL,
    ref TEXT NOT NULL,
    pinned INTEGER NOT NULL,
    force INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    failed_stage TEXT NOT NULL,
    detail TEXT NOT NULL,
    exit_code INTEGER,
    signal INTEGER,
    "release" INTEGER NOT NULL,
    source INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    previous_commit TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    config TEXT NOT NULL,
    no_way_back INTEGER NOT NULL,
    approved INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    superseded_by INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    skip_hold_on_rollback INTEGER NOT NULL,
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    switched_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    overhead_ms INTEGER
) STRICT;
CREATE INDEX deployments_app ON deployments (app, id);
CREATE INDEX deployments_commit ON deployments ("commit", id);
CREATE INDEX deployments_finished ON deployments (finished_at);
CREATE INDEX deployments_unfinished ON deployments (id)
    WHERE state NOT IN ('healthy', 'failed', 'rolled_back', 'canceled', 'superseded');

CREATE TABLE stages (
    deployment INTEGER NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    exit_code INTEGER,
    signal INTEGER,
    log_bytes INTEGER NOT NULL,
    peak_memory INTEGER NOT NULL,
    cpu_ms INTEGER NOT NULL,
    tail TEXT NOT NULL,
    UNIQUE (deployment, name, attempt)
) STRICT;

CREATE TABLE probes (
    deployment INTEGER NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    target TEXT NOT NULL,
    family TEXT NOT NULL,
    status INTEGER NOT NULL,
    error TEXT NOT NULL,
    latency_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (deployment, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
    app TEXT NOT NULL,
    number INTEGER NOT NULL,
    "commit" TEXT NOT NULL,
    ref TEXT NOT NULL,
    deployment INTEGER NOT NULL,
    state TEXT NOT NULL,
    config TEXT NOT NULL,
    build_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    live_since INTEGER NOT NULL,
    healthy_since INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (app, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX releases_deployment ON releases (deployment);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    app TEXT NOT NULL,
    "release" INTEGER NOT NULL,
    process TEXT NOT NULL,
    instance INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    port INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    exit_code INTEGER,
    signal INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_ended ON runs (ended_at);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    app TEXT NOT NULL,
    deployment INTEGER NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX events_app ON events (app, id);
CREATE INDEX events_deployment ON events (deployment, id) WHERE deployment <> 0;
CREATE INDEX events_at ON events (at);

CREATE TABLE refs_seen (
    app TEXT NOT NULL,
    ref TEXT NOT NULL,
    "commit" TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (app, ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE configs (hash TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
)sql";

// Access to the API: who may, what was done, and what was answered under an Idempotency-Key.
constexpr const char* kAccess = R"sql(
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    last_used_from TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    role TEXT NOT NULL,
    origin TEXT NOT NULL,
    act TEXT NOT NULL,
    target TEXT NOT NULL,
    asked TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
CREATE INDEX audit_at ON audit (at);

CREATE TABLE answers (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_of_scope ON answers (scope, at);
CREATE INDEX answers_at ON answers (at);
)sql";

constexpr const char* kOutbox = R"sql(
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    destination TEXT NOT NULL,
    app TEXT NOT NULL,
    key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_waiting ON outbox (kind, destination, id) WHERE state = 'waiting';
CREATE INDEX outbox_key ON outbox (kind, destination, key);
CREATE INDEX outbox_finished ON outbox (finished_at) WHERE finished_at > 0;
)sql";

// By which rule things were decided, whose repetition a delivery is, how long approval is waited
// for.
constexpr const char* kRules = R"sql(
ALTER TABLE deliveries ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN replay_of INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
)sql";

// Each index with keys in no order costs a delivery a page to write: a body is found by its commit,
// and only an annotated tag's object is another than the commit.
constexpr const char* kFewerIndexes = R"sql(
DROP INDEX deliveries_digest;
DROP INDEX changes_after;
CREATE INDEX changes_after ON changes ("after") WHERE "after" IS NOT NULL AND "after" IS NOT "commit";
)sql";

// For a list of more than two words SQLite builds a table anew for each row that is written. The
// terms are those of the snapshot's query, or it could not use the index.
constexpr const char* kUnfinished = R"sql(
DROP INDEX deployments_unfinished;
CREATE INDEX deployments_unfinished ON deployments (id)
    WHERE state <> 'healthy' AND state <> 'failed' AND state <> 'rolled_back' AND state <> 'canceled'
      AND state <> 'superseded';
)sql";

constexpr std::array<const char*, 6> kMigrations{kFirst, kAccess,       kOutbox,
                                                 kRules, kFewerIndexes, kUnfinished};

Result<int> number(Connection& connection, const std::string& pragma) {
    auto text = connection.value("PRAGMA " + pragma);
    if (!text) return text.error();
    int value = 0;
    std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

Error newer(Connection& connection, int version, int known) {
    // `meta` is in every schema, so that older programs can say who wrote the file.
    auto writer = connection.value("SELECT value FROM meta WHERE name = 'belay'");
    auto cure = writer && !writer->empty() ? fmt::format("install belay >= {}", *writer)
                                           : std::string("install the newer belay again");
    return Error{
        Errc::conflict,
        fmt::format("the database {} has schema {}, and belay {} knows schemas up to {}: {}, or "
                    "restore a backup made before the upgrade (belay restore FILE). The file "
                    "was left as it is",
                    connection.path(), version, BELAY_VERSION, known, cure)};
}

Result<void> apply(Connection& connection, const char* step, int version) {
    auto begun = connection.execute("BEGIN IMMEDIATE");
    if (!begun) return begun;
    auto done = connection.execute(fmt::format(
        "{}; PRAGMA application_id = {}; PRAGMA user_version = {};"
        "INSERT INTO meta VALUES ('belay', '{}') ON CONFLICT DO UPDATE SET value = excluded.value;"
        "COMMIT",
        step, kApplicationId, version, BELAY_VERSION));
    if (done) return {};
    if (connection.in_transaction()) {
        auto undone = connection.execute("ROLLBACK");
        if (!undone) return undone;
    }
    return prefixed(
        fmt::format("bringing the database {} to schema {}", connection.path(), version),
        done.error());
}

}  // namespace

std::span<const char* const> migrations() {
    return kMigrations;
}

Result<int> check_version(Connection& connection, int known) {
    auto version = number(connection, "user_version");
    if (!version) return version.error();
    auto application = number(connection, "application_id");
    if (!application) return application.error();
    if (*application != kApplicationId) {
        auto tables = number(connection, "schema_version");
        if (!tables) return tables.error();
        if (*version != 0 || *application != 0 || *tables != 0)
            return Error{
                Errc::conflict,
                fmt::format("{} is a database of another program: move it away, or choose another "
                            "state directory",
                            connection.path())};
    }
    if (*version > known) return newer(connection, *version, known);
    return *version;
}

Result<void> migrate(Connection& connection, std::span<const char* const> steps) {
    auto version = check_version(connection, static_cast<int>(steps.size()));
    if (!version) return version.error();
    for (auto next = static_cast<std::size_t>(*version); next < steps.size(); ++next) {
        auto applied = apply(connection, steps[next], static_cast<int>(next) + 1);
        if (!applied) return applied;
    }
    return {};
}

}  // namespace belay::store
