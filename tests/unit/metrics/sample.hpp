// A machine on which everything that can be told has something to tell.
#pragma once

#include <belay/metrics/exposition.hpp>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace belay::metrics::test {

inline TimePoint at(std::int64_t seconds) {
    return TimePoint(std::chrono::duration_cast<Millis>(std::chrono::seconds(seconds)));
}

inline engine::AppView shop() {
    engine::AppView app;
    app.name = "shop";
    app.state = domain::AppState::live;
    app.hold = domain::Hold{"ann", "lunch", at(1'700'000'100)};
    app.live = engine::LiveView{12, "abc", at(1'700'000'000), "healthy"};
    app.standby = 11;
    app.poll.emplace().failures = 2;
    engine::ProcessView web;
    web.process = "web";
    web.release = 12;
    web.state = "running";
    web.restarts = 3;
    app.processes = {web, web};
    auto candidate = web;
    candidate.release = 13;
    candidate.restarts = 50;
    app.processes.push_back(candidate);
    domain::Deployment building, waiting;
    building.id = DeploymentId{20};
    building.state = domain::State::building;
    building.started_at = at(1'700'000'200);
    waiting.id = DeploymentId{21};
    waiting.created_at = at(1'700'000'300);
    app.deployment = building;
    app.queued = {waiting};
    return app;
}

inline ports::ReleaseCounters counters(ReleaseNumber release) {
    ports::ReleaseCounters counters;
    counters.release = release;
    counters.requests = 10;
    counters.status = {0, 7, 0, 1, 1};
    counters.gateway_errors = 1;
    counters.latency[1] = 6;                             // up to 2 ms
    counters.latency[3] = 2;                             // up to 10 ms
    counters.latency[ports::kLatencyBounds.size()] = 1;  // above all bounds
    counters.latency_sum_us = 12'500'000;
    return counters;
}

inline Facts facts() {
    Facts facts;
    facts.status.version = "1.2.3";
    facts.status.ready = true;
    facts.status.problems = {"it rains"};
    facts.apps = {shop()};
    auto& counted = facts.counted.apps["shop"];
    counted.ended[static_cast<std::size_t>(domain::State::healthy)] = 4;
    counted.deliveries[domain::Decision::queued] = 5;
    counted.probes_refused = 6;
    counted.stages.emplace("build", Histogram(engine::kStageBounds)).first->second.add(7.5);
    counted.lead_time.add(42);
    facts.counted.failures[static_cast<std::size_t>(domain::Reason::disk_full)] = 1;
    facts.counted.slots = 2;
    facts.counted.slots_taken = 1;
    facts.proxy_up = true;
    facts.proxy.emplace();
    facts.proxy->started_at = at(1'700'000'000);
    facts.proxy->connections = 8;
    facts.proxy->unrouted = 9;
    facts.proxy->apps["shop"] = {counters(11), counters(12)};
    notify::DestinationFigures ops;
    ops.destination = {ports::OutgoingKind::alert, "ops"};
    ops.waiting = 3;
    ops.oldest = at(1'700'000'400);
    ops.failed = 2;
    facts.outbox = {ops};
    facts.database.usable = true;
    facts.database.commits.add(0.004);
    facts.database.newest_backup = at(1'700'000'500);
    facts.disk = Disk{1'000, 2'000, 300};
    facts.doors.refused_hooks = {{401, 11}, {418, 1}};
    facts.doors.certificate = "/etc/belay/tls.crt";
    facts.doors.certificate_ends = at(1'800'000'000);
    facts.process.started_at = at(1'700'000'000);
    facts.process.cpu_seconds = 1.5;
    return facts;
}

struct Family {
    std::string type;
    std::set<std::string> labels;
    int samples = 0;
};

// What a text has: by name, with the labels that its samples carry ("le" apart, which is the
// format's).
inline std::map<std::string, Family> families(const std::string& text) {
    std::map<std::string, Family> found;
    std::istringstream lines(text);
    std::string last;
    for (std::string line; std::getline(lines, line);) {
        std::smatch parts;
        if (std::regex_match(line, parts, std::regex("# TYPE (\\S+) (\\S+)"))) {
            last = parts[1];
            found[last].type = parts[2];
        } else if (!line.starts_with('#')) {
            auto& family = found[last];
            ++family.samples;
            const auto brace = line.find('{');
            if (brace == line.npos) continue;
            const auto inside = line.substr(brace, line.rfind('}') - brace);
            const std::regex label("([a-z_]+)=\"");
            for (std::sregex_iterator at(inside.begin(), inside.end(), label), end; at != end; ++at)
                if ((*at)[1] != "le") family.labels.insert((*at)[1]);
        }
    }
    return found;
}

}  // namespace belay::metrics::test
