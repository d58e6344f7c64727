// Secrets in real files: owner, mode, content.
#include "config_directory.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fcntl.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kApp = "repo = \"https://a.example/b\"\n[service]\nrun = \"x\"\n";

class SecretFiles : public ConfigDirectory {
  protected:
    Result<Secret> resolve(const std::string& name) const {
        return source()->resolve({domain::SecretRef::Kind::file, at(name), Secret()});
    }
    std::string failure(const std::string& name) const {
        auto value = resolve(name);
        return value ? "(read)" : plain(value.error().message);
    }
};

TEST_F(SecretFiles, ASecretIsReadWithoutItsLineEnd) {
    write("secrets/a", "hunter2\n", 0600);
    EXPECT_EQ(resolve("secrets/a").value().reveal(), "hunter2");
    write("secrets/a", "hunter2\r\n", 0400);
    EXPECT_EQ(resolve("secrets/a").value().reveal(), "hunter2");
    write("secrets/a", "two\nlines\n\n", 0600);
    EXPECT_EQ(resolve("secrets/a").value().reveal(), "two\nlines\n");
}

TEST_F(SecretFiles, OnesThatOthersCanReadOrChangeAreRefusedWithTheCure) {
    for (auto mode : {0640, 0604, 0620, 0602, 0666}) {
        write("secrets/a", "hunter2", static_cast<mode_t>(mode));
        EXPECT_EQ(
            failure("secrets/a"),
            fmt::format("DIR/secrets/a is open to others (mode {:04o}): `chmod 600 DIR/secrets/a`",
                        mode));
    }
    write("secrets/a b", "hunter2", 0644);
    EXPECT_EQ(failure("secrets/a b"),
              "DIR/secrets/a b is open to others (mode 0644): `chmod 600 'DIR/secrets/a b'`");
}

TEST_F(SecretFiles, OnesThatAreNoSecretsAreNamed) {
    EXPECT_EQ(failure("secrets/none"),
              fmt::format("DIR/secrets/none does not exist; `install -m 600 -o {} /dev/null "
                          "DIR/secrets/none` makes an empty one to write it "
                          "into",
                          who_.user));
    write("secrets/empty", "\n", 0600);
    EXPECT_EQ(failure("secrets/empty"), "DIR/secrets/empty is empty: write the secret into it");
    EXPECT_EQ(failure("secrets"), "DIR/secrets: is a directory");
    ASSERT_EQ(::mkfifo(at("secrets/pipe").c_str(), 0600), 0);
    EXPECT_EQ(failure("secrets/pipe"), "DIR/secrets/pipe: is no regular file")
        << "a pipe must not be waited for";
    write("secrets/large", std::string(2u << 20, 'x'), 0600);
    EXPECT_EQ(failure("secrets/large"),
              "DIR/secrets/large: is larger than 1 MiB: is this the right file?");
}

TEST_F(SecretFiles, SomebodyElsesAreRefused) {
    write("secrets/a", "hunter2", 0600);
    // another daemon's user looks at a file of this one; root's own are everybody's to trust
    auto other = who_;
    other.uid = who_.uid + 1;
    other.user = "other";
    auto value = make_source(config(), other)
                     ->resolve({domain::SecretRef::Kind::file, at("secrets/a"), Secret()});
    if (who_.uid == 0) {
        EXPECT_TRUE(value);
        ASSERT_EQ(::chown(at("secrets/a").c_str(), 4711, 4711), 0);
        EXPECT_EQ(failure("secrets/a"),
                  "DIR/secrets/a belongs to 4711, who could read and change it: `chown root "
                  "DIR/secrets/a`");
    } else {
        ASSERT_FALSE(value);
        EXPECT_EQ(plain(value.error().message),
                  fmt::format("DIR/secrets/a belongs to {}, who could read and change it: `chown "
                              "other DIR/secrets/a`",
                              who_.user));
        ASSERT_EQ(::chmod(at("secrets/a").c_str(), 0), 0);
        EXPECT_EQ(failure("secrets/a"), fmt::format("DIR/secrets/a can't be read by {0}: `chown "
                                                    "{0} DIR/secrets/a && chmod 600 DIR/secrets/a`",
                                                    who_.user));
    }
}

TEST_F(SecretFiles, VariablesAndCredentialsAreTheServices) {
    who_.variables["TOKEN"] = "hunter2";
    EXPECT_EQ(source()->resolve({domain::SecretRef::Kind::env, "TOKEN", Secret()}).value().reveal(),
              "hunter2");
    EXPECT_EQ(source()->resolve({domain::SecretRef::Kind::env, "NONE", Secret()}).error().message,
              "the variable NONE is not set where Belay runs: set it in the service (Environment=, "
              "EnvironmentFile=)");
    EXPECT_THAT(
        source()->resolve({domain::SecretRef::Kind::credential, "db", Secret()}).error().message,
        HasSubstr("LoadCredential=db:"));
    who_.variables["CREDENTIALS_DIRECTORY"] = at("secrets");
    EXPECT_EQ(
        source()->resolve({domain::SecretRef::Kind::credential, "db", Secret()}).error().message,
        "the credential db does not exist: give it to the service: "
        "LoadCredential=db:/path/to/file");
    write("secrets/db", "hunter2\n", 0440);
    EXPECT_EQ(
        source()->resolve({domain::SecretRef::Kind::credential, "db", Secret()}).value().reveal(),
        "hunter2");
}

