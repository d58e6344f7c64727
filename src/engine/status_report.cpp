// Which of a deployment's states the forge hears of, and in which words.
#include <belay/forge/status.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>

namespace belay::forge {
namespace {

using domain::Blame;
using domain::Deployment;
using domain::Plan;
using domain::Reason;
using domain::State;
using domain::Trigger;
using Json = nlohmann::ordered_json;

constexpr std::array<std::pair<ReportState, std::string_view>, 7> kStates{{
    {ReportState::queued, "queued"},
    {ReportState::running, "running"},
    {ReportState::healthy, "healthy"},
    {ReportState::failed, "failed"},
    {ReportState::rolled_back, "rolled_back"},
    {ReportState::error, "error"},
    {ReportState::canceled, "canceled"},
}};

std::string_view to_string(ReportState state) {
    for (const auto& [each, name] : kStates)
        if (each == state) return name;
    return {};
}

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

struct Outcome {
    ReportState state;
    std::string text;
};

std::optional<Outcome> outcome_of(const Deployment& deployment, const ReportFacts& facts) {
    const bool own = domain::blame_of(deployment.failure.reason) != Blame::user;
    switch (deployment.state) {
        case State::healthy:
            return Outcome{ReportState::healthy,
                           fmt::format("Live and healthy as release {}", deployment.release)};
        case State::failed:
            if (deployment.failure.reason == Reason::rejected)
                return Outcome{ReportState::failed, "Not deployed: this commit went bad before"};
            return Outcome{own ? ReportState::error : ReportState::failed,
                           fmt::format("Failed: {}", failure_of(deployment))};
        case State::rolled_back:
            return Outcome{ReportState::rolled_back,
                           fmt::format("Rolled back: {}", failure_of(deployment))};
        case State::canceled:
            return Outcome{ReportState::canceled,
                           deployment.failure.reason == Reason::rejected ? "Rejected" : "Canceled"};
        case State::superseded:
            if (deployment.superseded_by.value == 0 && deployment.commit == facts.live_commit)
                return Outcome{ReportState::healthy, "Live already"};
            return Outcome{
                ReportState::canceled,
                deployment.superseded_by.value == 0
                    ? std::string("Superseded by a newer commit")
                    : fmt::format("Superseded by {}", belay::to_string(deployment.superseded_by))};
        default:
            break;
    }
    auto step = step_of(deployment.state);
    if (step.empty()) return std::nullopt;
    return Outcome{deployment.state == State::queued ? ReportState::queued : ReportState::running,
                   std::string(step)};
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

bool signs_its_body(std::string_view forge) {
    for (std::string_view each :
         {"github", "gitea", "forgejo", "gogs", "bitbucket-cloud", "bitbucket-server"})
        if (forge == each) return true;
    return false;
}

std::optional<StatusReport> report_of(const Deployment& deployment, const ReportFacts& facts) {
    if (deployment.commit.empty()) return std::nullopt;
    if (deployment.plan == Plan::restart && deployment.trigger != Trigger::rollback)
        return std::nullopt;
    if (!facts.body_is_signed && !is_known(deployment)) return std::nullopt;
    auto outcome = outcome_of(deployment, facts);
    if (!outcome) return std::nullopt;
    auto id = belay::to_string(deployment.id);
    return StatusReport{deployment.app,    id,
                        deployment.commit, deployment.ref,
                        outcome->state,    fmt::format("{} ({})", outcome->text, id),
                        facts.page_url,    facts.site_url};
}

std::string encode(const StatusReport& report) {
    return Json{{"app", report.app},
                {"deployment", report.deployment},
                {"commit", report.commit},
                {"ref", report.ref},
                {"state", to_string(report.state)},
                {"description", report.description},
                {"page_url", report.page_url},
                {"site_url", report.site_url}}
        .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<StatusReport> decode_report(std::string_view text) {
    auto json = Json::parse(text, nullptr, false);
    StatusReport report;
    auto take = [&](const char* name, std::string& into) {
        if (!json.is_object() || !json.contains(name) || !json[name].is_string()) return false;
        into = json[name].get<std::string>();
        return true;
    };
    std::string state;
    const bool whole = take("app", report.app) && take("deployment", report.deployment) &&
                       take("commit", report.commit) && take("ref", report.ref) &&
                       take("state", state) && take("description", report.description) &&
                       take("page_url", report.page_url) && take("site_url", report.site_url);
    for (const auto& [each, name] : kStates)
        if (whole && name == state) {
            report.state = each;
            return report;
        }
    return Error{Errc::invalid, "a stored report is not what a report looks like"};
}

}  // namespace belay::forge
