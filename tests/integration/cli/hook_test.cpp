#include "cli/hook_script.hpp"
#include "cli/webhook_signature.hpp"
#include "cli/whole_file.hpp"
#include "command_run.hpp"
#include "fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>

namespace belay::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

struct Shell {
    int code;
    std::string out;  // both streams
};

Shell shell(const std::string& script) {
    auto* pipe = ::popen(("( " + script + "\n) 2>&1").c_str(), "r");
    Shell result{-1, {}};
    char chunk[4096];
    while (auto count = std::fread(chunk, 1, sizeof chunk, pipe))
        result.out.append(chunk, count);
    auto status = ::pclose(pipe);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return result;
}

constexpr const char* kAnswer =
    R"({"delivery": "w5", "deployment": "d12", "decision": "queued", "reason": null})";

// A bare repository, a clone with one commit, a secret, and git that heeds nobody's configuration.
class Repositories : public testing::Test {
  protected:
    Repositories() {
        std::ofstream(belay.folder.path("shop.hook")) << "whsec_c2VjcmV0c2VjcmV0\n";
        ::chmod(belay.folder.path("shop.hook").c_str(), 0600);
        auto made = git("init -q --bare -b main " + bare() + " && git init -q -b main " + work() +
                        " && cd " + work() + " && git remote add origin " + bare() +
                        " && git commit -q --allow-empty -m one");
        EXPECT_EQ(made.code, 0) << made.out;
    }

    Shell git(const std::string& arguments) {
        return shell("export HOME=" + belay.folder.path() +
                     " GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b "
                     "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; git " +
                     arguments);
    }
    Shell commit_and_push(const std::string& what = "main") {
        return git("-C " + work() + " commit -q --allow-empty -m more && git -C " + work() +
                   " push origin " + what);
    }
    // Through the program itself, so that the hook names it.
    Shell install(const std::string& app, const std::string& repository, int port) {
        return shell(std::string(BELAY_CLI_ALONE) + " hook install " + app + " " + repository +
                     " --url http://127.0.0.1:" + std::to_string(port) + "/hooks/" + app +
                     " --secret-file " + belay.folder.path("shop.hook"));
    }
    std::string bare() const { return belay.folder.path("shop.git"); }
    std::string work() const { return belay.folder.path("work"); }
    std::string head() {
        auto out = git("-C " + work() + " rev-parse HEAD").out;
        return out.substr(0, out.find('\n'));
    }

    CommandRun belay;
};

TEST_F(Repositories, DeliverSignedPushesOnceTheHookIsInstalled) {
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.json(202, kAnswer); });
    auto installed = install("shop", bare(), daemon.port());
    ASSERT_EQ(installed.code, 0) << installed.out;
    auto pushed = commit_and_push();
    EXPECT_EQ(pushed.code, 0) << pushed.out;
    EXPECT_THAT(pushed.out, HasSubstr("belay: shop d12 queued (main " + head().substr(0, 7) + ")"));
    auto seen = daemon.seen();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].target, "/hooks/shop");
    EXPECT_EQ(seen[0].headers["webhook-signature"],
              webhook_signature(Secret("whsec_c2VjcmV0c2VjcmV0"), seen[0].headers["webhook-id"],
                                seen[0].headers["webhook-timestamp"], seen[0].body));
    auto body = json::parse(seen[0].body);
    EXPECT_EQ(body["data"]["repository"], bare());
    EXPECT_EQ(
        body["data"]["changes"],
        json::array(
            {{{"ref", "refs/heads/main"}, {"before", std::string(40, '0')}, {"after", head()}}}));
    EXPECT_TRUE(std::filesystem::is_empty(bare() + "/belay-spool"));
}

