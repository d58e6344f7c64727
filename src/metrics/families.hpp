// Families of metrics, each with its name, meaning and samples, in the order of docs/metrics.md.
#pragma once

#include <belay/metrics/facts.hpp>

#include <cstdint>
#include <ostream>
#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <span>
#include <string>
#include <vector>

namespace belay::metrics {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// One family that is being filled.
class Family {
  public:
    Family(prometheus::MetricType type, std::string name, std::string help) {
        family_.type = type;
        family_.name = std::move(name);
        family_.help = std::move(help);
    }

    void add(Labels labels, double value);
    void add(Labels labels, std::uint64_t value) {
        add(std::move(labels), static_cast<double>(value));
    }
    void add(Labels labels, bool value) { add(std::move(labels), value ? 1.0 : 0.0); }
    // Seconds since 1970; nothing where there is no time to tell.
    void add(Labels labels, TimePoint at);
    void add(Labels labels, const Histogram& histogram);

    const prometheus::MetricFamily& get() const { return family_; }

  private:
    prometheus::MetricFamily family_;
};

// Writes one family after the other, so that no more than one lies in memory besides the text.
class Page {
  public:
    explicit Page(std::ostream& into) : into_(into) {}

    template <class Fill>
    void counter(std::string name, std::string help, Fill fill) {
        write(prometheus::MetricType::Counter, std::move(name), std::move(help), fill);
    }
    template <class Fill>
    void gauge(std::string name, std::string help, Fill fill) {
        write(prometheus::MetricType::Gauge, std::move(name), std::move(help), fill);
    }
    template <class Fill>
    void histogram(std::string name, std::string help, Fill fill) {
        write(prometheus::MetricType::Histogram, std::move(name), std::move(help), fill);
    }
    // Of one sample without labels.
    template <class Value>
    void counter_of(std::string name, std::string help, Value value) {
        counter(std::move(name), std::move(help), [&](Family& family) { family.add({}, value); });
    }
    template <class Value>
    void gauge_of(std::string name, std::string help, Value value) {
        gauge(std::move(name), std::move(help), [&](Family& family) { family.add({}, value); });
    }

  private:
    template <class Fill>
    void write(prometheus::MetricType type, std::string name, std::string help, Fill& fill) {
        Family family(type, std::move(name), std::move(help));
        fill(family);
        write(family);
    }
    void write(const Family& family);

    std::ostream& into_;
};

void write_daemon(Page& page, const Facts& facts);
void write_apps(Page& page, const Facts& facts);
void write_deployments(Page& page, const Facts& facts);
void write_deliveries(Page& page, const Facts& facts);
void write_proxy(Page& page, const Facts& facts);
void write_outbox(Page& page, const Facts& facts);
void write_machine(Page& page, const Facts& facts);

}  // namespace belay::metrics
