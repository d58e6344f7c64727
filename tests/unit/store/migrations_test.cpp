#include "store/migrations.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace belay::store {
namespace {

Connection in_memory() {
    return Connection::open(":memory:", Millis(0)).value();
}

TEST(Migrations, BringAnEmptyDatabaseToTheNewestSchemaOnce) {
    auto connection = in_memory();
    ASSERT_TRUE(migrate(connection, migrations()));
    EXPECT_EQ(check_version(connection, static_cast<int>(migrations().size())).value(),
              static_cast<int>(migrations().size()));
    EXPECT_EQ(connection.value("SELECT value FROM meta WHERE name = 'belay'").value(),
              BELAY_VERSION);
    ASSERT_TRUE(migrate(connection, migrations())) << "again, with nothing to do";
    EXPECT_EQ(connection.value("PRAGMA foreign_key_check").value(), "");
}

TEST(Migrations, KeepWhatAnOlderVersionWrote) {
    auto connection = in_memory();
    ASSERT_TRUE(migrate(connection, migrations().first(1)));
    ASSERT_TRUE(connection.execute(
        "INSERT INTO deliveries (id, app, forge, event, delivery_id, received_at, status_code, "
        "decision, reason, deployment, kind, repository, body_digest) VALUES (88, 'shop', "
        "'github', "
        "'push', 'x', 1, 202, 'queued', '', 12, 'push', 'acme/shop', 'd')"));
    ASSERT_TRUE(migrate(connection, migrations()));
    EXPECT_EQ(connection.value("SELECT decision || rule || replay_of FROM deliveries").value(),
              "queued0");
}

TEST(Migrations, EveryTableIsStrict) {
    auto connection = in_memory();
    ASSERT_TRUE(migrate(connection, migrations()));
    EXPECT_EQ(connection
                  .value("SELECT group_concat(name) FROM pragma_table_list "
                         "WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' AND strict = 0")
                  .value(),
              "");
}

TEST(Migrations, AStepThatFailsLeavesTheSchemaBeforeIt) {
    auto connection = in_memory();
    const std::array<const char*, 1> first{
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT); CREATE TABLE a (x)"};
    const std::array<const char*, 2> broken{first[0], "CREATE TABLE b (x); CREATE TABLE a (x)"};
    auto failed = migrate(connection, broken);
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("to schema 2"), std::string::npos)
        << failed.error().message;
    EXPECT_FALSE(connection.in_transaction());
    EXPECT_EQ(check_version(connection, 2).value(), 1);
    EXPECT_EQ(connection.value("SELECT count(*) FROM sqlite_schema WHERE name = 'b'").value(), "0");

    const std::array<const char*, 2> mended{first[0], "CREATE TABLE b (x)"};
    ASSERT_TRUE(migrate(connection, mended));
    EXPECT_EQ(check_version(connection, 2).value(), 2);
}

TEST(Migrations, ANewerSchemaIsRefusedWithBothVersionsAndTheCure) {
    auto connection = in_memory();
    ASSERT_TRUE(migrate(connection, migrations()));
    ASSERT_TRUE(connection.execute("PRAGMA user_version = 99"));
    auto refused = migrate(connection, migrations());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    for (const auto& part :
         std::vector<std::string>{"schema 99", "up to " + std::to_string(migrations().size()),
                                  "install belay >= ", "restore"})
        EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
}

TEST(Migrations, AnotherProgramsDatabaseIsNotTouched) {
    auto connection = in_memory();
    ASSERT_TRUE(connection.execute("CREATE TABLE theirs (a)"));
    auto refused = migrate(connection, migrations());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    EXPECT_EQ(connection.value("SELECT count(*) FROM sqlite_schema").value(), "1");
}

}  // namespace
}  // namespace belay::store
