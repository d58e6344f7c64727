#include <gtest/gtest.h>

#include <stage/codec.hpp>

namespace belay::stage {
namespace {

WorkerJob full_job() {
    WorkerJob worker;
    worker.shim = "/libexec/belay-shim";
    worker.group = {"/sys/fs/cgroup/a b", "/sys/fs/cgroup/memory/x"};
    worker.limit_user = true;
    auto& job = worker.job;
    job.app = "shop";
    job.name = "build-2";
    job.run = {"npm ci", {"a", "b\xff"}};
    job.cwd = "/releases/shop/1";
    job.env = {{"A", "b\xfe=\n"}, {"B", ""}};
    job.mask = {Secret("s3cret\xff")};
    job.log_path = "/logs/x";
    job.uid = 52001;
    job.gid = 52002;
    job.groups = {52003, 4};
    job.timeout = Millis{1};
    job.silence = Millis{2};
    job.grace = Millis{3};
    job.limits = {1ull << 40, 1.5, 9};
    job.log_cap = 1ull << 33;
    return worker;
}

TEST(StageCodec, KeepsAJobByteForByte) {
    auto sent = full_job();
    auto back = decode_job(encode(sent));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(encode(*back), encode(sent));
    EXPECT_EQ(back->job.env, sent.job.env);
    EXPECT_EQ(back->job.mask.at(0).reveal(), "s3cret\xff");
    EXPECT_TRUE(back->job.run == sent.job.run);
    EXPECT_TRUE(back->job.limits == sent.job.limits);
    EXPECT_EQ(back->job.groups, sent.job.groups);
    EXPECT_EQ(back->job.log_cap, sent.job.log_cap);
    EXPECT_EQ(back->shim, sent.shim);
    EXPECT_EQ(back->group, sent.group);
    EXPECT_EQ(back->limit_user, sent.limit_user);
}

TEST(StageCodec, RefusesATornJobWithoutTellingWhatItHolds) {
    auto bytes = encode(full_job());
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
        auto back = decode_job(bytes.substr(0, size));
        ASSERT_FALSE(back);
        EXPECT_EQ(back.error().message, "the job can't be read");
    }
}

TEST(StageCodec, KeepsAnOutcomeOrTheError) {
    ports::StageOutcome outcome;
    outcome.verdict = ports::StageVerdict::oom;
    outcome.signal = 9;
    outcome.peak_memory = 1ll << 40;
    outcome.cpu_ms = 7;
    outcome.log_bytes = 8;
    outcome.tail = "last\n";
    outcome.detail = "out of memory";
    auto back = decode_outcome(encode(Result<ports::StageOutcome>(outcome)));
    ASSERT_TRUE(back);
    EXPECT_EQ(encode(back), encode(Result<ports::StageOutcome>(outcome)));
    EXPECT_FALSE(back->exit_code);
    Result<ports::StageOutcome> error = Error{Errc::disk_full, "no space"};
    EXPECT_EQ(decode_outcome(encode(error)).error(), error.error());
    EXPECT_FALSE(decode_outcome("nonsense"));
}

TEST(StageCodec, FramesWithTheLength) {
    auto framed = frame(std::string(70'000, 'x'));
    EXPECT_EQ(frame_length(framed), 70'000u);
    EXPECT_EQ(framed.size(), 70'000u + kFrameHeader);
}

}  // namespace
}  // namespace belay::stage
