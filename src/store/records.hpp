// Each record's columns, named once: what is written and what is read can't disagree.
#pragma once

#include <belay/domain/access.hpp>
#include <belay/domain/deployment.hpp>
#include <belay/domain/event.hpp>
#include <belay/domain/push.hpp>
#include <belay/domain/release.hpp>
#include <belay/ports/store.hpp>

#include <string_view>
#include <type_traits>

namespace belay::store {

// kTable, kKey (the conflict target of an upsert), and columns(): calls visit(name, field) for each
// column in order. `Row` is the record, const when it is written.
template <class Record>
struct Columns;

template <>
struct Columns<domain::App> {
    static constexpr std::string_view kTable = "apps";
    static constexpr std::string_view kKey = "name";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("name", row.name);
        visit("epoch", row.epoch);
        visit("live", row.live);
        visit("stable", row.stable);
        hold(row, visit);
        visit("stopped", row.stopped);
        visit("degraded", row.degraded);
        visit("removed", row.removed);
        visit("uid_base", row.uid_base);
        visit("superseded_in_row", row.superseded_in_row);
        visit("last_release", row.last_release);
        visit("last_seen_commit", row.last_seen_commit);
    }

  private:
    template <class Row, class Visit>
    static void hold(Row& row, Visit&& visit) {
        std::optional<std::string> by;
        std::optional<std::string> why;
        std::optional<TimePoint> since;
        if (row.hold) {
            by = row.hold->by;
            why = row.hold->why;
            since = row.hold->since;
        }
        visit("hold_by", by);
        visit("hold_why", why);
        visit("hold_since", since);
        if constexpr (!std::is_const_v<Row>) {
            row.hold.reset();
            if (since) row.hold = domain::Hold{by.value_or(""), why.value_or(""), *since};
        }
    }
};

// Without its changes, which are rows of their own.
template <>
struct Columns<domain::Delivery> {
    static constexpr std::string_view kTable = "deliveries";
    static constexpr std::string_view kKey = "id";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("id", row.id);
        visit("app", row.app);
        visit("forge", row.forge);
        visit("event", row.event);
        visit("delivery_id", row.delivery_id);
        visit("received_at", row.received_at);
        visit("status_code", row.status_code);
        visit("decision", row.decision);
        visit("reason", row.reason);
        visit("deployment", row.deployment);
        visit("kind", row.kind);
        visit("repository", row.repository);
        visit("body_digest", row.body_digest);
        visit("rule", row.rule);
        visit("replay_of", row.replay_of);
    }
};

// Its table's key, (delivery, n), is not part of the record.
template <>
struct Columns<domain::Change> {
    static constexpr std::string_view kTable = "changes";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("kind", row.kind);
        visit("ref", row.ref);
        visit("ref_type", row.ref_type);
        visit("name", row.name);
        visit("before", row.before);
        visit("after", row.after);
        visit("commit", row.commit);
        visit("created", row.created);
        visit("deleted", row.deleted);
        visit("forced", row.forced);
    }
};

template <>
struct Columns<domain::Deployment> {
    static constexpr std::string_view kTable = "deployments";
    static constexpr std::string_view kKey = "id";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("id", row.id);
        visit("app", row.app);
        visit("trigger", row.trigger);
        visit("plan", row.plan);
        visit("delivery", row.delivery);
        visit("commit", row.commit);
        visit("ref", row.ref);
        visit("pinned", row.pinned);
        visit("force", row.force);
        visit("state", row.state);
        visit("reason", row.failure.reason);
        visit("failed_stage", row.failure.stage);
        visit("detail", row.failure.detail);
        visit("exit_code", row.failure.exit_code);
        visit("signal", row.failure.signal);
        visit("release", row.release);
        visit("source", row.source);
        visit("previous", row.previous);
        visit("previous_commit", row.previous_commit);
        visit("epoch", row.epoch);
        visit("config", row.config);
        visit("no_way_back", row.no_way_back);
        visit("approved", row.approved);
        visit("cancel_requested", row.cancel_requested);
        visit("superseded_by", row.superseded_by);
        visit("attempt", row.attempt);
        visit("skip_hold_on_rollback", row.skip_hold_on_rollback);
        visit("author", row.author);
        visit("message", row.message);
        visit("note", row.note);
        visit("created_at", row.created_at);
        visit("started_at", row.started_at);
        visit("switched_at", row.switched_at);
        visit("finished_at", row.finished_at);
        visit("overhead_ms", row.overhead_ms);
        visit("rule", row.rule);
        visit("expires_at", row.expires_at);
    }
};

