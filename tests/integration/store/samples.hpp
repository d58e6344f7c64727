// Records with every field set to something that is not its default, so that a column left out
// shows.
#pragma once

#include <belay/ports/store.hpp>

#include <string>

namespace belay::test {

inline TimePoint at(std::int64_t ms) {
    return TimePoint(Millis(ms));
}

inline domain::Change sample_change() {
    domain::Change change;
    change.kind = domain::PushKind::tag_delete;
    change.ref = "refs/tags/v1";
    change.ref_type = domain::RefType::tag;
    change.name = "v1";
    change.before = std::string(40, 'b');
    change.after = std::string(40, 'a');
    change.commit = std::string(40, 'c');
    change.created = true;
    change.deleted = true;
    change.forced = true;
    return change;
}

inline domain::Delivery sample_delivery(std::int64_t id) {
    domain::Delivery delivery;
    delivery.id = DeliveryId{id};
    delivery.app = "shop";
    delivery.forge = "github";
    delivery.event = "push";
    delivery.delivery_id = "72d3162e-" + std::to_string(id);
    delivery.received_at = at(1'000 + id);
    delivery.status_code = 202;
    delivery.decision = domain::Decision::queued;
    delivery.reason = "because \"it's\" new: \xC3\xA4";
    delivery.deployment = DeploymentId{7};
    delivery.kind = domain::PushKind::mixed;
    delivery.repository = "octo/shop";
    delivery.changes = {sample_change(), domain::Change{}};
    delivery.changes.back().forced = false;
    delivery.body_digest = std::string(64, 'd');
    delivery.rule = domain::Rule::branch;
    delivery.replay_of = DeliveryId{7};
    return delivery;
}

inline domain::Deployment sample_deployment(std::int64_t id) {
    domain::Deployment deployment;
    deployment.id = DeploymentId{id};
    deployment.app = "shop";
    deployment.trigger = domain::Trigger::redeliver;
    deployment.plan = domain::Plan::copy;
    deployment.delivery = DeliveryId{3};
    deployment.commit = std::string(40, 'c');
    deployment.ref = "refs/heads/main";
    deployment.pinned = true;
    deployment.force = true;
    deployment.state = domain::State::rolling_back;
    deployment.failure =
        domain::Failure{domain::Reason::error_ratio, "baking", "5 % of answers", 10, 9};
    deployment.release = 12;
    deployment.source = 11;
    deployment.previous = 10;
    deployment.previous_commit = std::string(40, 'e');
    deployment.epoch = 44;
    deployment.config = "cafe";
    deployment.no_way_back = true;
    deployment.approved = true;
    deployment.cancel_requested = true;
    deployment.superseded_by = DeploymentId{99};
    deployment.attempt = 3;
    deployment.skip_hold_on_rollback = true;
    deployment.author = "Ada";
    deployment.message = "Fix it";
    deployment.note = "by root";
    deployment.created_at = at(100);
    deployment.started_at = at(200);
    deployment.switched_at = at(300);
    deployment.finished_at = at(400);
    deployment.rule = domain::Rule::skip_mark;
    deployment.expires_at = TimePoint{Millis{1'763'600'000'000}};
    deployment.overhead_ms = 0;  // known, and nothing: not the same as unknown
    return deployment;
}

inline domain::Deployment ended(std::int64_t id, const std::string& app, std::int64_t finished) {
    domain::Deployment deployment;
    deployment.id = DeploymentId{id};
    deployment.app = app;
    deployment.state = domain::State::failed;
    deployment.finished_at = at(finished);
    return deployment;
}

inline domain::Stage sample_stage(DeploymentId deployment) {
    domain::Stage stage;
    stage.deployment = deployment;
    stage.name = "build-2";
    stage.attempt = 2;
    stage.state = domain::StageState::failed;
    stage.started_at = at(10);
    stage.finished_at = at(20);
    stage.exit_code = 0;
    stage.signal = 15;
    stage.log_bytes = 123;
    stage.peak_memory = std::int64_t{5} << 32;
    stage.cpu_ms = 77;
    stage.tail = "last\nlines";
    return stage;
}

inline domain::Probe sample_probe(std::int64_t time) {
    domain::Probe probe;
    probe.at = at(time);
    probe.target = "http://127.0.0.1:20001/healthz";
    probe.family = "ipv4";
    probe.status = 503;
    probe.error = "status 503";
    probe.latency_ms = 12;
    probe.body = std::string("nul \0 in it", 11);
    probe.refused = true;
    return probe;
}

inline domain::Release sample_release(ReleaseNumber number) {
    domain::Release release;
    release.app = "shop";
    release.number = number;
    release.commit = std::string(40, 'c');
    release.ref = "refs/heads/main";
    release.deployment = DeploymentId{7};
    release.state = domain::ReleaseState::standby;
    release.config = "cafe";
    release.build_key = "beef";
    release.created_at = at(1);
    release.live_since = at(2);
    release.healthy_since = at(3);
    release.bytes = 4;
    return release;
}

inline domain::App sample_app() {
    domain::App app;
    app.name = "shop";
    app.epoch = 5;
    app.live = 4;
    app.stable = 3;
    app.hold = domain::Hold{"ada", "a rollback", at(50)};
    app.stopped = true;
    app.degraded = true;
    app.removed = true;
    app.uid_base = 52'000;
    app.superseded_in_row = 2;
    app.last_release = 12;
    app.last_seen_commit = std::string(40, 'f');
    return app;
}

inline domain::Run sample_run(int generation) {
    domain::Run run;
    run.id = "shop.12.web.2." + std::to_string(generation);
    run.app = "shop";
    run.release = 12;
    run.process = "web";
    run.instance = 2;
    run.generation = generation;
    run.port = 20'001;
    run.pid = 4'321;
    run.started_at = at(60 + generation);
    run.exit_code = 0;
    run.signal = 11;
    return run;
}

inline domain::EventRecord sample_event(const std::string& text) {
    domain::EventRecord event;
    event.at = at(70);
    event.type = "deployment";
    event.app = "shop";
    event.deployment = DeploymentId{7};
    event.text = text;
    event.state = "baking";
    event.data = R"({"release":12})";
    return event;
}

inline domain::Token sample_token(const std::string& name) {
    domain::Token token;
    token.name = name;
    token.role = domain::Role::admin;
    token.digest = "digest of " + name;
    token.created_by = "ada";
    token.created_at = at(1);
    token.expires_at = at(2);
    token.last_used_at = at(3);
    token.last_used_from = "192.0.2.7";
    return token;
}

inline domain::AuditEntry sample_entry(const std::string& act) {
    domain::AuditEntry entry;
    entry.at = at(80);
    entry.who = "token ci";
    entry.role = domain::Role::deploy;
    entry.origin = "192.0.2.7";
    entry.act = act;
    entry.target = "shop";
    entry.asked = R"({"ref":"main"})";
    entry.status_code = 202;
    entry.outcome = "d7";
    return entry;
}

inline ports::Outgoing sample_outgoing(std::string destination, std::string key) {
    ports::Outgoing outgoing;
    outgoing.kind = ports::OutgoingKind::status;
    outgoing.destination = std::move(destination);
    outgoing.app = "shop";
    outgoing.key = std::move(key);
    outgoing.message_id = "msg_1";
    outgoing.payload = R"({"a":"ä"})";
    outgoing.attempts = 2;
    outgoing.last_error = "answered 500";
    outgoing.created_at = at(11);
    outgoing.next_at = at(12);
    return outgoing;
}

}  // namespace belay::test
