#include "runtime/run_record.hpp"

#include "support/temp_directory.hpp"

#include <belay/sys/files.hpp>

#include <gtest/gtest.h>

namespace belay::runtime {
namespace {

TEST(RunRecord, IsReadAsItWasWritten) {
    test::TempDirectory directory;
    const auto place = directory.path() / "shop.1.web.1.1";
    std::filesystem::create_directory(place);
    EXPECT_EQ(read_record(place).error().code, Errc::not_found);
    RunRecord record{"shop.1.web.1.1", 20'001, TimePoint{Millis{1'700'000'000'123}},
                     Millis{7'000},    "boot", "invocation"};
    ASSERT_TRUE(write_record(place, record, true));
    auto read = read_record(place);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->run_id, record.run_id);
    EXPECT_EQ(read->port, record.port);
    EXPECT_EQ(read->started_at, record.started_at);
    EXPECT_EQ(read->stop_timeout, record.stop_timeout);
    EXPECT_EQ(read->boot, record.boot);
    EXPECT_EQ(read->invocation, record.invocation);
}

TEST(RunRecord, WhatItCannotUnderstandIsNotGuessedAt) {
    test::TempDirectory directory;
    const auto place = directory.path() / "shop.1.web.1.1";
    std::filesystem::create_directory(place);
    for (const char* text :
         {"", "{", "[]", R"({"schema":1})", R"({"schema":2,"run":"shop.1.web.1.1"})",
          R"({"schema":1,"run":"shop.2.web.1.1","port":1,"started_at":"2026-01-01T00:00:00.000Z",)"
          R"("stop_timeout_ms":1,"boot":"","invocation":""})"}) {
        ASSERT_TRUE(sys::write_file(place / "run.json", text, 0600, false));
        EXPECT_EQ(read_record(place).error().code, Errc::invalid) << text;
    }
}

}  // namespace
}  // namespace belay::runtime