TEST_F(Repositories, KeepPushesWhileTheDaemonIsDownAndDeliverThemWithTheNext) {
    int port = 0;
    {
        FakeDaemon gone("", [](const Seen&, Answer&) {});
        port = gone.port();
    }
    ASSERT_EQ(install("shop", bare(), port).code, 0);
    auto first = commit_and_push();
    EXPECT_EQ(first.code, 0) << first.out;
    EXPECT_THAT(
        first.out,
        HasSubstr("belay: daemon not reached, delivery is kept and sent with the next push"));
    commit_and_push();
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.json(202, kAnswer); });
    ASSERT_EQ(install("shop", bare(), daemon.port()).code, 0);
    auto third = commit_and_push();
    EXPECT_THAT(third.out, HasSubstr("shop d12 queued (main " + head().substr(0, 7) + ")"));
    auto seen = daemon.seen();
    ASSERT_EQ(seen.size(), 3u);
    std::string before(40, '0');
    for (const auto& each : seen) {  // in the order of the pushes
        auto change = json::parse(each.body)["data"]["changes"][0];
        EXPECT_EQ(change["before"], before);
        before = change["after"].get<std::string>();
    }
    EXPECT_EQ(before, head());
    EXPECT_TRUE(std::filesystem::is_empty(bare() + "/belay-spool"));
}

TEST_F(Repositories, SendOneDeliveryUnderOneIdHoweverOftenItIsTried) {
    int status = 503;
    FakeDaemon daemon("", [&](const Seen&, Answer& answer) {
        if (status == 503) return answer.problem(503, "the disk is full");
        answer.json(202, kAnswer);
    });
    ASSERT_EQ(install("shop", bare(), daemon.port()).code, 0);
    auto first = commit_and_push();
    EXPECT_EQ(first.code, 0);
    EXPECT_THAT(
        first.out,
        HasSubstr(
            "shop refused the delivery, which is kept for the next push: 503 the disk is full"));
    status = 202;
    commit_and_push();
    auto seen = daemon.seen();
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen[0].headers["webhook-id"], seen[1].headers["webhook-id"]);
    EXPECT_NE(seen[1].headers["webhook-id"], seen[2].headers["webhook-id"]);
}

TEST_F(Repositories, AreNotHeldUpByADaemonThatHangs) {
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.wait_gone(); });
    ASSERT_EQ(install("shop", bare(), daemon.port()).code, 0);
    auto start = std::chrono::steady_clock::now();
    auto pushed = commit_and_push();
    EXPECT_EQ(pushed.code, 0) << pushed.out;
    EXPECT_THAT(pushed.out, HasSubstr("delivery is kept"));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(9));
}

TEST_F(Repositories, AreToldThatTheSecretIsAnother) {
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.problem(401, "not signed"); });
    ASSERT_EQ(install("shop", bare(), daemon.port()).code, 0);
    EXPECT_THAT(commit_and_push().out, HasSubstr("is the hook's secret the app's?"));
    EXPECT_FALSE(std::filesystem::is_empty(bare() + "/belay-spool"));
    std::filesystem::remove(belay.folder.path("shop.hook"));
    auto pushed = commit_and_push();
    EXPECT_EQ(pushed.code, 0);
    EXPECT_THAT(pushed.out, HasSubstr("shop.hook: No such file or directory"));
}

TEST_F(Repositories, KeepTheirOwnHookWhichRunsFirst) {
    auto own = bare() + "/hooks/post-receive";
    std::filesystem::create_directories(bare() + "/hooks");
    std::ofstream(own) << "#!/bin/sh\nread old new ref; echo \"own hook: $ref\"\n";
    ::chmod(own.c_str(), 0755);
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.json(202, kAnswer); });
    auto installed = install("shop", bare(), daemon.port());
    EXPECT_THAT(installed.out, HasSubstr("post-receive.before-belay and runs first"));
    auto first = *read_file(own);
    ASSERT_EQ(install("shop", bare(), daemon.port()).code, 0);
    EXPECT_EQ(*read_file(own), first);  // again is no change
    auto pushed = commit_and_push().out;
    EXPECT_THAT(pushed, HasSubstr("own hook: refs/heads/main"));
    EXPECT_LT(pushed.find("own hook"), pushed.find("belay: shop d12"));
    // both in place and neither ours: nothing is overwritten
    std::ofstream(own) << "#!/bin/sh\n";
    auto refused = install("shop", bare(), daemon.port());
    EXPECT_EQ(refused.code, kFailed);
    EXPECT_EQ(*read_file(own), "#!/bin/sh\n");
}

