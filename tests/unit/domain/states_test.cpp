// docs/states.md against src/domain/transition.cpp: every state with every event under every
// condition.
#include <belay/domain/transition.hpp>

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace belay::domain {
namespace {

struct Row {
    std::string state;
    std::string event;
    std::vector<std::string> conditions;
    std::string next;
    std::string effect;
};

std::string trimmed(const std::string& text) {
    auto first = text.find_first_not_of(' ');
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string> split(const std::string& text, char by) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, by);)
        if (!trimmed(part).empty()) parts.push_back(trimmed(part));
    return parts;
}

std::vector<Row> read_table() {
    std::ifstream file(BELAY_SOURCE_DIR "/docs/states.md");
    std::vector<Row> rows;
    for (std::string line; std::getline(file, line);) {
        std::vector<std::string> cells;
        std::istringstream stream(line);
        for (std::string cell; std::getline(stream, cell, '|');)
            cells.push_back(trimmed(cell));
        if (cells.size() != 6) continue;
        for (const auto& state : split(cells[1], ' '))
            if (parse_state(state))
                rows.push_back({state, cells[2], split(cells[3], ','), cells[4], cells[5]});
    }
    return rows;
}

// Every condition as a switch of the situation.
const std::vector<std::string> kConditions{"approval", "command",  "idempotent",   "copy",
                                           "restart",  "warm",     "already_live", "sealed",
                                           "serving",  "rebooted", "previous",     "no_way_back",
                                           "rollback", "pending",  "exhausted",    "in_place"};

unsigned bit(const std::string& condition);

struct Situation {
    Deployment deployment;
    Event event;
    Course course;
};

Situation make(State state, EventKind kind, unsigned bits) {
    static const std::vector<unsigned> bit_of = [] {
        std::vector<unsigned> result;
        for (const auto& condition : kConditions)
            result.push_back(bit(condition));
        return result;
    }();
    enum Index {
        approval,
        command,
        idempotent,
        copy,
        restart,
        warm,
        already_live,
        sealed,
        serving,
        rebooted,
        previous,
        no_way_back,
        rollback,
        pending,
        exhausted,
        in_place
    };
    auto on = [&](Index index) { return (bits & bit_of[index]) != 0; };
    Situation situation;
    auto& deployment = situation.deployment;
    deployment.id = DeploymentId{7};
    deployment.state = state;
    deployment.plan = on(restart) ? Plan::restart : Plan::build;
    if (on(copy) && state != State::fetching) deployment.plan = Plan::copy;
    if (on(rollback)) deployment.trigger = Trigger::rollback;
    if (on(previous)) deployment.previous = 3;
    if (on(pending)) deployment.superseded_by = DeploymentId{8};
    if (on(exhausted)) deployment.attempt = kAttemptsMax;
    deployment.no_way_back = on(no_way_back);
    auto& event = situation.event;
    event.kind = kind;
    event.warm = on(warm);
    event.already_live = on(already_live);
    event.sealed = on(sealed);
    event.serving = on(serving);
    event.rebooted = on(rebooted);
    event.copy = on(copy);
    event.by = DeploymentId{9};
    event.failure.reason = Reason::unhealthy;
    situation.course = {on(approval), on(command), on(idempotent), on(in_place)};
    return situation;
}

unsigned bit(const std::string& condition) {
    for (std::size_t i = 0; i < kConditions.size(); ++i)
        if (kConditions[i] == condition) return 1u << i;
    return 0;
}

// Conditions that can't hold together, or don't apply, are not situations.
bool possible(unsigned holds, State state) {
    static const unsigned copy = bit("copy"), restart = bit("restart"), command = bit("command"),
                          already_live = bit("already_live"), pending = bit("pending"),
                          in_place = bit("in_place");
    if ((holds & copy) && (holds & restart)) return false;
    if ((holds & restart) && (holds & command)) return false;  // nothing new is made
    if ((holds & restart) && state >= State::fetching && state <= State::releasing) return false;
    // It has no candidate to start, and no traffic of the proxy's to drain.
    if ((holds & in_place) && (state == State::starting || state == State::draining)) return false;
    if ((holds & already_live) && state != State::queued) return false;
    return !(holds & pending) || state == State::releasing || state == State::sealing;
}

// A row with its conditions as bits: those that must hold, and those that must not.
struct Rule {
    const Row* row;
    unsigned must = 0;
    unsigned must_not = 0;
};

std::vector<Rule> rules_of(const std::vector<Row>& rows, std::string_view state,
                           std::string_view event) {
    std::vector<Rule> rules;
    for (const auto& row : rows) {
        if (row.state != state || row.event != event) continue;
        Rule rule{&row};
        for (const auto& condition : row.conditions) {
            if (condition.starts_with('!'))
                rule.must_not |= bit(condition.substr(1));
            else
                rule.must |= bit(condition);
        }
        rules.push_back(rule);
    }
    return rules;
}

const Row* expected(const std::vector<Rule>& rules, unsigned holds) {
    for (const auto& rule : rules)
        if ((holds & rule.must) == rule.must && (holds & rule.must_not) == 0) return rule.row;
    return nullptr;
}

