// Which of a deployment's states the forge hears of, and in which words. Pure.
#pragma once

#include <belay/domain/deployment.hpp>
#include <belay/ports/outbox.hpp>

#include <optional>
#include <string>

namespace belay::engine {

struct ReportFacts {
    bool deliveries_are_signed = false;  // a delivery's word for its commit is the forge's
    std::string live_commit;             // empty: nothing is live
};

// None where there is nothing to tell: steps too small, `belay restart` and `start`, a commit that
// is not known yet, or one that nothing but an unsigned body named so far. The forge, its API, the
// repository and the addresses are the caller's to fill in.
std::optional<ports::StatusReport> report_of(const domain::Deployment& deployment,
                                             const ReportFacts& facts);

}  // namespace belay::engine
