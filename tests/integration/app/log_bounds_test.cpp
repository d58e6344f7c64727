#include "app/log_bounds.hpp"

#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
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
    bound_app_logs(directory.path());
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