TEST(States, TheTableAndTheCodeAgreeOnEveryStateEventAndCondition) {
    auto rows = read_table();
    ASSERT_GT(rows.size(), 60u);
    int transitions = 0;
    for (int s = 0; s < kStateCount; ++s)
        for (int e = 0; e < kEventKindCount; ++e) {
            auto state = static_cast<State>(s);
            auto kind = static_cast<EventKind>(e);
            const auto rules = rules_of(rows, to_string(state), to_string(kind));
            for (unsigned bits = 0; bits < (1u << kConditions.size()); ++bits) {
                // An interrupted seal that a newer push waits for is judged when it is sealed.
                if (kind == EventKind::interrupted && (bits & bit("pending"))) continue;
                if (!possible(bits, state)) continue;
                auto situation = make(state, kind, bits);
                const auto* row = expected(rules, bits);
                auto result = apply(situation.deployment, situation.event, situation.course);
                if (!row) {
                    ASSERT_FALSE(result)
                        << to_string(state) << " " << to_string(kind) << " -> "
                        << to_string(result->next.state) << " is not in docs/states.md";
                    ASSERT_EQ(result.error().code, Errc::conflict);
                    continue;
                }
                ASSERT_TRUE(result)
                    << to_string(state) << " " << to_string(kind) << ": " << result.error().message;
                ASSERT_EQ(to_string(result->next.state), row->next)
                    << to_string(state) << " " << to_string(kind);
                ASSERT_EQ(to_string(result->effect), row->effect)
                    << to_string(state) << " " << to_string(kind);
                ++transitions;
            }
        }
    EXPECT_GT(transitions, 1000);
}

TEST(States, EveryWordOfTheTableIsKnown) {
    std::set<std::string> events, effects, conditions(kConditions.begin(), kConditions.end());
    for (int e = 0; e < kEventKindCount; ++e)
        events.insert(std::string(to_string(static_cast<EventKind>(e))));
    for (int e = 0; e <= static_cast<int>(Effect::hold_degraded); ++e)
        effects.insert(std::string(to_string(static_cast<Effect>(e))));
    for (const auto& row : read_table()) {
        EXPECT_TRUE(events.contains(row.event)) << row.event;
        EXPECT_TRUE(effects.contains(row.effect)) << row.effect;
        EXPECT_TRUE(parse_state(row.next)) << row.next;
        for (auto condition : row.conditions)
            EXPECT_TRUE(
                conditions.contains(condition.starts_with('!') ? condition.substr(1) : condition))
                << condition;
    }
}

TEST(States, AnEndIsLeftByNothing) {
    for (int s = 0; s < kStateCount; ++s) {
        if (!is_end(static_cast<State>(s))) continue;
        for (int e = 0; e < kEventKindCount; ++e)
            EXPECT_FALSE(apply(make(static_cast<State>(s), static_cast<EventKind>(e), 0).deployment,
                               make(static_cast<State>(s), static_cast<EventKind>(e), 0).event,
                               {}));
    }
}

TEST(Transition, KeepsTheFirstReasonWhenTheRollbackFailsToo) {
    auto situation = make(State::rolling_back, EventKind::failed, 0);
    situation.deployment.failure = {
        Reason::error_ratio, "baking", "5 of 50 requests failed", {}, {}};
    situation.event.failure = {Reason::internal, "", "the proxy is gone", {}, {}};
    auto result = apply(situation.deployment, situation.event, {});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->next.failure.reason, Reason::rollback_failed);
    EXPECT_NE(result->next.failure.detail.find("the proxy is gone"), std::string::npos);
    EXPECT_NE(result->next.failure.detail.find("5 of 50"), std::string::npos);
}

TEST(Transition, ACanceledBakeEndsRolledBackForThatReason) {
    auto situation = make(State::baking, EventKind::cancel, 0);
    situation.deployment.previous = 4;
    auto going = apply(situation.deployment, situation.event, {});
    ASSERT_TRUE(going);
    Event back;
    back.kind = EventKind::rolled_back;
    auto gone = apply(going->next, back, {});
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->next.state, State::rolled_back);
    EXPECT_EQ(gone->next.failure.reason, Reason::canceled);
}

TEST(Supersede, SparesTheThirdInARowAndWhateverAPersonStarted) {
    Deployment deployment;
    deployment.state = State::building;
    EXPECT_TRUE(may_supersede(deployment, {}, 0));
    EXPECT_TRUE(may_supersede(deployment, {}, 1));
    EXPECT_FALSE(may_supersede(deployment, {}, kSupersededInRowMax));
    deployment.state = State::queued;
    EXPECT_TRUE(may_supersede(deployment, {}, 99));
    deployment.state = State::switching;
    EXPECT_FALSE(may_supersede(deployment, {}, 0));
    deployment.state = State::starting;
    deployment.plan = Plan::restart;
    EXPECT_FALSE(may_supersede(deployment, {}, 0));
}

TEST(Supersede, SparesWhatIsVerifiedInThePlaceOfTheReleaseBefore) {
    Deployment deployment;
    deployment.state = State::verifying;
    Course course;
    EXPECT_TRUE(may_supersede(deployment, course, 0));
    course.in_place = true;
    EXPECT_FALSE(may_supersede(deployment, course, 0)) << "it is live by then";
}

}  // namespace
}  // namespace belay::domain