template <>
struct Columns<domain::Stage> {
    static constexpr std::string_view kTable = "stages";
    static constexpr std::string_view kKey = "deployment, name, attempt";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("deployment", row.deployment);
        visit("name", row.name);
        visit("attempt", row.attempt);
        visit("state", row.state);
        visit("started_at", row.started_at);
        visit("finished_at", row.finished_at);
        visit("exit_code", row.exit_code);
        visit("signal", row.signal);
        visit("log_bytes", row.log_bytes);
        visit("peak_memory", row.peak_memory);
        visit("cpu_ms", row.cpu_ms);
        visit("tail", row.tail);
    }
};

// Its table's key, (deployment, n), is not part of the record.
template <>
struct Columns<domain::Probe> {
    static constexpr std::string_view kTable = "probes";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("at", row.at);
        visit("target", row.target);
        visit("family", row.family);
        visit("status", row.status);
        visit("error", row.error);
        visit("latency_ms", row.latency_ms);
        visit("body", row.body);
        visit("refused", row.refused);
    }
};

template <>
struct Columns<domain::Release> {
    static constexpr std::string_view kTable = "releases";
    static constexpr std::string_view kKey = "app, number";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("app", row.app);
        visit("number", row.number);
        visit("commit", row.commit);
        visit("ref", row.ref);
        visit("deployment", row.deployment);
        visit("state", row.state);
        visit("config", row.config);
        visit("build_key", row.build_key);
        visit("created_at", row.created_at);
        visit("live_since", row.live_since);
        visit("healthy_since", row.healthy_since);
        visit("bytes", row.bytes);
    }
};

template <>
struct Columns<domain::Run> {
    static constexpr std::string_view kTable = "runs";
    static constexpr std::string_view kKey = "id";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("id", row.id);
        visit("app", row.app);
        visit("release", row.release);
        visit("process", row.process);
        visit("instance", row.instance);
        visit("generation", row.generation);
        visit("port", row.port);
        visit("pid", row.pid);
        visit("started_at", row.started_at);
        visit("ended_at", row.ended_at);
        visit("exit_code", row.exit_code);
        visit("signal", row.signal);
    }
};

// Without its id, which the database assigns.
template <>
struct Columns<domain::EventRecord> {
    static constexpr std::string_view kTable = "events";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("at", row.at);
        visit("type", row.type);
        visit("app", row.app);
        visit("deployment", row.deployment);
        visit("text", row.text);
        visit("state", row.state);
        visit("data", row.data);
    }
};

// Without its id, which the database assigns.
template <>
struct Columns<domain::Token> {
    static constexpr std::string_view kTable = "tokens";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("name", row.name);
        visit("role", row.role);
        visit("digest", row.digest);
        visit("created_by", row.created_by);
        visit("created_at", row.created_at);
        visit("expires_at", row.expires_at);
        visit("last_used_at", row.last_used_at);
        visit("last_used_from", row.last_used_from);
    }
};

// Without its id, which the database assigns.
template <>
struct Columns<domain::AuditEntry> {
    static constexpr std::string_view kTable = "audit";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("at", row.at);
        visit("who", row.who);
        visit("role", row.role);
        visit("origin", row.origin);
        visit("act", row.act);
        visit("target", row.target);
        visit("asked", row.asked);
        visit("status_code", row.status_code);
        visit("outcome", row.outcome);
    }
};

template <>
struct Columns<ports::PutAnswer> {
    static constexpr std::string_view kTable = "answers";
    static constexpr std::string_view kKey = "scope, key";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("scope", row.scope);
        visit("key", row.key);
        visit("request", row.request);
        visit("status_code", row.status_code);
        visit("content_type", row.content_type);
        visit("body", row.body);
        visit("at", row.at);
    }
};

// Without its id, which the database assigns.
template <>
struct Columns<ports::Outgoing> {
    static constexpr std::string_view kTable = "outbox";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("kind", row.kind);
        visit("destination", row.destination);
        visit("app", row.app);
        visit("key", row.key);
        visit("message_id", row.message_id);
        visit("payload", row.payload);
        visit("state", row.state);
        visit("attempts", row.attempts);
        visit("last_error", row.last_error);
        visit("created_at", row.created_at);
        visit("next_at", row.next_at);
        visit("finished_at", row.finished_at);
    }
};

template <>
struct Columns<ports::PutRefSeen> {
    static constexpr std::string_view kTable = "refs_seen";
    static constexpr std::string_view kKey = "app, ref";

    template <class Row, class Visit>
    static void columns(Row& row, Visit&& visit) {
        visit("app", row.app);
        visit("ref", row.ref);
        visit("commit", row.commit);
        visit("at", row.at);
    }
};

}  // namespace belay::store
