#include "json_shapes.hpp"

#include <belay/base/time.hpp>

namespace belay::http {
namespace {

using http::shape;  // beside those of this file, which would hide them

Json time_or_null(TimePoint time) {
    return time == TimePoint{} ? Json() : Json(format_time(time));
}
Json text_or_null(std::string_view text) {
    return text.empty() ? Json() : Json(text);
}

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

template <class Tag>
Json id_or_null(Id<Tag> id) {
    return id ? Json(to_string(id)) : Json();
}

Json number_or_null(std::int64_t number) {
    return number == 0 ? Json() : Json(number);
}

Json shape(const domain::Stage& stage) {
    return {{"name", stage.name},
            {"attempt", stage.attempt},
            {"state", to_string(stage.state)},
            {"started_at", time_or_null(stage.started_at)},
            {"finished_at", time_or_null(stage.finished_at)},
            {"exit_code", or_null(stage.exit_code)},
            {"signal", or_null(stage.signal)},
            {"log_bytes", stage.log_bytes},
            {"peak_memory", stage.peak_memory},
            {"cpu_ms", stage.cpu_ms}};
}

Json shape(const domain::Probe& probe) {
    return {{"at", time_or_null(probe.at)},
            {"target", probe.target},
            {"family", text_or_null(probe.family)},
            {"status", number_or_null(probe.status)},
            {"error", text_or_null(probe.error)},
            {"latency_ms", probe.latency_ms},
            {"body", probe.body}};
}

Json shape(const domain::Change& change) {
    return {{"kind", to_string(change.kind)},
            {"ref", change.ref},
            {"ref_type", to_string(change.ref_type)},
            {"name", change.name},
            {"before", or_null(change.before)},
            {"after", or_null(change.after)},
            {"commit", or_null(change.commit)},
            {"created", change.created},
            {"deleted", change.deleted},
            {"forced", or_null(change.forced)}};
}

Json shape(const engine::ProcessView& process) {
    return {{"run_id", process.run_id},
            {"process", process.process},
            {"instance", process.instance},
            {"release", number_or_null(process.release)},
            {"state", process.state},
            {"pid", number_or_null(process.pid)},
            {"port", number_or_null(process.port)},
            {"restarts", process.restarts},
            {"started_at", time_or_null(process.started_at)}};
}

Json shape(const ports::Complaint& complaint) {
    return {{"file", complaint.file},
            {"line", number_or_null(complaint.line)},
            {"column", number_or_null(complaint.column)},
            {"message", complaint.message},
            {"warning", complaint.warning}};
}

Json shape(const std::optional<domain::Hold>& hold) {
    if (!hold) return nullptr;
    return {{"by", hold->by}, {"why", hold->why}, {"since", time_or_null(hold->since)}};
}

Json shape(const std::optional<engine::LiveView>& live) {
    if (!live) return nullptr;
    return {{"release", live->release},
            {"commit", text_or_null(live->commit)},
            {"since", time_or_null(live->since)},
            {"health", live->health}};
}

Json shape(const std::optional<engine::PollView>& poll) {
    if (!poll) return nullptr;
    return {{"last_at", time_or_null(poll->last_at)},
            {"next_at", time_or_null(poll->next_at)},
            {"tip", text_or_null(poll->tip)},
            {"failures", poll->failures},
            {"error", text_or_null(poll->error)}};
}

Json shape(const engine::WhyStep& step) {
    return {{"at", time_or_null(step.at)},
            {"kind", step.kind},
            {"subject", text_or_null(step.subject)},
            {"state", text_or_null(step.state)},
            {"rule", text_or_null(to_string(step.rule))},
            {"text", step.text},
            {"lines", step.lines}};
}

// Behind all shapes of this file, as a template sees only those before it.
template <class T>
Json shapes(const std::vector<T>& values) {
    auto items = Json::array();
    for (const auto& value : values)
        items.push_back(shape(value));
    return items;
}

}  // namespace

Json shape(const engine::AppView& app) {
    return {{"name", app.name},
            {"state", to_string(app.state)},
            {"hold", shape(app.hold)},
            {"live", shape(app.live)},
            {"standby", app.standby ? Json{{"release", app.standby}} : Json()},
            {"stable", number_or_null(app.stable)},
            {"deployment", app.deployment ? shape(*app.deployment) : Json()},
            {"queued", shapes(app.queued)},
            {"processes", shapes(app.processes)},
            {"config_error", text_or_null(app.config_error)},
            {"config_newer", app.config_newer},
            {"orphaned", app.orphaned},
            {"file", text_or_null(app.file)},
            {"repo", text_or_null(app.repo)},
            {"branch", text_or_null(app.branch)},
            {"tags", text_or_null(app.tags)},
            {"poll", shape(app.poll)},
            {"urls", app.urls}};
}

Json shape(const domain::Deployment& deployment) {
    const auto& failure = deployment.failure;
    return {{"id", to_string(deployment.id)},
            {"app", deployment.app},
            {"trigger", to_string(deployment.trigger)},
            {"delivery", id_or_null(deployment.delivery)},
            {"commit", text_or_null(deployment.commit)},
            {"ref", text_or_null(deployment.ref)},
            {"state", to_string(deployment.state)},
            {"stage", text_or_null(failure.stage)},
            {"reason", text_or_null(to_string(failure.reason))},
            {"blame", text_or_null(to_string(blame_of(failure.reason)))},
            {"rule", text_or_null(to_string(deployment.rule))},
            {"detail", text_or_null(failure.detail)},
            {"exit_code", or_null(failure.exit_code)},
            {"signal", or_null(failure.signal)},
            {"release", number_or_null(deployment.release)},
            {"previous", number_or_null(deployment.previous)},
            {"created_at", time_or_null(deployment.created_at)},
            {"started_at", time_or_null(deployment.started_at)},
            {"switched_at", time_or_null(deployment.switched_at)},
            {"finished_at", time_or_null(deployment.finished_at)},
            {"expires_at", time_or_null(deployment.expires_at)},
            {"overhead_ms", or_null(deployment.overhead_ms)},
            {"plan", to_string(deployment.plan)},
            {"force", deployment.force},
            {"attempt", deployment.attempt},
            {"superseded_by", id_or_null(deployment.superseded_by)},
            {"author", text_or_null(deployment.author)},
            {"message", text_or_null(deployment.message)},
            {"note", text_or_null(deployment.note)},
            {"stages", nullptr},
            {"probes", nullptr},
            {"log_tail", nullptr}};
}

Json shape(const engine::DeploymentView& view) {
    auto json = shape(view.deployment);
    json["stages"] = shapes(view.stages);
    json["probes"] = shapes(view.probes);
    json["log_tail"] = view.log_tail;
    return json;
}

Json shape(const domain::Release& release) {
    return {{"number", release.number},
            {"app", release.app},
            {"commit", text_or_null(release.commit)},
            {"ref", text_or_null(release.ref)},
            {"deployment", id_or_null(release.deployment)},
            {"state", to_string(release.state)},
            {"created_at", time_or_null(release.created_at)},
            {"live_since", time_or_null(release.live_since)},
            {"healthy_since", time_or_null(release.healthy_since)},
            {"bytes", release.bytes}};
}

Json shape(const domain::Delivery& delivery) {
    return {{"id", to_string(delivery.id)},
            {"app", delivery.app},
            {"forge", text_or_null(delivery.forge)},
            {"event", text_or_null(delivery.event)},
            {"delivery_id", text_or_null(delivery.delivery_id)},
            {"received_at", time_or_null(delivery.received_at)},
            {"status_code", delivery.status_code},
            {"decision", to_string(delivery.decision)},
            {"rule", text_or_null(to_string(delivery.rule))},
            {"reason", text_or_null(delivery.reason)},
            {"deployment", id_or_null(delivery.deployment)},
            {"replay_of", id_or_null(delivery.replay_of)},
            {"kind", to_string(delivery.kind)},
            {"repository", text_or_null(delivery.repository)},
            {"changes", shapes(delivery.changes)}};
}

Json shape(const domain::EventRecord& event) {
    auto data = event.data.empty() ? Json() : Json::parse(event.data, nullptr, false);
    return {{"id", event.id},
            {"at", time_or_null(event.at)},
            {"type", event.type},
            {"app", text_or_null(event.app)},
            {"deployment", id_or_null(event.deployment)},
            {"state", text_or_null(event.state)},
            {"text", event.text},
            {"data", data.is_discarded() ? Json(event.data) : std::move(data)}};
}

Json shape(const engine::Explanation& explanation) {
    return {{"app", text_or_null(explanation.app)}, {"commit", text_or_null(explanation.commit)},
            {"ref", text_or_null(explanation.ref)}, {"answer", explanation.answer},
            {"steps", shapes(explanation.steps)},   {"next", explanation.next}};
}

Json shape(const engine::HookAnswer& answer) {
    return {{"delivery", id_or_null(answer.delivery)},
            {"deployment", id_or_null(answer.deployment)},
            {"decision", to_string(answer.decision)},
            {"reason", text_or_null(answer.reason)}};
}

Json shape(const engine::Accepted& accepted) {
    return {{"deployment", id_or_null(accepted.deployment)}, {"note", text_or_null(accepted.note)}};
}

Json shape(const engine::ReloadReport& report) {
    auto changes = Json::array();
    for (const auto& [app, change] : report.changes)
        changes.push_back({{"app", app}, {"change", change}});
    return {{"ok", report.ok},
            {"complaints", shapes(report.complaints)},
            {"changes", std::move(changes)}};
}

Json shape(const engine::ServerStatus& status) {
    return {{"version", status.version},
            {"started_at", time_or_null(status.started_at)},
            {"pid", status.pid},
            {"proxy_pid", number_or_null(status.proxy_pid)},
            {"ready", status.ready},
            {"problems", status.problems},
            {"separate_users", status.separate_users},
            {"state_directory", status.state_directory},
            {"proxy_listen", status.proxy_listen},
            {"public_url", text_or_null(status.public_url)}};
}

// Without the digest, which is nobody's business.
Json shape(const domain::Token& token) {
    return {{"name", token.name},
            {"role", to_string(token.role)},
            {"created_by", text_or_null(token.created_by)},
            {"created_at", time_or_null(token.created_at)},
            {"expires_at", time_or_null(token.expires_at)},
            {"last_used_at", time_or_null(token.last_used_at)},
            {"last_used_from", text_or_null(token.last_used_from)}};
}

Json shape(const domain::AuditEntry& entry) {
    auto asked = Json::parse(entry.asked, nullptr, false);
    return {{"id", entry.id},
            {"at", time_or_null(entry.at)},
            {"who", text_or_null(entry.who)},
            {"role", to_string(entry.role)},
            {"origin", text_or_null(entry.origin)},
            {"act", entry.act},
            {"target", text_or_null(entry.target)},
            {"asked", asked.is_object() ? std::move(asked) : Json()},
            {"status_code", number_or_null(entry.status_code)},
            {"outcome", text_or_null(entry.outcome)}};
}

std::string to_text(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Response json_response(const Json& json, int status) {
    Response response;
    response.status = status;
    response.body = to_text(json) + "\n";
    return response;
}

Json list(Json items, Json next) {
    return {{"items", std::move(items)}, {"next", std::move(next)}};
}

}  // namespace belay::http
