#include "engine/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace belay::engine {
namespace {

using domain::Decision;
using domain::Reason;
using domain::Rule;
using domain::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TimePoint kNow = *parse_time("2026-11-25T12:00:00Z");

domain::Delivery delivery(Decision decision, int status, Rule rule, std::string reason) {
    domain::Delivery result;
    result.id = DeliveryId{88};
    result.app = "shop";
    result.forge = "github";
    result.event = "push";
    result.delivery_id = "72d3162e";
    result.repository = "acme/shop";
    result.received_at = kNow;
    result.decision = decision;
    result.status_code = status;
    result.rule = rule;
    result.reason = std::move(reason);
    domain::Change change;
    change.ref = "refs/heads/main";
    change.name = "main";
    change.before = std::string(40, 'a');
    change.after = change.commit = std::string(40, 'b');
    result.changes.push_back(change);
    return result;
}

domain::Deployment deployment(State state, Reason reason = Reason::none, std::string stage = "",
                              std::string detail = "") {
    domain::Deployment result;
    result.id = DeploymentId{13};
    result.app = "shop";
    result.delivery = DeliveryId{88};
    result.commit = std::string(40, 'b');
    result.ref = "refs/heads/main";
    result.state = state;
    result.release = 13;
    result.created_at = kNow - Millis{60'000};
    result.finished_at = domain::is_end(state) ? kNow : TimePoint{};
    result.failure = {reason, std::move(stage), std::move(detail), {}, {}};
    return result;
}

Standing standing() {
    Standing result;
    result.app = "shop";
    result.file = "/etc/belay/apps/shop.toml";
    result.follows = "branch main of git@github.com:acme/shop.git";
    result.live = 11;
    result.live_commit = std::string(40, 'a');
    result.live_since = kNow - Millis{86'400'000};
    result.now = kNow;
    return result;
}

TEST(InWords, HasAPhraseForEveryReason) {
    std::set<std::string_view> phrases;
    for (int i = 0; i < domain::kReasonCount; ++i) {
        auto phrase = in_words(static_cast<Reason>(i));
        EXPECT_FALSE(phrase.empty()) << i;
        EXPECT_TRUE(phrases.insert(phrase).second) << phrase << " stands twice";
        EXPECT_EQ(phrase.find('_'), phrase.npos) << phrase << " is a word for machines";
    }
}

TEST(Rules, AreEachOneWord) {
    for (int i = 1; i < domain::kRuleCount; ++i) {
        auto rule = static_cast<Rule>(i);
        EXPECT_EQ(domain::parse_rule(to_string(rule)), rule);
    }
}

TEST(Delivery, TellsWhatCameAndWhatWasDecided) {
    auto queued = delivery(Decision::queued, 202, Rule::branch, "shop follows branch main");
    queued.deployment = DeploymentId{13};
    auto steps = explain(queued);
    ASSERT_EQ(steps.size(), 2u);
    EXPECT_EQ(steps[0].subject, "w88");
    EXPECT_EQ(steps[0].text,
              "github delivered \"push\" of acme/shop: branch main aaaaaaa → bbbbbbb");
    EXPECT_THAT(steps[0].lines, ElementsAre("the forge's id: 72d3162e"));
    EXPECT_EQ(steps[1].text, "queued as d13: shop follows branch main (answered 202)");
    EXPECT_EQ(steps[1].rule, Rule::branch);
}

TEST(Delivery, TellsNewGoneAndForcedRefs) {
    auto created = delivery(Decision::queued, 202, Rule::branch, "");
    created.changes[0].before.reset();
    EXPECT_THAT(explain(created)[0].text, HasSubstr("branch main new → bbbbbbb"));
    created.changes[0].forced = true;
    EXPECT_THAT(explain(created)[0].text, HasSubstr("bbbbbbb (forced)"));
    created.changes[0].deleted = true;
    EXPECT_THAT(explain(created)[0].text, HasSubstr("branch main deleted"));
    created.changes.push_back(created.changes[0]);
    EXPECT_EQ(explain(created)[0].lines.size(), 3u) << "each on its line, and the forge's id";
}

TEST(Delivery, ARefusalSaysHowToCureIt) {
    auto refused =
        delivery(Decision::rejected, 401, Rule::bad_signature, "the signature is missing or wrong");
    EXPECT_EQ(explain(refused)[0].text, "github sent a request to shop's hook");
    EXPECT_EQ(explain(refused)[1].text,
              "refused: the signature is missing or wrong (answered 401)");
    EXPECT_EQ(answer(refused), "w88 was refused: the signature is missing or wrong");
    for (auto rule : {Rule::bad_signature, Rule::too_large, Rule::too_slow, Rule::wrong_type,
                      Rule::malformed, Rule::rate_limited}) {
        refused.rule = rule;
        EXPECT_EQ(advice(refused, standing()).size(), 1u) << to_string(rule);
    }
}

TEST(Delivery, OneThatARuleIgnoredLaterKeepsItsAnswer) {
    auto skipped =
        delivery(Decision::ignored, 202, Rule::skip_mark, "the message of bbbbbbb says [skip ci]");
    skipped.deployment = DeploymentId{13};
    EXPECT_EQ(explain(skipped)[1].text,
              "queued as d13, and ignored once it was fetched: the message of bbbbbbb says "
              "[skip ci] (answered 202)");
}

TEST(Delivery, AnotherBranchCanBeDeployedByHand) {
    auto other = delivery(Decision::ignored, 200, Rule::other_ref,
                          "branch main was pushed, shop follows branch live");
    EXPECT_THAT(advice(other, standing()),
                ElementsAre("belay deploy shop --ref refs/heads/main",
                            "or follow it: `branch` or `tags` in /etc/belay/apps/shop.toml"));
}

TEST(Deployment, AFailedBuildShowsItsLastLinesAndWhereAllOfThemAre) {
    Story story;
    story.deployment =
        deployment(State::failed, Reason::build_failed, "building", "build: exit code 2");
    story.deployment.failure.exit_code = 2;
    domain::Stage build;
    build.name = "build";
    build.state = domain::StageState::failed;
    build.started_at = kNow - Millis{48'300};
    build.finished_at = kNow;
    build.exit_code = 2;
    for (int i = 0; i < 30; ++i)
        build.tail += "line " + std::to_string(i) + "\n";
    story.stages.push_back(build);
    auto steps = explain(story, standing());
    ASSERT_EQ(steps.size(), 3u);
    EXPECT_EQ(steps[0].text, "queued for w88");
    EXPECT_EQ(steps[1].text, "failed after 48s, exit code 2");
    EXPECT_EQ(steps[1].lines.size(), 10u);
    EXPECT_EQ(steps[1].lines.back(), "line 29");
    EXPECT_EQ(steps[2].text, "failed: the build failed. build: exit code 2");
    EXPECT_EQ(answer(story.deployment, standing()), "bbbbbbb is not live: the build failed");
    EXPECT_THAT(advice(story, standing()),
                ElementsAre("belay logs d13 --stage build has all of it", "push what cures it"));
    EXPECT_EQ(what_is_live(story.deployment, standing()).text,
              "release 11 (aaaaaaa) stayed live all the time");
}

TEST(Deployment, AnUnhealthyOneShowsTheLastProbeThatFailed) {
    Story story;
    story.deployment =
        deployment(State::rolled_back, Reason::unhealthy, "baking", "3 probes failed");
    story.deployment.previous = 11;
    domain::Probe good, bad;
    bad.target = "http://127.0.0.1:20001/up";
    bad.error = "status 500";
    bad.body = "no database\nat all";
    story.probes = {bad, good};
    auto steps = explain(story, standing());
    EXPECT_THAT(steps.back().lines,
                ElementsAre("http://127.0.0.1:20001/up: status 500 \"no database\""));
    auto now = standing();
    now.live_since = kNow;
    EXPECT_EQ(what_is_live(story.deployment, now).text,
              "release 11 (aaaaaaa) has the traffic again");
    EXPECT_EQ(answer(story.deployment, now),
              "bbbbbbb was live and was taken back: the health check failed");
    EXPECT_THAT(advice(story, now).back(), HasSubstr("--force"));
}

TEST(Deployment, WhatTheMachineIsToBlameForCanBeTriedAgain) {
    Story story;
    story.deployment =
        deployment(State::failed, Reason::fetch_failed, "fetching", "no route to host");
    EXPECT_THAT(advice(story, standing()),
                ElementsAre("belay logs d13 --stage fetch has all of it",
                            "belay deploy shop --commit " + std::string(40, 'b') + " tries again"));
}

TEST(Deployment, SaysWhatItWaitsFor) {
    Story story;
    story.deployment = deployment(State::queued);
    auto now = standing();
    now.hold = domain::Hold{"ada", "a sale", kNow};
    EXPECT_EQ(explain(story, now).back().text, "waits: shop is on hold by ada (a sale)");
    EXPECT_THAT(advice(story, now), ElementsAre("belay resume shop"));
    now.hold.reset();
    now.busy = "d12 (baking)";
    EXPECT_EQ(explain(story, now).back().text, "waits for d12 (baking)");
    now.busy.clear();
    EXPECT_EQ(explain(story, now).back().text, "waits for one of [limits] concurrent_deployments");
    story.deployment.state = State::awaiting_approval;
    story.deployment.expires_at = kNow + Millis{6LL * 86'400'000};
    EXPECT_EQ(explain(story, now).back().text,
              "waits for approval; 6 days left, then it is canceled");
    EXPECT_THAT(advice(story, now), ElementsAre("belay approve d13", "belay reject d13 -m WHY"));
}

TEST(Deployment, AHealthyOneIsLiveOrWas) {
    auto healthy = deployment(State::healthy);
    auto now = standing();
    now.live = 13;
    EXPECT_EQ(answer(healthy, now), "bbbbbbb is live, as release 13 of shop");
    now.live = 14;
    EXPECT_EQ(answer(healthy, now), "bbbbbbb went live as release 13; release 14 is live now");
    Story story;
    story.deployment = healthy;
    EXPECT_THAT(advice(story, now), IsEmpty());
}

TEST(Deployment, OneThatARuleEndedCanBeDeployedByHand) {
    Story story;
    story.deployment = deployment(State::canceled, Reason::canceled, "fetching",
                                  "the message of bbbbbbb says [skip ci]");
    story.deployment.rule = Rule::skip_mark;
    EXPECT_EQ(explain(story, standing()).back().text,
              "not deployed. the message of bbbbbbb says [skip ci]");
    EXPECT_EQ(answer(story.deployment, standing()),
              "bbbbbbb was not deployed: the message of bbbbbbb says [skip ci]");
    EXPECT_THAT(advice(story, standing()),
                ElementsAre(HasSubstr("belay deploy shop --commit bbbbbbb")));
}

TEST(Unknown, TellsWhatIsKnownOfTheApp) {
    auto now = standing();
    EXPECT_EQ(what_is_known(now).text,
              "follows branch main of git@github.com:acme/shop.git; no delivery ever came for it; "
              "polling is off; live is aaaaaaa");
    now.last_delivery = delivery(Decision::queued, 202, Rule::branch, "");
    now.poll.emplace();
    now.poll->last_at = kNow;
    now.poll->tip = std::string(40, 'c');
    EXPECT_EQ(what_is_known(now).text,
              "follows branch main of git@github.com:acme/shop.git; its last delivery was w88, "
              "2026-11-25 12:00: queued, branch main aaaaaaa → bbbbbbb; it was polled 2026-11-25 "
              "12:00, and was at ccccccc; live is aaaaaaa");
    now.poll->error = "no route to host";
    EXPECT_THAT(what_is_known(now).text,
                HasSubstr("polling failed 2026-11-25 12:00: no route to host"));
}

}  // namespace
}  // namespace belay::engine
