// The questions of every day must not become slower as the history grows.
#include "integration/store/samples.hpp"
#include "store/migrations.hpp"
#include "store/reads.hpp"
#include "store/writes.hpp"

#include <gtest/gtest.h>

#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace belay::store {
namespace {

using namespace test;

class Queries : public testing::Test {
  protected:
    Queries() {
        migrate(connection_, migrations()).value();
        for (int id = 1; id <= 20; ++id) {
            auto deployment = sample_deployment(id);
            auto run = sample_run(id);
            run.ended_at = at(id % 5);
            std::vector<ports::Write> batch{
                ports::PutDeployment{deployment},
                ports::PutDelivery{sample_delivery(id)},
                ports::PutStage{sample_stage(deployment.id)},
                ports::AddProbes{deployment.id, {sample_probe(id)}},
                ports::PutRelease{sample_release(id)},
                ports::PutRun{run},
                ports::PutConfig{std::to_string(id), "{}"},
                ports::PutRefSeen{"shop", std::to_string(id), "c", at(id)},
                ports::AddEvent{sample_event("e")},
                ports::AddToken{sample_token(std::to_string(id))},
                ports::AddAudit{sample_entry("deploy")},
                ports::PutAnswer{"uid 0", std::to_string(id), "", 200, "", "", at(id)},
                ports::AddOutgoing{sample_outgoing("shop", std::to_string(id)), true},
            };
            apply_batch(connection_, batch, nullptr).value();
        }
    }

    // SQLite's own count of rows stepped over in full scans, of all statements so far.
    std::string statements_that_scan(int counter) {
        std::string found;
        for (auto* statement = sqlite3_next_stmt(connection_.raw(), nullptr); statement;
             statement = sqlite3_next_stmt(connection_.raw(), statement))
            if (sqlite3_stmt_status(statement, counter, 0) > 0)
                found += std::string(sqlite3_sql(statement)) + '\n';
        return found;
    }

    // What SQLite says to EXPLAIN of each statement so far whose text begins so.
    std::string explained(const std::string& how, std::string_view beginning) {
        std::vector<std::string> texts;
        for (auto* statement = sqlite3_next_stmt(connection_.raw(), nullptr); statement;
             statement = sqlite3_next_stmt(connection_.raw(), statement))
            texts.emplace_back(sqlite3_sql(statement));
        std::string said;
        for (const auto& text : texts) {
            if (!text.starts_with(beginning)) continue;
            const auto explain = how + ' ' + text;
            said += text + '\n';
            auto rows = connection_.query(kept_.emplace_back(explain));
            while (rows.step().value()) {
                for (int column = 0; column < 4; ++column)
                    said.append(rows.next_text()).append(" ");
                said += '\n';
            }
        }
        return said;
    }

    std::list<std::string> kept_;  // the connection knows its statements by their text
    Connection connection_ = Connection::open(":memory:", Millis(0)).value();
};

TEST_F(Queries, NoListScansAWholeTable) {
    const ports::Page page{15, 5};
    find_delivery(connection_, "shop", "github", "72d3162e-3").value();
    find_body(connection_, "shop", std::string(40, 'c'), std::string(64, 'd')).value();
    delivery(connection_, DeliveryId{3}).value();
    deliveries(connection_, "", page).value();
    deliveries(connection_, "shop", page).value();
    deliveries_of_commit(connection_, "cc", 5).value();
    deployment(connection_, DeploymentId{3}).value();
    deployments(connection_, "", page).value();
    deployments(connection_, "shop", page).value();
    deployments_of_commit(connection_, "cc", 5).value();
    stages(connection_, DeploymentId{3}).value();
    probes(connection_, DeploymentId{3}, 5).value();
    releases(connection_, "shop").value();
    release(connection_, "shop", 3).value();
    config(connection_, "3").value();
    ref_seen(connection_, "shop", "3").value();
    events(connection_, 3, 5, "", DeploymentId{}).value();
    events(connection_, 3, 5, "shop", DeploymentId{}).value();
    events(connection_, 3, 5, "", DeploymentId{7}).value();
    events(connection_, 3, 5, "shop", DeploymentId{7}).value();
    audit(connection_, page).value();
    answer(connection_, "uid 0", "3", at(3)).value();
    waiting_outgoing(connection_, {ports::OutgoingKind::status, "shop"}, 5).value();
    last_sent(connection_, {ports::OutgoingKind::status, "shop"}, "3").value();
    prune_step(connection_, at(2), 5).value();
    EXPECT_EQ(statements_that_scan(SQLITE_STMTSTATUS_FULLSCAN_STEP), "");
}

TEST_F(Queries, PagesOfAnAppAreNotSorted) {
    deliveries(connection_, "shop", {15, 5}).value();
    deployments(connection_, "shop", {15, 5}).value();
    events(connection_, 3, 5, "shop", DeploymentId{}).value();
    EXPECT_EQ(statements_that_scan(SQLITE_STMTSTATUS_SORT), "");
}

TEST_F(Queries, WhatIsUnfinishedIsFoundByItsIndex) {
    snapshot(connection_).value();
    const auto plan = explained("EXPLAIN QUERY PLAN", "SELECT \"id\", \"app\", \"trigger\"");
    EXPECT_NE(plan.find("USING INDEX deployments_unfinished"), std::string::npos) << plan;
}

TEST_F(Queries, NoRowIsWrittenWithATableMadeForIt) {
    const auto program = explained("EXPLAIN", "INSERT INTO");
    EXPECT_NE(program.find(" Insert "), std::string::npos) << program;
    EXPECT_EQ(program.find("OpenEphemeral"), std::string::npos) << program;
    EXPECT_EQ(program.find("OpenAutoindex"), std::string::npos) << program;
}

TEST_F(Queries, PruningDoesABoundedAmountAtOnce) {
    std::vector<ports::Write> batch;
    for (int id = 100; id < 300; ++id)
        batch.push_back(ports::PutDeployment{ended(id, "blog", 1)});
    apply_batch(connection_, batch, nullptr).value();
    auto first = prune_step(connection_, at(2), 0).value();
    EXPECT_GT(first, 0);
    EXPECT_LE(first, 100);
    int steps = 1;
    while (prune_step(connection_, at(2), 0).value() > 0)
        ++steps;
    EXPECT_EQ(steps, 4);
    EXPECT_TRUE(deployments(connection_, "blog", {}).value().empty());
}

}  // namespace
}  // namespace belay::store