TEST_F(SecretFiles, TheDefaultOnesNeedNoKey) {
    write("secrets/shop.hook", "hooksecret\n", 0600);
    write("secrets/shop.env", "# c\nexport A='one'\nB=\"two\"\n", 0600);
    write("known_hosts", "x");
    write("apps/shop.toml",
          kApp + "[secrets]\nB = { env = \"B\" }\n[build]\nrun = \"x\"\nsecrets = [\"A\"]\n");
    who_.variables["B"] = "of the file";
    EXPECT_THAT(complaints(), ElementsAre("DIR/apps/shop.toml:5:5: warning: secrets.B: stands in "
                                          "secrets/shop.env too; this one is used"));
    auto from = source();
    auto loaded = from->load();
    ASSERT_TRUE(loaded.apps.at(0).config);
    const auto& app = *loaded.apps[0].config;
    ASSERT_EQ(app.webhook.secrets.size(), 1u);
    EXPECT_EQ(from->resolve(app.webhook.secrets[0]).value().reveal(), "hooksecret");
    EXPECT_THAT(app.credentials.known_hosts, ElementsAre(at("known_hosts")));
    auto secrets = from->secrets(app).value();
    EXPECT_EQ(secrets.at("A").reveal(), "one");
    EXPECT_EQ(secrets.at("B").reveal(), "of the file");
}

TEST_F(SecretFiles, ABadOneIsTheAppsError) {
    write("secrets/shop.hook", "hooksecret\n", 0644);
    write("secrets/shop.env", "A=1\nhunter2\n", 0600);
    write("apps/shop.toml", kApp);
    EXPECT_THAT(complaints(),
                ElementsAre("DIR/apps/shop.toml: webhook.secret: DIR/secrets/shop.hook is open to "
                            "others (mode 0644): `chmod 600 "
                            "DIR/secrets/shop.hook`",
                            "DIR/apps/shop.toml: DIR/secrets/shop.env: line 2: is no NAME=value"));
    EXPECT_FALSE(source()->load().apps.at(0).config);
}

TEST_F(SecretFiles, AnInlineOneClosesItsFileAndIsReadAgainFromASnapshot) {
    write("apps/shop.toml", kApp + "[webhook]\nsecret = [\"hunter1\", \"hunter2\"]\n");
    EXPECT_THAT(complaints(),
                ElementsAre("DIR/apps/shop.toml:5:11: webhook.secret[1]: a secret stands in this "
                            "file, which is open to others (mode 0644): "
                            "`chmod 600 DIR/apps/shop.toml`, or better { file = \"...\" }",
                            "DIR/apps/shop.toml:5:22: webhook.secret[2]: a secret stands in this "
                            "file, which is open to others (mode 0644): "
                            "`chmod 600 DIR/apps/shop.toml`, or better { file = \"...\" }"));
    write("apps/shop.toml", kApp + "[webhook]\nsecret = [\"hunter1\", \"hunter2\"]\n", 0600);
    write("belay.toml", "[defaults.secrets]\nA = \"hunter3\"\n", 0600);
    EXPECT_THAT(complaints(), IsEmpty());
    auto from = source();
    auto json = from->encode(from->load().apps.at(0).config.value());
    EXPECT_EQ(json.find("hunter"), std::string::npos);
    auto app = from->decode(json).value();
    EXPECT_EQ(from->resolve(app.webhook.secrets.at(1)).value().reveal(), "hunter2");
    EXPECT_EQ(from->secrets(app).value().at("A").reveal(), "hunter3");
    write("apps/shop.toml", kApp, 0600);
    EXPECT_EQ(plain(from->resolve(app.webhook.secrets.at(1)).error().message),
              "the value of DIR/apps/shop.toml#webhook.secret[2] is no longer there; keep secrets "
              "in files, which stay");
}

// Keys made by ssh-keygen for this test alone.
TEST_F(SecretFiles, ADeployKeyMustBeOneThatWorks) {
    write("apps/shop.toml", "repo = \"git@a.example:b\"\n[service]\nrun = \"x\"\n");
    auto make = [&](const std::string& options) {
        std::filesystem::remove(at("secrets/shop.key"));
        auto command =
            "ssh-keygen -q " + options + " -f " + at("secrets/shop.key") + " >/dev/null 2>&1";
        return std::system(command.c_str()) == 0;
    };
    if (!make("-t ed25519 -N ''")) GTEST_SKIP() << "ssh-keygen is not installed";
    EXPECT_THAT(complaints(), IsEmpty());
    const std::string key = "DIR/apps/shop.toml: credentials.key: DIR/secrets/shop.key ";
    const std::string cure =
        "make one with `ssh-keygen -t ed25519 -N '' -f FILE`, or let `belay init` do it";
    ASSERT_TRUE(make("-t rsa -b 2048 -N ''"));
    const std::string rsa =
        "is an ssh-rsa key, which can't be used (libssh2 signs with SHA-1, which servers refuse): "
        "use ed25519; " +
        cure;
    EXPECT_THAT(complaints(), ElementsAre(key + rsa));
    ASSERT_TRUE(make("-t rsa -b 2048 -m PEM -N ''"));
    EXPECT_THAT(complaints(), ElementsAre(key + rsa));
    ASSERT_TRUE(make("-t ed25519 -N secret"));
    EXPECT_THAT(complaints(),
                ElementsAre(key + "has a passphrase, which nobody is there to type; " + cure));
    write("secrets/shop.key", "ssh-ed25519 AAAA x\n", 0600);
    EXPECT_THAT(complaints(),
                ElementsAre(key + "is a public key; the private one is in the file without .pub"));
    write("secrets/shop.key",
          "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE "
          "KEY-----\n",
          0600);
    EXPECT_THAT(complaints(), ElementsAre(key + "is a damaged private key; " + cure));
    write("secrets/shop.key", "rubbish", 0600);
    EXPECT_THAT(complaints(), ElementsAre(key + "is no private key; " + cure));
}

}  // namespace
}  // namespace belay::config
