#include "git/known_hosts.hpp"

#include "git/base64.hpp"

#include <gmock/gmock.h>

namespace belay::git {
namespace {

using Kind = HostKeyVerdict::Kind;

// Made for this test; the hashed line by `ssh-keygen -H`, the fingerprint by `ssh-keygen -lf`.
const std::string kEd = "AAAAC3NzaC1lZDI1NTE5AAAAIIqy+a6xu1+t4cVliNg6X0c9bG5GwaoT3GFHVmMEq684";
const std::string kOther = "AAAAC3NzaC1lZDI1NTE5AAAAII4I7iUqBImlL5vX3yvsHANhatZkgTwJoEbPt0KUFIex";
const std::string kEc =
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEMMnKumOCMb5CDTQGBOlQoes3Ku6H3NDwTt2EpKcw"
    "k+4r1RuilMLqMMuEoA8rIuZ6iYGU/PjgrTYdNbfJTJrU4=";
const std::string kHashed =
    "|1|OmDrl3TXq8Z1+MyWbVWFQBoby3M=|btI1AT1OHlFBBsiTuqVLDPVhdDw= ssh-ed25519 " + kEd;
const std::string kFingerprint = "SHA256:bNV1imNZyh+R2j4r+URk+SQvAJ0VIirwQ3eEG6c43hc";

HostKeyVerdict judge(const std::string& text, const std::string& host, std::uint16_t port,
                     const std::string& key) {
    return judge_host_key({{"/etc/known_hosts", text}}, host, port, *decode_base64(key));
}

Kind kind(const std::string& text, const std::string& host, std::uint16_t port = 22,
          const std::string& key = kEd) {
    return judge(text, host, port, key).kind;
}

std::string line(const std::string& names, const std::string& key = kEd) {
    return names + " ssh-ed25519 " + key + "\n";
}

TEST(KnownHosts, PlainNamesAndPorts) {
    EXPECT_EQ(kind(line("example.com"), "example.com"), Kind::known);
    EXPECT_EQ(kind(line("a,example.com,b"), "EXAMPLE.com"), Kind::known);
    EXPECT_EQ(kind(line("example.com"), "other.com"), Kind::unknown);
    EXPECT_EQ(kind(line("[example.com]:2222"), "example.com", 2222), Kind::known);
    EXPECT_EQ(kind(line("[example.com]:2222"), "example.com"), Kind::unknown);
}

TEST(KnownHosts, LineWithoutThePortServesButDoesNotAccuse) {
    EXPECT_EQ(kind(line("example.com"), "example.com", 2222), Kind::known);
    EXPECT_EQ(kind(line("example.com", kOther), "example.com", 2222), Kind::unknown);
}

TEST(KnownHosts, HashedNames) {
    EXPECT_EQ(kind(kHashed + "\n", "git.example.com", 2222), Kind::known);
    EXPECT_EQ(kind(kHashed + "\n", "git.example.com", 22), Kind::unknown);
    EXPECT_EQ(kind(kHashed + "\n", "git.example.org", 2222), Kind::unknown);
}

TEST(KnownHosts, WildcardsAndNegations) {
    EXPECT_EQ(kind(line("*.example.com"), "git.example.com"), Kind::known);
    EXPECT_EQ(kind(line("*.example.com,!git.example.com"), "git.example.com"), Kind::unknown);
    EXPECT_EQ(kind(line("git?.example.com"), "git1.example.com"), Kind::known);
    EXPECT_EQ(kind(line("*"), "example.com"), Kind::known);
    EXPECT_EQ(kind(line("[*]:2222"), "example.com", 2222), Kind::known);
}

TEST(KnownHosts, AnotherKeyOfTheSameTypeIsAChange) {
    auto verdict = judge("# a comment\n\n" + line("example.com", kOther), "example.com", 22, kEd);
    EXPECT_EQ(verdict.kind, Kind::changed);
    EXPECT_EQ(verdict.where, "/etc/known_hosts:3");
    EXPECT_EQ(kind(line("example.com", kOther) + line("example.com"), "example.com"), Kind::known);
}

TEST(KnownHosts, AnotherTypeIsSaidWithTheTypesThatAreKnown) {
    auto verdict = judge("example.com ecdsa-sha2-nistp256 " + kEc + "\n", "example.com", 22, kEd);
    EXPECT_EQ(verdict.kind, Kind::other_types);
    EXPECT_THAT(verdict.known_types, ::testing::ElementsAre("ecdsa-sha2-nistp256"));
}

TEST(KnownHosts, RevokedKeyIsNeverGood) {
    auto text = line("example.com") + "@revoked " + line("*");
    EXPECT_EQ(kind(text, "example.com"), Kind::revoked);
    EXPECT_EQ(kind("@revoked " + line("*") + line("example.com"), "example.com"), Kind::revoked);
    EXPECT_EQ(kind("@revoked " + line("*", kOther) + line("example.com"), "example.com"),
              Kind::known);
    EXPECT_EQ(kind("@revoked " + line("example.com"), "example.com", 2222), Kind::revoked);
}

TEST(KnownHosts, AuthorityIsNotUsedAndSaidSo) {
    auto verdict = judge("@cert-authority " + line("example.com"), "example.com", 22, kEd);
    EXPECT_EQ(verdict.kind, Kind::unknown);
    EXPECT_TRUE(verdict.authority_ignored);
}

TEST(KnownHosts, TypeIsReadFromTheKeyAndNotFromTheWordBeforeIt) {
    EXPECT_EQ(kind("example.com ssh-rsa " + kEd, "example.com"), Kind::known);
    EXPECT_EQ(kind("example.com ssh-rsa " + kOther, "example.com"), Kind::changed);
}

TEST(KnownHosts, LinesThatAreNoneArePassedOver) {
    EXPECT_EQ(
        kind(
            "example.com\nexample.com ssh-ed25519\nexample.com ssh-ed25519 ???\n|1|x ssh-ed25519 " +
                kEd + "\n",
            "example.com"),
        Kind::unknown);
}

TEST(KnownHosts, AllFilesCount) {
    auto verdict = judge_host_key({{"a", ""}, {"b", line("example.com")}}, "example.com", 22,
                                  *decode_base64(kEd));
    EXPECT_EQ(verdict.kind, Kind::known);
    EXPECT_EQ(verdict.where, "b:1");
}

TEST(KnownHosts, FingerprintIsTheOneOfSsh) {
    EXPECT_EQ(fingerprint(*decode_base64(kEd)), kFingerprint);
}

TEST(KnownHosts, LinesForAHostAreUnhashed) {
    EXPECT_THAT(lines_for_host({{"a", kHashed}}, "git.example.com", 2222),
                ::testing::ElementsAre("[git.example.com]:2222 ssh-ed25519 " + kEd));
}

TEST(KnownHosts, AsksLastForTheTypeThatServersDoNotSignWithAnyMore) {
    EXPECT_THAT(lines_for_host({{"a", "host ssh-rsa " + kEd + "\nhost ssh-ed25519 " + kEd + "\n"}},
                               "host", 22),
                ::testing::ElementsAre("host ssh-ed25519 " + kEd, "host ssh-rsa " + kEd));
}

TEST(Base64, GoesThereAndBack) {
    for (const char* text : {"", "a", "ab", "abc", "abcd"})
        EXPECT_EQ(decode_base64(encode_base64(text)), text);
    EXPECT_EQ(encode_base64("ab"), "YWI=");
    EXPECT_EQ(decode_base64("Y"), std::nullopt);
    EXPECT_EQ(decode_base64("YW=I"), std::nullopt);
    EXPECT_EQ(decode_base64("Y!=="), std::nullopt);
}

}  // namespace
}  // namespace belay::git
