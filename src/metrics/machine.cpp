// What has to be told outside, the record, the disk, and the process itself.
#include "families.hpp"

#include <algorithm>

namespace belay::metrics {
namespace {

using notify::DestinationFigures;
using ports::OutgoingKind;

// Statuses of an app that is no longer there are nobody's.
bool is_told(const Facts& facts, const DestinationFigures& one) {
    return one.destination.kind == OutgoingKind::alert ||
           std::any_of(facts.apps.begin(), facts.apps.end(),
                       [&](const auto& app) { return app.name == one.destination.name; });
}

template <class Of>
auto each(const Facts& facts, Of of) {
    return [&facts, of](Family& family) {
        for (const auto& one : facts.outbox)
            if (is_told(facts, one))
                family.add({{"kind", std::string(to_string(one.destination.kind))},
                            {"destination", one.destination.name}},
                           of(one));
    };
}

void write_database(Page& page, const Database& database) {
    page.gauge_of("belay_database_usable", "1 while the record takes writes.", database.usable);
    page.gauge_of("belay_database_size_bytes", "Size of belay.db.", database.bytes);
    page.gauge_of("belay_database_log_size_bytes", "Size of its write-ahead log.",
                  database.log_bytes);
    page.histogram("belay_database_commit_duration_seconds",
                   "How long whoever stores something waits until it is on disk.",
                   [&](Family& family) { family.add({}, database.commits); });
    page.counter_of("belay_database_commit_failures_total",
                    "Commits that failed for want of room or of a sound file.",
                    database.commits_failed);
    page.gauge("belay_database_backup_timestamp_seconds",
               "When the newest automatic backup was made; none: there is none.",
               [&](Family& family) {
                   if (database.newest_backup) family.add({}, *database.newest_backup);
               });
}

void write_process(Page& page, const sys::ProcessFigures& process) {
    page.counter_of("process_cpu_seconds_total", "User and system CPU time of the daemon.",
                    process.cpu_seconds);
    page.gauge_of("process_resident_memory_bytes", "Resident memory of the daemon.",
                  process.resident_bytes);
    page.gauge_of("process_virtual_memory_bytes", "Virtual memory of the daemon.",
                  process.virtual_bytes);
    page.gauge_of("process_open_fds", "Descriptors that the daemon has open.", process.open_files);
    page.gauge_of("process_max_fds", "Descriptors that it may have.", process.open_files_max);
    page.gauge_of("process_start_time_seconds", "When the daemon's process was started.",
                  process.started_at);
}

}  // namespace

void write_outbox(Page& page, const Facts& facts) {
    page.gauge(
        "belay_outbox_messages",
        "Alerts that wait for a channel, and statuses of an app that wait for its forge.",
        each(facts, [](const DestinationFigures& one) { return std::uint64_t{one.waiting}; }));
    page.gauge("belay_outbox_oldest_timestamp_seconds",
               "Of when the oldest of them is; none waits: no sample.",
               each(facts, [](const DestinationFigures& one) { return one.oldest; }));
    page.counter("belay_outbox_sent_total", "Messages that were taken.",
                 each(facts, [](const DestinationFigures& one) { return one.sent; }));
    page.counter("belay_outbox_failures_total", "Attempts that failed.",
                 each(facts, [](const DestinationFigures& one) { return one.failed; }));
    page.counter("belay_outbox_dropped_total", "Messages that were given up.",
                 each(facts, [](const DestinationFigures& one) { return one.dropped; }));
}

void write_machine(Page& page, const Facts& facts) {
    write_database(page, facts.database);
    auto disk = [&](auto of) {
        return [&facts, of](Family& family) {
            if (facts.disk) family.add({}, of(*facts.disk));
        };
    };
    page.gauge("belay_disk_free_bytes", "Free on the file system of the state directory.",
               disk([](const Disk& one) { return one.free; }));
    page.gauge("belay_disk_size_bytes", "Size of that file system.",
               disk([](const Disk& one) { return one.size; }));
    page.gauge("belay_disk_reserve_bytes",
               "[limits] disk_reserve: with less free, new deployments are refused.",
               disk([](const Disk& one) { return one.reserve; }));
    write_process(page, facts.process);
}

}  // namespace belay::metrics
