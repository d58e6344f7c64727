#include "families.hpp"

#include <belay/metrics/exposition.hpp>

#include <chrono>
#include <prometheus/text_serializer.h>
#include <sstream>

namespace belay::metrics {

using prometheus::ClientMetric;
using prometheus::MetricType;

void Family::add(Labels labels, double value) {
    auto& sample = family_.metric.emplace_back();
    sample.label = std::move(labels);
    (family_.type == MetricType::Counter ? sample.counter.value : sample.gauge.value) = value;
}

void Family::add(Labels labels, TimePoint at) {
    if (at == TimePoint{}) return;
    add(std::move(labels), std::chrono::duration<double>(at.time_since_epoch()).count());
}

void Family::add(Labels labels, const Histogram& histogram) {
    auto& sample = family_.metric.emplace_back();
    sample.label = std::move(labels);
    auto& out = sample.histogram;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
        out.sample_count += histogram.counts[i];
        // The one without an upper bound is written for its count.
        if (i < histogram.bounds.size())
            out.bucket.push_back({out.sample_count, histogram.bounds[i]});
    }
    out.sample_sum = histogram.sum;
}

void Page::write(const Family& family) {
    prometheus::TextSerializer().Serialize(into_, {family.get()});
}

std::string exposition(const Facts& facts) {
    std::ostringstream text;
    Page page(text);
    write_daemon(page, facts);
    write_apps(page, facts);
    write_deployments(page, facts);
    write_deliveries(page, facts);
    write_proxy(page, facts);
    write_outbox(page, facts);
    write_machine(page, facts);
    return std::move(text).str();
}

}  // namespace belay::metrics
