#include "measurements.hpp"

#include <belay/base/log.hpp>
#include <belay/sys/files.hpp>

namespace belay::app {
namespace {

constexpr Millis kProxyPatience{1'000};

metrics::Doors doors_of(const Measured& measured) {
    auto counts = measured.server.counts();
    metrics::Doors doors;
    doors.connections = counts.connections;
    doors.shed = counts.shed;
    doors.bodies_in_memory = counts.bodies_in_memory;
    doors.refused_hooks = std::move(counts.refused_hooks);
    doors.certificate = measured.certificate;
    doors.certificate_ends = measured.server.certificate_ends();
    return doors;
}

}  // namespace

Task<metrics::Facts> look_at(Measured measured) {
    metrics::Facts facts;
    // First: the rest is of one moment.
    facts.proxy_up = measured.traffic.connected();
    if (facts.proxy_up) {
        auto told = co_await measured.traffic.figures(kProxyPatience);
        if (told)
            facts.proxy = std::move(*told);
        else
            log::debug("the proxy does not tell its figures", {{"error", told.error().message}});
    }
    facts.status = measured.engine.server_status();
    facts.apps = measured.engine.apps();
    facts.counted = measured.engine.figures();
    facts.outbox = measured.notifier.figures();
    facts.database = measured.database.figures();
    if (auto space = sys::free_space(measured.state))
        facts.disk = metrics::Disk{space->available, space->total, measured.disk_reserve};
    facts.doors = doors_of(measured);
    facts.process = sys::process_figures();
    co_return facts;
}

}  // namespace belay::app
