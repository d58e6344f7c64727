// Properties of the seal that hold for any tree.
#include "world.hpp"

#include <map>
#include <random>
#include <set>

namespace belay::release {
namespace {

using ports::Check;

class RandomSeal : public World {
  protected:
    std::string name() {
        static const std::vector<std::string> kNames{"a",       "a-b", "a.b", "node_modules",
                                                     ".hidden", "ü",   "x y", "\n"};
        return kNames[random() % kNames.size()];
    }

    void grow(const fs::path& directory, int depth) {
        auto count = random() % 5;
        for (unsigned i = 0; i < count; ++i) {
            auto path = directory / name();
            if (fs::exists(fs::symlink_status(path))) continue;
            switch (random() % 5) {
                case 0:
                    fs::create_symlink(random() % 2 ? "/etc/passwd" : "../a", path);
                    break;
                case 1:
                case 2:
                    fs::create_directory(path);
                    if (depth < 5) grow(path, depth + 1);
                    break;
                default:
                    write(path, std::string(random() % 9'000, 'x'), random() % 4 ? 0644 : 07777);
            }
        }
    }

    // Path -> what it is and holds.
    std::map<std::string, std::string> picture(const fs::path& directory) {
        std::map<std::string, std::string> seen;
        for (const auto& entry : fs::recursive_directory_iterator(directory)) {
            auto path = entry.path().lexically_relative(directory).string();
            if (entry.is_symlink())
                seen[path] = "-> " + fs::read_symlink(entry.path()).string();
            else
                seen[path] = entry.is_directory() ? "directory" : "file " + read(entry.path());
        }
        return seen;
    }

    std::mt19937 random{1};
};

TEST_F(RandomSeal, KeepsWhatWasBuiltUndoesWhatTestsAddedAndCopiesTheSame) {
    for (int round = 1; round <= 12; ++round) {
        auto number = 2 * round;
        auto directory = prepare(number);
        grow(directory, 0);
        auto built = picture(directory);
        auto mark = run(releases->mark("shop", number));
        ASSERT_TRUE(mark) << mark.error().message;
        // Only adds: names that exist are left.
        std::vector<fs::path> places{directory};
        for (const auto& [path, kind] : built)
            if (kind == "directory") places.push_back(directory / path);
        for (int i = 0; i < 3; ++i)
            grow(places[random() % places.size()], 3);
        auto what = job(number);
        what.before_tests = *mark;
        seal(what);
        ASSERT_EQ(picture(directory), built) << "round " << round;
        ASSERT_EQ(verify(number, Check::full), "");
        for (const auto& entry : fs::recursive_directory_iterator(directory))
            if (!entry.is_symlink()) {
                ASSERT_EQ(status_of(entry.path()).st_mode & 07222, 0u) << entry.path();
            }
        auto copy = prepare(number + 1);
        ASSERT_TRUE(run(releases->copy("shop", number, number + 1, users)));
        seal(job(number + 1));
        ASSERT_EQ(picture(copy), built) << "round " << round;
        ASSERT_EQ(verify(number + 1, Check::full), "");
    }
}

TEST_F(RandomSeal, SeesEveryChangeOfOneFile) {
    for (int round = 1; round <= 15; ++round) {
        auto directory = prepare(round);
        grow(directory, 0);
        write(directory / "one", "x");
        auto built = picture(directory);
        auto mark = run(releases->mark("shop", round));
        ASSERT_TRUE(mark);
        std::vector<std::string> files;
        for (const auto& [path, kind] : built)
            if (kind != "directory") files.push_back(path);
        auto victim = files[random() % files.size()];
        if (random() % 2)
            fs::remove(directory / victim);
        else {
            fs::remove(directory / victim);
            write(directory / victim, "changed");
        }
        auto what = job(round);
        what.before_tests = *mark;
        auto failure = seal_failure(what);
        EXPECT_EQ(failure.reason, domain::Reason::artifact_changed);
        EXPECT_NE(failure.error.message.find(victim + " ("), std::string::npos)
            << failure.error.message;
    }
}

}  // namespace
}  // namespace belay::release
