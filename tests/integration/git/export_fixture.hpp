// A repository whose commits are fetched and laid out.
#pragma once

#include "worker_client.hpp"

namespace belay::test {

struct ExportFixture : ::testing::Test {
    TemporaryDirectory directory;
    GitRepository repository{directory.path(), "shop"};
    std::filesystem::path mirror = directory / "mirror";
    std::filesystem::path into = directory / "release";

    // Fetches branch main and describes the export of it.
    ports::ExportJob job() const {
        auto fetched = fetch(fetch_order(repository.bare().string(), mirror));
        EXPECT_TRUE(succeeded(fetched));
        ports::ExportJob job;
        job.mirror = mirror;
        job.repository = repository.bare().string();
        job.allow = {"file"};
        job.commit = fetched ? fetched->commit : "";
        job.into = into;
        std::filesystem::remove_all(into);
        std::filesystem::create_directory(into);
        return job;
    }

    std::string read(const std::string& file) const {
        std::ifstream stream(into / file, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(stream), {});
    }

    unsigned mode(const std::string& file) const {
        return static_cast<unsigned>(std::filesystem::symlink_status(into / file).permissions());
    }
};

}  // namespace belay::test
