#include "support/eventually.hpp"
#include "support/git_server.hpp"
#include "worker_client.hpp"

#include <gmock/gmock.h>

#include <random>

namespace belay::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Clock = std::chrono::steady_clock;

std::string noise(std::size_t bytes) {
    std::mt19937 random(7);
    std::string text(bytes, '\0');
    for (auto& c : text)
        c = static_cast<char>(random() & 0xffU);
    return text;
}

struct Transport : ::testing::Test {
    TemporaryDirectory directory;
    GitRepository repository{directory.path(), "shop"};
    fs::path mirror = directory / "mirror";
    std::string commit = pushed("1");

    std::string pushed(std::string_view content) const {
        auto id = repository.commit_file("a", content);
        repository.push();
        return id;
    }
    git::FetchOrder order(const std::string& url) const { return fetch_order(url, mirror); }
};

TEST_F(Transport, GitProtocolFetchesOnlyWhatIsNew) {
    GitDaemon daemon(directory.path());
    repository.write("large", noise(200'000));
    commit = repository.commit("Add much");
    repository.push();
    auto first = fetch(order(daemon.url("shop.git")));
    ASSERT_TRUE(succeeded(first));
    EXPECT_EQ(first->commit, commit);
    EXPECT_GT(first->received_bytes, 150'000u);
    commit = pushed("2");
    auto second = fetch(order(daemon.url("shop.git")));
    ASSERT_TRUE(succeeded(second));
    EXPECT_EQ(second->commit, commit);
    EXPECT_LT(second->received_bytes, 2'000u);
    EXPECT_EQ(second->received_objects, 3u);
    auto third = fetch(order(daemon.url("shop.git")));
    ASSERT_TRUE(succeeded(third));
    EXPECT_EQ(third->received_objects, 0u);
}

TEST_F(Transport, BranchThatBecameADirectoryIsFollowedOverTheNetworkToo) {
    GitDaemon daemon(directory.path());
    repository.git({"branch", "topic"});
    repository.push();
    ASSERT_TRUE(succeeded(fetch(order(daemon.url("shop.git")))));
    repository.git({"branch", "-D", "topic"});
    repository.git({"branch", "topic/one"});
    repository.push();
    EXPECT_TRUE(succeeded(fetch(order(daemon.url("shop.git")))));
}

TEST_F(Transport, HttpWorksAndFollowsARedirectOnItsOwnHost) {
    GitHttpServer server(directory.path());
    EXPECT_TRUE(succeeded(fetch(order(server.url("shop.git")))));
    EXPECT_TRUE(succeeded(fetch(order(server.url("redirect/shop.git")))));
}

TEST_F(Transport, HttpTokenIsNeededAndUsed) {
    GitHttpServer server(directory.path(), "s3cret");
    auto wanted = order(server.url("shop.git"));
    EXPECT_THAT(failure_of(fetch(wanted)),
                AllOf(StartsWith("auth_failed: "), HasSubstr("none is given")));
    wanted.job.access.token = Secret("s3cret");
    EXPECT_TRUE(succeeded(fetch(wanted)));
    std::ifstream config(mirror / "config");
    std::string text(std::istreambuf_iterator<char>(config), {});
    EXPECT_THAT(text, Not(HasSubstr("s3cret")));
    EXPECT_THAT(text, Not(HasSubstr("remote")));
}

TEST_F(Transport, WrongHttpTokenIsTriedOnceAndNeverShown) {
    GitHttpServer server(directory.path(), "s3cret");
    auto wanted = order(server.url("shop.git"));
    wanted.job.access.token = Secret("wr0ng-token");
    auto run = run_worker("fetch", git::encode(wanted));
    EXPECT_THAT(failure_of(git::decode_fetched(run.result)),
                AllOf(StartsWith("auth_failed: "), HasSubstr("did not accept")));
    EXPECT_THAT(run.result + run.log, Not(HasSubstr("wr0ng-token")));
    auto seen = belay::test::run({"curl", "-s", server.url("_seen")});
    EXPECT_EQ(std::count(seen.begin(), seen.end(), '\n'), 0) << seen;
}

TEST_F(Transport, TokenIsNotSentToTheHostOfAnOffsiteRedirect) {
    GitHttpServer thief(directory.path(), "another");
    GitHttpServer server(directory.path());
    // Also where the first server asked for the token, and so was given it, before it redirects.
    GitHttpServer secret(directory.path(), "s3cret");
    for (const auto& url : {server.url(fmt::format("offsite/{}/shop.git", thief.port())),
                            secret.url(fmt::format("later/{}/shop.git", thief.port()))}) {
        auto wanted = order(url);
        wanted.job.access.token = Secret("s3cret");
        EXPECT_THAT(failure_of(fetch(wanted)),
                    AllOf(StartsWith("auth_failed: "), HasSubstr("not sent to another host")));
    }
    EXPECT_EQ(belay::test::run({"curl", "-s", thief.url("_seen")}), "");
}

TEST_F(Transport, HttpStatusesAreSaidInWords) {
    GitHttpServer server(directory.path());
    EXPECT_THAT(failure_of(fetch(order(server.url("nothere.git")))),
                AllOf(StartsWith("fetch_failed: "), HasSubstr("404")));
    EXPECT_THAT(failure_of(fetch(order(server.url("forbidden/shop.git")))),
                StartsWith("auth_failed: "));
    auto broken = fetch(order(server.url("broken/shop.git")));
    EXPECT_THAT(failure_of(broken), AllOf(StartsWith("fetch_failed: "), HasSubstr("500")));
    EXPECT_TRUE(broken.error().error.transient);
}

TEST_F(Transport, HttpsNeedsATrustedCertificate) {
    auto key = (directory / "tls.key").string();
    auto certificate = (directory / "tls.crt").string();
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate});
    GitHttpServer server(directory.path(), "", certificate, key);
    auto url = fmt::format("https://localhost:{}/shop.git", server.port());
    auto wanted = order(url);
    EXPECT_THAT(failure_of(fetch(wanted)),
                AllOf(StartsWith("fetch_failed: "), HasSubstr("[credentials] ca")));
    std::ifstream pem(certificate);
    wanted.material.ca.assign(std::istreambuf_iterator<char>(pem), {});
    wanted.job.access.ca_file = certificate;
    EXPECT_TRUE(succeeded(fetch(wanted)));
}

TEST_F(Transport, NobodyListeningIsSaidAndMayBeTriedAgain) {
    auto failure = fetch(order(fmt::format("git://127.0.0.1:{}/shop.git", free_port())));
    EXPECT_THAT(failure_of(failure), StartsWith("fetch_failed: "));
    EXPECT_TRUE(failure.error().error.transient);
}

TEST_F(Transport, Sha256RepositoryIsRecognised) {
    GitRepository modern(directory.path(), "modern", {"--object-format=sha256"});
    modern.commit_file("a", "1");
    modern.push();
    GitDaemon daemon(directory.path());
    GitHttpServer server(directory.path());
    EXPECT_THAT(failure_of(fetch(order(daemon.url("modern.git")))),
                StartsWith("sha256_repository_unsupported: "));
    EXPECT_THAT(failure_of(fetch(order(server.url("modern.git")))),
                StartsWith("sha256_repository_unsupported: "));
}

TEST_F(Transport, TipsAreListedWithoutAMirror) {
    repository.git({"tag", "-a", "v1", "-m", "first"});
    repository.git({"branch", "other"});
    repository.push();
    GitDaemon daemon(directory.path());
    git::TipsOrder wanted;
    for (const auto& url : {daemon.url("shop.git"), repository.bare().string()}) {
        wanted.job.access = order(url).job.access;
        wanted.job.branch = "main";
        wanted.job.tag_pattern = "v*";
        auto found = tips(wanted);
        ASSERT_TRUE(succeeded(found)) << url;
        EXPECT_THAT(*found, ::testing::ElementsAre(ports::Tip{"refs/heads/main", commit},
                                                   ports::Tip{"refs/tags/v1", commit}));
        wanted.job.tag_pattern.clear();
        wanted.job.branch.clear();
        EXPECT_EQ(tips(wanted)->size(), 3u);
    }
}

TEST_F(Transport, ServerThatNeverAnswersEndsInATimeout) {
    StallingServer server(0, 0);
    for (const char* scheme : {"git", "http", "https", "ssh"}) {
        auto wanted = order(fmt::format("{}://127.0.0.1:{}/shop.git", scheme, server.port()));
        wanted.job.child.timeout = std::chrono::milliseconds(300);
        auto start = Clock::now();
        EXPECT_THAT(failure_of(fetch(wanted)),
                    AllOf(StartsWith("fetch_timeout: "), HasSubstr("did not answer")))
            << scheme;
        EXPECT_LT(Clock::now() - start, std::chrono::seconds(5)) << scheme;
    }
}

TEST_F(Transport, ServerThatStopsInTheMiddleOfAPackEndsInATimeoutAndTheNextFetchWorks) {
    repository.write("large", noise(400'000));
    commit = repository.commit("Add much");
    repository.push();
    GitDaemon daemon(directory.path());
    StallingServer server(daemon.port(), 100'000);
    auto wanted = order(fmt::format("git://127.0.0.1:{}/shop.git", server.port()));
    wanted.job.child.timeout = std::chrono::milliseconds(1500);
    EXPECT_THAT(failure_of(fetch(wanted)),
                AllOf(StartsWith("fetch_timeout: "), HasSubstr("objects")));
    auto fetched = fetch(order(daemon.url("shop.git")));
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, commit);
    for (const auto& entry : fs::directory_iterator(mirror / "objects/pack")) {
        EXPECT_THAT(entry.path().filename().string(), StartsWith("pack-"));
    }
}

TEST_F(Transport, FetchKilledInTheMiddleIsRepeatedWithoutHarm) {
    repository.write("large", noise(400'000));
    commit = repository.commit("Add much");
    repository.push();
    GitDaemon daemon(directory.path());
    StallingServer server(daemon.port(), 100'000);
    auto worker = start_worker(
        "fetch", git::encode(order(fmt::format("git://127.0.0.1:{}/shop.git", server.port()))));
    auto has_half_pack = [this] {
        std::error_code none;
        for (fs::directory_iterator at(mirror / "objects/pack", none), end; at != end; ++at) {
            if (at->path().filename().string().starts_with("pack_git2_")) return true;
        }
        return false;
    };
    ASSERT_TRUE(test::eventually(has_half_pack));
    ::kill(worker.pid, SIGKILL);
    worker.finish();
    auto fetched = fetch(order(daemon.url("shop.git")));
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, commit);
    EXPECT_FALSE(has_half_pack());
}

struct Ssh : Transport {
    SshServer server{directory / "ssh"};

    git::FetchOrder with_key(const std::string& key, const std::string& known_hosts) const {
        auto wanted = order(server.url(repository.bare()));
        std::ifstream stream(server.file(key));
        wanted.material.key.assign(std::istreambuf_iterator<char>(stream), {});
        wanted.job.access.key_file = server.file(key);
        wanted.material.known_hosts = {{"/etc/belay/known_hosts", known_hosts}};
        return wanted;
    }
};

TEST_F(Ssh, WorksWithAnEd25519KeyAndAKnownHost) {
    auto fetched = fetch(with_key("client", server.host_line()));
    ASSERT_TRUE(succeeded(fetched));
    EXPECT_EQ(fetched->commit, commit);
    EXPECT_TRUE(succeeded(fetch(with_key("client", server.host_line("host_ecdsa")))));
}

TEST_F(Ssh, WorksWithAHashedKnownHost) {
    auto file = directory / "known_hosts";
    std::ofstream(file) << server.host_line();
    run({"ssh-keygen", "-q", "-H", "-f", file.string()});
    std::ifstream stream(file);
    std::string text(std::istreambuf_iterator<char>(stream), {});
    ASSERT_THAT(text, StartsWith("|1|"));
    EXPECT_TRUE(succeeded(fetch(with_key("client", text))));
}

TEST_F(Ssh, UnknownHostIsRefusedWithTheLineToAdd) {
    auto message = failure_of(fetch(with_key("client", "")));
    EXPECT_THAT(message, AllOf(StartsWith("host_key_mismatch: "), HasSubstr("SHA256:"),
                               HasSubstr("/etc/belay/known_hosts"),
                               HasSubstr(fmt::format("[127.0.0.1]:{} ", server.port()))));
    auto line = message.substr(message.find("add this line: ") + 15);
    EXPECT_TRUE(succeeded(fetch(with_key("client", line + "\n"))));
}

TEST_F(Ssh, ChangedHostKeyIsRefusedWithItsPlace) {
    auto known = "# first\n" + server.host_line();
    ASSERT_TRUE(succeeded(fetch(with_key("client", known))));
    server.change_host_key();
    EXPECT_THAT(failure_of(fetch(with_key("client", known))),
                AllOf(StartsWith("host_key_mismatch: "),
                      HasSubstr("/etc/belay/known_hosts:2 has another")));
}

TEST_F(Ssh, RevokedHostKeyIsRefused) {
    EXPECT_THAT(failure_of(fetch(
                    with_key("client", server.host_line() + "@revoked " + server.host_line()))),
                AllOf(StartsWith("host_key_mismatch: "), HasSubstr("revoked")));
}

TEST_F(Ssh, KeyThatTheServerDoesNotKnowIsNamedWithItsPublicHalf) {
    EXPECT_THAT(
        failure_of(fetch(with_key("stranger", server.host_line()))),
        AllOf(StartsWith("auth_failed: "), HasSubstr(server.file("stranger").string()),
              HasSubstr(server.public_key("stranger").substr(0, 60)), HasSubstr("deploy key")));
}

TEST_F(Ssh, MissingKeyIsSaid) {
    auto wanted = with_key("nosuchkey", server.host_line());
    EXPECT_THAT(failure_of(fetch(wanted)),
                AllOf(StartsWith("auth_failed: "), HasSubstr("there is no key")));
}

TEST_F(Ssh, RsaKeyIsToldToBecomeEd25519) {
    EXPECT_THAT(failure_of(fetch(with_key("client_rsa", server.host_line()))),
                AllOf(StartsWith("auth_failed: "), HasSubstr("use ed25519")));
}

TEST_F(Ssh, LeavesNothingInTheTemporaryDirectory) {
    ASSERT_TRUE(succeeded(fetch(with_key("client", server.host_line()))));
    for (const auto& entry : fs::directory_iterator("/tmp")) {
        EXPECT_THAT(entry.path().filename().string(), Not(StartsWith("belay-git-")));
    }
}

}  // namespace
}  // namespace belay::test
