// `belay why` in words: from records to sentences. Pure.
#pragma once

#include <belay/engine/api.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::engine {

// How the app stands now, as far as a story about the past needs it.
struct Standing {
    std::string app;
    std::string file;     // of the app; empty: none
    std::string follows;  // "branch main"; empty: no valid configuration
    std::optional<domain::Hold> hold;
    ReleaseNumber live = 0;  // 0: none
    std::string live_commit;
    TimePoint live_since{};
    std::string busy;              // "d11 (baking)": what its lane works on; empty: nothing
    std::optional<PollView> poll;  // none: off
    std::optional<domain::Delivery> last_delivery;
    TimePoint now{};
};

// What a deployment needs to be told.
struct Story {
    domain::Deployment deployment;
    std::vector<domain::Stage> stages;
    std::vector<domain::Probe> probes;  // the last ones, oldest first
};

// "the build failed"; every word of the closed list (spec/decisions.md 12).
std::string_view in_words(domain::Reason reason);

// What arrived, and what was decided on it.
std::vector<WhyStep> explain(const domain::Delivery& delivery);
// From the queue to the end, or to what it waits for.
std::vector<WhyStep> explain(const Story& story, const Standing& standing);
// What answers users, seen from the deployment's end.
WhyStep what_is_live(const domain::Deployment& deployment, const Standing& standing);
// Where no record names the commit: what the app follows, and what was heard of it last.
WhyStep what_is_known(const Standing& standing);

// The whole matter in one sentence.
std::string answer(const domain::Delivery& delivery);
std::string answer(const domain::Deployment& deployment, const Standing& standing);

// What to type or do next.
std::vector<std::string> advice(const domain::Delivery& delivery, const Standing& standing);
std::vector<std::string> advice(const Story& story, const Standing& standing);

}  // namespace belay::engine
