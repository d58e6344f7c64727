#include "app/log_bounds.hpp"

#include "fakes/fake_timers.hpp"
#include "support/temp_directory.hpp"
#include "support/test_loop.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace belay::app {
namespace {

namespace fs = std::filesystem;

// A log of 66 MiB that ends in a line of its own.
void write_large_log(const fs::path& file) {
    fs::create_directories(file.parent_path());
    std::ofstream stream(file);
    const std::string block(1 << 20, 'x');
    for (int i = 0; i < 66; ++i)
        stream << block;
    stream << "\nthe last line\n";
}

std::uint64_t allocated(const fs::path& file) {
    struct stat status{};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

TEST(LogBounds, FreesTheHeadOfAnAppLogAndKeepsItsOffsets) {
    test::TempDirectory directory;
    const auto file = fs::path(directory.path()) / "logs/shop/r1/web.1.log";
    const auto stage = fs::path(directory.path()) / "logs/shop/d1/build.log";
    write_large_log(file);
    write_large_log(stage);
    const auto size = fs::file_size(file);
    test::TestLoop loop;
    LogBounds bounds(loop.executor(), loop.timers(), directory.path());
    bounds.start();
    EXPECT_TRUE(loop.run_until([&] { return allocated(file) <= std::uint64_t{33} << 20; }));
    loop.run(bounds.stop());
    EXPECT_LE(allocated(file), std::uint64_t{33} << 20);
    EXPECT_EQ(fs::file_size(file), size);
    std::ifstream stream(file);
    stream.seekg(static_cast<std::streamoff>(size) - 14);
    std::string line;
    std::getline(stream, line);
    EXPECT_EQ(line, "the last line");
    EXPECT_GT(allocated(stage), std::uint64_t{60} << 20)
        << "a stage's log is bounded by its own worker";
}

// As an app that prints at about 200 MiB a second: a block each 5 ms.
class FastWriter {
  public:
    explicit FastWriter(const fs::path& file)
        : fd_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)),
          thread_([this] { write_all(); }) {}
    ~FastWriter() {
        thread_.join();
        ::close(fd_);
    }
    static constexpr std::uint64_t kBlocks = 256;
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> most{0};  // bytes that it had on disk

  private:
    void write_all() {
        const std::string block(1 << 20, 'x');
        constexpr std::chrono::milliseconds pace{5};
        for (std::uint64_t i = 0; i < kBlocks; ++i) {
            EXPECT_EQ(::write(fd_, block.data(), block.size()), 1 << 20);
            struct stat status{};
            ::fstat(fd_, &status);
            most =
                std::max<std::uint64_t>(most, static_cast<std::uint64_t>(status.st_blocks) * 512);
            std::this_thread::sleep_for(pace);
        }
        done = true;
    }

    int fd_;
    std::thread thread_;
};

TEST(LogBounds, AFastWriterIsHeldToTheCapAndWhatItWritesUntilItsPaceIsKnown) {
    test::TempDirectory directory;
    const auto folder = fs::path(directory.path()) / "logs/shop/r1";
    fs::create_directories(folder.parent_path());
    test::TestLoop loop;
    LogLimits limits;
    limits.cap = std::uint64_t{8} << 20;
    limits.kept = std::uint64_t{4} << 20;
    LogBounds bounds(loop.executor(), loop.timers(), directory.path(), limits);
    bounds.start();
    loop.run_until([] { return false; }, Millis{1});
    fs::create_directories(folder);  // a release that starts while the daemon runs
    {
        FastWriter writer(folder / "web.1.log");
        ASSERT_TRUE(loop.run_until([&] { return writer.done.load(); }, Millis{60'000}));
        // 20 MiB in `first_look`, and as much again for a machine that is busy.
        EXPECT_LE(writer.most, limits.cap + (std::uint64_t{40} << 20))
            << "of " << FastWriter::kBlocks << " MiB";
    }
    EXPECT_TRUE(loop.run_until([&] { return allocated(folder / "web.1.log") <= limits.cap; }));
    loop.run(bounds.stop());
}

TEST(LogBounds, ALogAtRestWakesNobody) {
    test::TempDirectory directory;
    const auto file = fs::path(directory.path()) / "logs/shop/r1/web.1.log";
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "started\n";
    test::TestLoop loop;
    test::FakeTimers timers;
    LogBounds bounds(loop.executor(), timers, directory.path());
    bounds.start();
    auto looked = [&](std::uint64_t times) {
        return [&, times] { return bounds.looks() == times; };
    };
    ASSERT_TRUE(timers.run_until(loop.context, looked(1)));
    EXPECT_FALSE(timers.run_until(loop.context, looked(2), Millis{59'000}));
    std::ofstream(file, std::ios::app) << "a line\n";
    EXPECT_TRUE(timers.run_until(loop.context, looked(2), Millis{1'000})) << "but a write is told";
    loop.run(bounds.stop());
}

TEST(LogBounds, RemovesOldLogsButNotThoseOfReleasesOnDisk) {
    test::TempDirectory directory;
    const fs::path state = directory.path();
    const auto old = fs::file_time_type::clock::now() - std::chrono::hours{24 * 40};
    for (const auto* name : {"d1", "d2", "r1", "r2"}) {
        const auto folder = state / "logs/shop" / name;
        fs::create_directories(folder);
        std::ofstream(folder / "a.log") << "text\n";
        if (std::string(name) != "d2") fs::last_write_time(folder / "a.log", old);
        fs::last_write_time(folder, old);
    }
    fs::create_directories(state / "releases/shop/2");
    prune_logs(state, "shop", Millis{std::chrono::hours{24 * 30}});
    EXPECT_FALSE(fs::exists(state / "logs/shop/d1"));
    EXPECT_TRUE(fs::exists(state / "logs/shop/d2"));
    EXPECT_FALSE(fs::exists(state / "logs/shop/r1"));
    EXPECT_TRUE(fs::exists(state / "logs/shop/r2"));
}

}  // namespace
}  // namespace belay::app
