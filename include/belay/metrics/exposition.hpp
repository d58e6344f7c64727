// The text of /metrics: Prometheus' text format, version 0.0.4. docs/metrics.md lists what is in
// it.
#pragma once

#include <belay/metrics/facts.hpp>

#include <string>

namespace belay::metrics {

// Pure. Label sets are made of what there is: apps that are configured, releases that the proxy
// tells of, so that none outlives its thing.
std::string exposition(const Facts& facts);

}  // namespace belay::metrics
