// A state directory with one app, and what a build may do in it.
#pragma once

#include "support/run_task.hpp"
#include "support/temp_directory.hpp"

#include <belay/release/releases.hpp>
#include <belay/sys/files.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::release {

namespace fs = std::filesystem;

inline void write(const fs::path& file, std::string_view content, mode_t mode = 0644) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    ::chmod(file.c_str(), mode);
}

inline std::string read(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline struct stat status_of(const fs::path& file) {
    struct stat status{};
    EXPECT_EQ(::lstat(file.c_str(), &status), 0) << file;
    return status;
}

class World : public ::testing::Test {
  protected:
    World() { ::chmod(state.path().c_str(), 0711); }
    // By our own remover, as what is sealed is closed to an ordinary user.
    ~World() override {
        for (const char* part : {"releases", "shared", "home", "secrets"})
            EXPECT_TRUE(sys::remove_tree(state.path() / part));
    }

    // Three uids of their own where we may change uids, as in production; else all is ours.
    domain::AppUsers users =
        ::geteuid() == 0 ? domain::AppUsers{52001, 52002, 52003} : domain::AppUsers{};
    test::TempDirectory state;
    boost::asio::io_context loop;
    std::unique_ptr<ports::Releases> releases = make_releases({state.path().string()});

    template <class T>
    T run(Task<T> task) {
        return test::run_task(loop, std::move(task));
    }

    fs::path prepare(ReleaseNumber number) {
        auto directory = run(releases->prepare("shop", number, users));
        EXPECT_TRUE(directory) << directory.error().message;
        EXPECT_TRUE(run(releases->shared_directory("shop", users)));
        return *directory;
    }

    ports::SealJob job(ReleaseNumber number) {
        ports::SealJob made;
        made.manifest.app = "shop";
        made.manifest.number = number;
        made.manifest.commit = std::string(40, 'a');
        made.ship = {"**"};
        made.users = users;
        return made;
    }

    domain::Manifest seal(ports::SealJob what) {
        auto sealed = run(releases->seal(std::move(what)));
        EXPECT_TRUE(sealed) << (sealed ? "" : sealed.error().error.message);
        return sealed ? *sealed : domain::Manifest{};
    }

    ports::SealFailure seal_failure(ports::SealJob what) {
        auto sealed = run(releases->seal(std::move(what)));
        EXPECT_FALSE(sealed);
        return sealed ? ports::SealFailure{} : sealed.error();
    }

    std::string verify(ReleaseNumber number, ports::Check check) {
        auto done = run(releases->verify("shop", number, check));
        return done ? "" : done.error().message;
    }

    int run_uid() const { return users.separate() ? users.run : static_cast<int>(::geteuid()); }
};

}  // namespace belay::release
