#include "status_report.hpp"

#include <fmt/format.h>

namespace belay::engine {
namespace {

using domain::Deployment;
using domain::Plan;
using domain::Reason;
using domain::State;
using domain::Trigger;

// Words of ours alone: a failure's detail may quote what the app printed, and a status of a public
// repository is read by everybody.
std::string_view words_of(Reason reason) {
    switch (reason) {
        case Reason::fetch_failed:
        case Reason::auth_failed:
        case Reason::host_key_mismatch:
            return "the repository could not be read";
        case Reason::fetch_timeout:
            return "reading the repository took too long";
        case Reason::sha_unavailable:
            return "the commit is not in the repository";
        case Reason::tree_refused:
            return "the commit has files that are refused";
        case Reason::build_failed:
            return "the build failed";
        case Reason::build_timeout:
            return "the build took too long";
        case Reason::build_silent:
            return "the build said nothing for too long";
        case Reason::build_oom:
            return "the build took too much memory";
        case Reason::test_failed:
            return "the tests failed";
        case Reason::test_timeout:
            return "the tests took too long";
        case Reason::test_silent:
            return "the tests said nothing for too long";
        case Reason::test_oom:
            return "the tests took too much memory";
        case Reason::release_failed:
            return "the release command failed";
        case Reason::release_timeout:
            return "the release command took too long";
        case Reason::release_silent:
            return "the release command said nothing for too long";
        case Reason::release_oom:
            return "the release command took too much memory";
        case Reason::artifact_changed:
            return "the tests changed files of the build";
        case Reason::seal_failed:
            return "the release could not be sealed";
        case Reason::start_failed:
            return "the app did not start";
        case Reason::exited:
            return "the app ended by itself";
        case Reason::port_in_use:
            return "the app's port was taken";
        case Reason::not_owner:
            return "the app does not listen on its port itself";
        case Reason::unhealthy:
            return "the app is not healthy";
        case Reason::flapping:
            return "the app is healthy only now and then";
        case Reason::deadline:
            return "the app did not become healthy in time";
        case Reason::oom:
            return "the app took too much memory";
        case Reason::error_ratio:
            return "too many requests failed";
        case Reason::switch_failed:
            return "traffic could not be switched";
        case Reason::rollback_failed:
            return "it could not be rolled back";
        case Reason::config_invalid:
            return "the configuration is invalid";
        case Reason::disk_full:
            return "the server's disk is full";
        case Reason::interrupted:
            return "the server was interrupted";
        case Reason::internal:
            return "a fault of Belay's own";
        case Reason::rejected:
            return "rejected";
        case Reason::canceled:
            return "canceled";
        case Reason::superseded:
            return "superseded";
        case Reason::none:
            break;
    }
    return "for no known reason";
}

std::string failure_of(const Deployment& deployment) {
    const auto& failure = deployment.failure;
    std::string text(words_of(failure.reason));
    if (failure.exit_code) text += fmt::format(", exit code {}", *failure.exit_code);
    if (failure.signal) text += fmt::format(", signal {}", *failure.signal);
    return text;
}

// Steps of the machinery that take no time are left out.
std::string_view step_of(State state) {
    switch (state) {
        case State::queued:
            return "Queued";
        case State::fetching:
            return "Fetching";
        case State::building:
            return "Building";
        case State::testing:
            return "Testing";
        case State::awaiting_approval:
            return "Waiting for approval";
        case State::releasing:
            return "Running the release command";
        case State::starting:
            return "Starting, until it is healthy";
        case State::draining:
            return "Live, and being watched";
        case State::rolling_back:
            return "Rolling back";
        default:
            return {};
    }
}

std::string end_of(const Deployment& deployment) {
    switch (deployment.state) {
        case State::healthy:
            return fmt::format("Live and healthy as release {}", deployment.release);
        case State::failed:
            if (deployment.failure.reason == Reason::rejected)
                return "Not deployed: this commit went bad before";
            return fmt::format("Failed: {}", failure_of(deployment));
        case State::rolled_back:
            return fmt::format("Rolled back: {}", failure_of(deployment));
        case State::canceled:
            return deployment.failure.reason == Reason::rejected ? "Rejected" : "Canceled";
        case State::superseded:
            return deployment.superseded_by
                       ? fmt::format("Superseded by {}", to_string(deployment.superseded_by))
                       : "Superseded by a newer commit";
        default:
            return {};
    }
}

// What was fetched has an author; what the poller, a person or a release named was seen in git or
// is not the body's word.
bool is_known(const Deployment& deployment) {
    const bool delivered =
        deployment.trigger == Trigger::push || deployment.trigger == Trigger::redeliver;
    const bool fetched = !domain::is_end(deployment.state) && deployment.state > State::fetching;
    return !delivered || fetched || !deployment.author.empty();
}

}  // namespace

std::optional<ports::StatusReport> report_of(const Deployment& deployment,
                                             const ReportFacts& facts) {
    if (deployment.commit.empty()) return std::nullopt;
    if (deployment.plan == Plan::restart && deployment.trigger != Trigger::rollback)
        return std::nullopt;
    if (!facts.deliveries_are_signed && !is_known(deployment)) return std::nullopt;
    ports::StatusReport report;
    report.state = deployment.state;
    report.reason = deployment.failure.reason;
    report.description = domain::is_end(deployment.state) ? end_of(deployment)
                                                          : std::string(step_of(deployment.state));
    // A push of what is live ends at once, and must not take the commit's success away.
    if (deployment.state == State::superseded && !deployment.superseded_by &&
        deployment.commit == facts.live_commit) {
        report.state = State::healthy;
        report.reason = Reason::none;
        report.description = "Live already";
    }
    if (report.description.empty()) return std::nullopt;
    const auto id = to_string(deployment.id);
    report.description += fmt::format(" ({})", id);
    report.sha = deployment.commit;
    report.ref = deployment.ref;
    report.app = deployment.app;
    report.deployment = deployment.id;
    report.stage = deployment.failure.stage;
    return report;
}

}  // namespace belay::engine