TEST_F(Repositories, MayFeedSeveralApps) {
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.json(202, kAnswer); });
    ASSERT_EQ(install("shop", bare(), daemon.port()).code, 0);
    ASSERT_EQ(install("blog", bare(), daemon.port()).code, 0);
    ASSERT_EQ(install("shop", bare(), daemon.port()).code, 0);
    commit_and_push();
    std::vector<std::string> targets;
    for (const auto& seen : daemon.seen())
        targets.push_back(seen.target);
    EXPECT_THAT(targets, testing::UnorderedElementsAre("/hooks/shop", "/hooks/blog"));
}

TEST_F(Repositories, WithAWorkTreeDeliverTheirCommits) {
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.json(202, kAnswer); });
    ASSERT_EQ(install("shop", work(), daemon.port()).code, 0);
    auto before = head();
    EXPECT_EQ(git("-C " + work() + " commit -q --allow-empty -m two").code, 0);
    auto second = head();
    EXPECT_EQ(git("-C " + work() + " commit -q --allow-empty --amend -m three").code, 0);
    EXPECT_EQ(git("-C " + work() + " checkout -q --detach && git -C " + work() +
                  " commit -q --allow-empty -m nowhere")
                  .code,
              0);
    auto seen = daemon.seen();
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(json::parse(seen[0].body)["data"]["changes"],
              json::array({{{"ref", "refs/heads/main"}, {"before", before}, {"after", second}}}));
    EXPECT_EQ(json::parse(seen[1].body)["data"]["changes"][0]["before"], second);
    EXPECT_EQ(json::parse(seen[0].body)["data"]["repository"], work());
}

TEST_F(Repositories, AreSaidToBeNoneWhereThereIsNone) {
    std::filesystem::create_directory(belay.folder.path("empty"));
    EXPECT_EQ(belay({"hook", "install", "shop", belay.folder.path("nowhere")}).code, kNoSuchThing);
    auto outcome = belay({"hook", "install", "shop", belay.folder.path("empty")});
    EXPECT_EQ(outcome.code, kNoSuchThing);
    EXPECT_THAT(outcome.err, HasSubstr("no git repository"));
}

TEST_F(Repositories, GetNoHookThatTheirPushersCouldNotSign) {
    auto secret = belay.folder.path("shop.hook");
    if (::geteuid() == 0) {
        // The repository is another's, the secret root's.
        ASSERT_EQ(::chown(bare().c_str(), 65534, 65534), 0);
        ::chmod(belay.folder.path().c_str(), 0755);
    } else {
        ::chmod(secret.c_str(), 0);
    }
    auto outcome = belay({"hook", "install", "shop", bare()});
    EXPECT_EQ(outcome.code, kNotAllowed);
    EXPECT_THAT(outcome.err, HasSubstr("install -o"));
    EXPECT_FALSE(std::filesystem::exists(bare() + "/hooks/post-receive"));
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown(secret.c_str(), 65534, 65534), 0);
    ASSERT_EQ(belay({"hook", "install", "shop", bare()}).code, kDone);
    struct stat facts{};
    ASSERT_EQ(::stat((bare() + "/hooks/post-receive").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_uid, 65534u);  // its owner's to change
}

TEST_F(Repositories, DeliverNothingForAnEmptyPush) {
    FakeDaemon daemon("", [](const Seen&, Answer& answer) { answer.json(202, kAnswer); });
    belay.input = "\n";
    auto outcome = belay({"hook", "deliver", "shop", "--repo", bare(), "--url",
                          "http://127.0.0.1:" + std::to_string(daemon.port()) + "/hooks/shop",
                          "--secret-file", belay.folder.path("shop.hook")});
    EXPECT_EQ(outcome.code, kDone);
    EXPECT_EQ(outcome.err, "");
    EXPECT_TRUE(daemon.seen().empty());
}

}  // namespace
}  // namespace belay::cli
