#include "support/temp_directory.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/pipes.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>

namespace belay::sys {
namespace {

struct FilesTest : ::testing::Test {
    test::TempDirectory directory;

    static mode_t mode_of(const std::filesystem::path& file) {
        struct stat found{};
        ::lstat(file.c_str(), &found);
        return found.st_mode & 07777;
    }
};

TEST_F(FilesTest, WritesWholeFilesWithTheirMode) {
    auto file = directory.path() / "a";
    ASSERT_TRUE(write_file(file, "one", 0600));
    ASSERT_TRUE(write_file(file, "two", 0664, false));
    EXPECT_EQ(*read_file(file), "two");
    EXPECT_EQ(mode_of(file), 0664u);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1)
        << "no temporary is left";
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
    auto file = directory.path() / "a";
    std::filesystem::create_directory(file);
    auto written = write_file(file, "one");
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error().message, ::testing::HasSubstr(file.string()));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST_F(FilesTest, ReadsWithABoundAndNamesWhatIsMissing) {
    auto file = directory.path() / "a";
    ASSERT_TRUE(write_file(file, std::string(100'000, 'x')));
    EXPECT_EQ(read_file(file, 100'000)->size(), 100'000u);
    EXPECT_EQ(read_file(file, 99'999).error().code, Errc::limit);
    auto missing = read_file(directory.path() / "b");
    EXPECT_EQ(missing.error().code, Errc::not_found);
    EXPECT_THAT(missing.error().message, ::testing::HasSubstr((directory.path() / "b").string()));
}

TEST_F(FilesTest, MakesDirectoriesWithExactlyTheirMode) {
    auto old = ::umask(077);
    EXPECT_TRUE(make_directories(directory.path() / "a/b/c", 0750));
    ::umask(old);
    EXPECT_EQ(mode_of(directory.path() / "a"), 0750u);
    EXPECT_EQ(mode_of(directory.path() / "a/b/c"), 0750u);
    EXPECT_TRUE(make_directories(directory.path() / "a/b/c/", 0700));
    EXPECT_EQ(mode_of(directory.path() / "a/b/c"), 0750u) << "existing ones keep theirs";
    std::ofstream(directory.path() / "file") << "x";
    EXPECT_EQ(make_directories(directory.path() / "file").error().code, Errc::conflict);
}

TEST_F(FilesTest, RemovesATreeButFollowsNoLink) {
    auto outside = directory.path() / "outside";
    auto tree = directory.path() / "tree";
    std::filesystem::create_directories(outside);
    std::ofstream(outside / "kept") << "x";
    std::filesystem::create_directories(tree / "a/b");
    std::filesystem::create_directory_symlink(outside, tree / "a/link");
    std::filesystem::create_symlink(outside / "kept", tree / "a/b/link");
    std::ofstream(tree / "a/b/file") << "x";
    ASSERT_TRUE(remove_tree(tree));
    EXPECT_FALSE(std::filesystem::exists(tree));
    EXPECT_TRUE(std::filesystem::exists(outside / "kept"));
    EXPECT_TRUE(remove_tree(tree)) << "nothing there is fine";
    std::filesystem::create_directory_symlink(outside, tree);
    ASSERT_TRUE(remove_tree(tree));
    EXPECT_TRUE(std::filesystem::exists(outside / "kept"));
}

TEST_F(FilesTest, RemovesWhatItsOwnerLockedUp) {
    auto tree = directory.path() / "tree";
    std::filesystem::create_directories(tree / "a/b");
    std::ofstream(tree / "a/b/file") << "x";
    ::chmod((tree / "a/b").c_str(), 0);
    ::chmod((tree / "a").c_str(), 0500);
    auto removed = remove_tree(tree);
    EXPECT_TRUE(removed) << removed.error().message;
    EXPECT_FALSE(std::filesystem::exists(tree));
}

TEST_F(FilesTest, RemovesATreeDeeperThanDescriptorsGo) {
    auto tree = directory.path() / "tree";
    std::filesystem::create_directory(tree);
    auto at = std::move(*open_file(tree, O_RDONLY | O_DIRECTORY));
    for (int depth = 0; depth < 1200; ++depth) {
        ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
        at = std::move(*open_file_at(at.get(), "d", O_RDONLY | O_DIRECTORY));
    }
    auto removed = remove_tree(tree);
    EXPECT_TRUE(removed) << removed.error().message;
    EXPECT_FALSE(std::filesystem::exists(tree));
}

TEST_F(FilesTest, RefusesToRemoveWhatHasNoName) {
    for (const char* path : {"/", ".", "..", "", "a/.."})
        EXPECT_FALSE(remove_tree(path)) << path;
}

TEST_F(FilesTest, KnowsTheFreeSpace) {
    auto space = free_space(directory.path());
    ASSERT_TRUE(space);
    EXPECT_GT(space->available, 0u);
    EXPECT_GE(space->total, space->available);
    EXPECT_EQ(free_space("/no/where").error().code, Errc::not_found);
}

TEST_F(FilesTest, FreesTheHeadOfALogAndKeepsItsOffsets) {
    auto file = directory.path() / "log";
    auto writer = std::move(*open_file(file, O_WRONLY | O_CREAT | O_APPEND));
    std::string line(1 << 20, 'a');
    for (int at = 0; at < 4; ++at)
        ASSERT_EQ(::write(writer.get(), line.data(), line.size()),
                  static_cast<ssize_t>(line.size()));
    auto before = punch_head(file, 8 << 20, 1 << 20);
    ASSERT_TRUE(before) << before.error().message;
    EXPECT_EQ(*before, 0u) << "below its cap nothing is freed";
    auto first = punch_head(file, 2 << 20, 1 << 20);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(*first, 3u << 20);
    ASSERT_EQ(::write(writer.get(), "tail", 4), 4);
    struct stat found{};
    ::stat(file.c_str(), &found);
    EXPECT_EQ(found.st_size, (4 << 20) + 4);
    EXPECT_LT(found.st_blocks * 512, 2 << 20);
    EXPECT_EQ(read_file(file)->substr((4 << 20) - 2), "aatail");
}

TEST_F(FilesTest, APipeClosesOnExec) {
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe);
    EXPECT_NE(::fcntl(pipe->read.get(), F_GETFD) & FD_CLOEXEC, 0);
    ASSERT_TRUE(set_nonblocking(pipe->read));
    char byte = 0;
    EXPECT_EQ(::read(pipe->read.get(), &byte, 1), -1);
    EXPECT_EQ(errno, EAGAIN);
}

}  // namespace
}  // namespace belay::sys
