// A directory with belay.toml, apps/ and secrets/ that goes away with the test.
#pragma once

#include <belay/config/source.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace belay::config {

class ConfigDirectory : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "belay-config-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = std::filesystem::canonical(pattern).string();
        std::filesystem::create_directories(root_ + "/apps");
        std::filesystem::create_directories(root_ + "/secrets");
        who_ = current_surroundings();
        // what the machine's own environment says is not this test's
        who_.variables.clear();
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    std::string at(const std::string& name) const { return root_ + "/" + name; }
    void write(const std::string& name, const std::string& content, mode_t mode = 0644) const {
        std::filesystem::remove(at(name));  // one of mode 0400 can't be written again but by root
        std::ofstream(at(name), std::ios::binary) << content;
        ASSERT_EQ(::chmod(at(name).c_str(), mode), 0);
    }
    std::string config() const { return at("belay.toml"); }
    std::unique_ptr<ports::ConfigSource> source() const { return make_source(config(), who_); }

    // Of `check`, the directory written as DIR.
    std::vector<std::string> complaints(const std::vector<std::string>& files = {}) const {
        std::vector<std::string> lines;
        for (const auto& each : check(config(), files, who_))
            lines.push_back(plain(each.to_string()));
        return lines;
    }
    std::string plain(std::string line) const {
        for (std::size_t found = 0; (found = line.find(root_)) != line.npos;)
            line.replace(found, root_.size(), "DIR");
        return line;
    }

    std::string root_;
    Surroundings who_;
};

}  // namespace belay::config
