// Deployments, what waits, and what made them.
#include "families.hpp"

#include <algorithm>
#include <array>

namespace belay::metrics {
namespace {

using domain::Decision;
using domain::State;

constexpr std::array kDecisions{Decision::queued, Decision::ignored, Decision::duplicate,
                                Decision::rejected};

// Zeros from the start on: a counter that begins with 1 was never seen to rise.
engine::AppFigures counted(const Facts& facts, const std::string& app) {
    auto found = facts.counted.apps.find(app);
    return found == facts.counted.apps.end() ? engine::AppFigures() : found->second;
}

// A deployment that an app's lane has taken may still wait for a slot.
std::vector<const domain::Deployment*> queue_of(const engine::AppView& app) {
    std::vector<const domain::Deployment*> queue;
    for (const auto& queued : app.queued)
        queue.push_back(&queued);
    const bool waits = app.deployment && app.deployment->state == State::queued;
    if (waits && std::none_of(queue.begin(), queue.end(),
                              [&](const auto* queued) { return queued->id == app.deployment->id; }))
        queue.push_back(&*app.deployment);
    return queue;
}

std::string_view reason_of_refusal(int status) {
    switch (status) {
        case 400:
            return "malformed";
        case 401:
            return "not_signed";
        case 408:
            return "too_slow";
        case 413:
            return "too_large";
        case 415:
            return "content_type";
        case 429:
            return "too_many";
        case 503:
            return "not_stored";
        default:
            return "other";
    }
}
constexpr std::array<std::string_view, 8> kRefusals{"malformed",  "not_signed",   "too_slow",
                                                    "too_large",  "content_type", "too_many",
                                                    "not_stored", "other"};

void write_ends(Page& page, const Facts& facts) {
    page.counter(
        "belay_deployments_total", "Deployments that ended, by outcome.", [&](Family& family) {
            for (const auto& app : facts.apps) {
                const auto figures = counted(facts, app.name);
                for (int i = 0; i < domain::kStateCount; ++i) {
                    const auto state = static_cast<State>(i);
                    if (!domain::is_end(state)) continue;
                    family.add({{"app", app.name}, {"outcome", std::string(to_string(state))}},
                               figures.ended[static_cast<std::size_t>(i)]);
                }
            }
        });
    page.counter("belay_deployment_failures_total",
                 "Deployments that ended failed or rolled back, by reason and by who has to act.",
                 [&](Family& family) {
                     for (int i = 1; i < domain::kReasonCount; ++i) {
                         const auto reason = static_cast<domain::Reason>(i);
                         family.add({{"reason", std::string(to_string(reason))},
                                     {"blame", std::string(to_string(domain::blame_of(reason)))}},
                                    facts.counted.failures[static_cast<std::size_t>(i)]);
                     }
                 });
    page.histogram("belay_deployment_lead_time_seconds",
                   "From the queue to the switch of traffic, of deployments of a commit that ended "
                   "healthy.",
                   [&](Family& family) {
                       for (const auto& app : facts.apps)
                           family.add({{"app", app.name}}, counted(facts, app.name).lead_time);
                   });
    page.histogram("belay_stage_duration_seconds",
                   "How long stages took that passed or failed by themselves.",
                   [&](Family& family) {
                       for (const auto& app : facts.apps)
                           for (const auto& [stage, durations] : counted(facts, app.name).stages)
                               family.add({{"app", app.name}, {"stage", stage}}, durations);
                   });
}

}  // namespace

void write_deployments(Page& page, const Facts& facts) {
    write_ends(page, facts);
    page.gauge("belay_deployment_running", "1 for the app's deployment under way, by its state.",
               [&](Family& family) {
                   for (const auto& app : facts.apps)
                       if (app.deployment && app.deployment->state != State::queued)
                           family.add({{"app", app.name},
                                       {"state", std::string(to_string(app.deployment->state))}},
                                      true);
               });
    page.gauge("belay_deployment_start_timestamp_seconds",
               "When the app's deployment under way left the queue.", [&](Family& family) {
                   for (const auto& app : facts.apps)
                       if (app.deployment && app.deployment->state != State::queued)
                           family.add({{"app", app.name}}, app.deployment->started_at);
               });
    page.gauge("belay_queue_length", "Deployments that wait for their turn, a slot, or `resume`.",
               [&](Family& family) {
                   for (const auto& app : facts.apps)
                       family.add({{"app", app.name}}, std::uint64_t{queue_of(app).size()});
               });
    page.gauge("belay_queue_oldest_timestamp_seconds",
               "When the deployment was queued that waits longest; none waits: no sample.",
               [&](Family& family) {
                   for (const auto& app : facts.apps) {
                       const auto queue = queue_of(app);
                       auto oldest = std::min_element(
                           queue.begin(), queue.end(), [](const auto* left, const auto* right) {
                               return left->created_at < right->created_at;
                           });
                       if (oldest != queue.end())
                           family.add({{"app", app.name}}, (*oldest)->created_at);
                   }
               });
}

void write_deliveries(Page& page, const Facts& facts) {
    page.counter(
        "belay_deliveries_total", "Deliveries of forges in the record, by decision.",
        [&](Family& family) {
            for (const auto& app : facts.apps) {
                auto figures = counted(facts, app.name);
                for (auto decision : kDecisions)
                    family.add({{"app", app.name}, {"decision", std::string(to_string(decision))}},
                               figures.deliveries[decision]);
            }
        });
    page.counter("belay_hook_refusals_total",
                 "Requests to /hooks that were answered 400 or above, by reason, recorded or not.",
                 [&](Family& family) {
                     for (auto reason : kRefusals) {
                         std::uint64_t count = 0;
                         for (const auto& [status, refused] : facts.doors.refused_hooks)
                             if (reason_of_refusal(status) == reason) count += refused;
                         family.add({{"reason", std::string(reason)}}, count);
                     }
                 });
    page.counter("belay_probes_total", "Health probes, by result.", [&](Family& family) {
        for (const auto& app : facts.apps) {
            const auto figures = counted(facts, app.name);
            family.add({{"app", app.name}, {"result", "passed"}}, figures.probes_passed);
            family.add({{"app", app.name}, {"result", "failed"}}, figures.probes_failed);
            family.add({{"app", app.name}, {"result", "refused"}}, figures.probes_refused);
        }
    });
    page.gauge_of("belay_http_connections", "Open connections to hooks and API.",
                  std::uint64_t{facts.doors.connections});
    page.counter_of("belay_http_connections_shed_total",
                    "Connections that were closed or turned away as all places were taken.",
                    std::uint64_t{facts.doors.shed});
    page.gauge_of("belay_hook_bodies_bytes", "Memory that bodies of hooks take now.",
                  std::uint64_t{facts.doors.bodies_in_memory});
    page.gauge("belay_certificate_expiry_timestamp_seconds",
               "When the certificate in force of [server] tls ends.", [&](Family& family) {
                   if (facts.doors.certificate_ends)
                       family.add({{"file", facts.doors.certificate}},
                                  *facts.doors.certificate_ends);
               });
}

}  // namespace belay::metrics
