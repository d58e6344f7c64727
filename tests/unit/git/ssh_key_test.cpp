// Keys made for this test alone, by ssh-keygen and openssl; they open nothing.
#include <belay/git/ssh_key.hpp>

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace belay::git {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kEd25519 = R"(-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACCKsvmusbtfreHFZYjYOl9HPWxuRsGqE9xhR1ZjBKuvOAAAAIjEhyzwxIcs
8AAAAAtzc2gtZWQyNTUxOQAAACCKsvmusbtfreHFZYjYOl9HPWxuRsGqE9xhR1ZjBKuvOA
AAAEA1ovXxKhVSCZklmZKdsL8LfKVsfLxDj9YIwKnd9/AKk4qy+a6xu1+t4cVliNg6X0c9
bG5GwaoT3GFHVmMEq684AAAAAmVkAQID
-----END OPENSSH PRIVATE KEY-----
)";
constexpr std::string_view kEncrypted = R"(-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABCkhD6A8J
hqBPQ4NpTVc+z0AAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAII4I7iUqBImlL5vX
3yvsHANhatZkgTwJoEbPt0KUFIexAAAAkDyWVvokivOuZ8038Bw8TD5480PC672fs/OcwQ
eKwDGEzRmegREnd+hJT2v3dorVKa6MHfsZc+/8HCIGGgCqrp4ADehhS/hCtWsMI+b8fG+s
lZYM+ZCIe14gLnvnIxFUnBbxFlSEGjY2LF3P7o3bOErlxT6vB7vYjnqndJWPrNVm2MKwvw
tYIcFsZWX9FnfTZw==
-----END OPENSSH PRIVATE KEY-----
)";
constexpr std::string_view kRsa = R"(-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAlwAAAAdzc2gtcn
NhAAAAAwEAAQAAAIEA3Vci/zFTSopCeOhwpi6QdGu6qgdBsMCXJMoai5SRhZ4Z+LSsXq9a
z89L/EePGtdJVHwjjaaDxzUOmaQwawqw9wt9pNTzJ5f4silY2FJsz10WGWbeIz7M6EYiWx
lQ52iI66oPlsMEZbkbV7QGWBByVLWpS02awMwxxlAqqROrL08AAAH4of2PvKH9j7wAAAAH
c3NoLXJzYQAAAIEA3Vci/zFTSopCeOhwpi6QdGu6qgdBsMCXJMoai5SRhZ4Z+LSsXq9az8
9L/EePGtdJVHwjjaaDxzUOmaQwawqw9wt9pNTzJ5f4silY2FJsz10WGWbeIz7M6EYiWxlQ
52iI66oPlsMEZbkbV7QGWBByVLWpS02awMwxxlAqqROrL08AAAADAQABAAAAgQDNfLcd6g
IkoqVBsLHcZkBwBQ/ACIqg+LuZSRRJ330Waog8ECgyo2OQqCgoJ5sg1RvcFn+/YwbWa1iJ
pRfaWIuepQRWs8dlwK3JZR+nFOVJotJaSHRCqwoZpOiYsuI1SL5rLqobdLgu+FNtQVksd5
BrbLLmI3DX4+7u2mmKWPywuQAAAEBJGKrB0FgBUklCTMDmj+Hgb3spFRZOXWP0zUYdrDSo
JMorg+EI4+B8i9qs7+vf2yhLmiW1SizD/1FTzCgpPaFZAAAAQQDw4O+G6uSmKg0mHXFcr8
0761U4OjhLETo7N1TEUcS7h5xnNBvVCTe1sKiWYU7ACxR/j79Tiw4DwabdCL1rhKlzAAAA
QQDrPDWQJjiiv9AKFxPZniGOJ8DXmtZeE2M4QN9/npet+EsLewWG7VnP0nPR2i2zu0AbCz
u+7J1KrvapCKWT7tu1AAAAAXIB
-----END OPENSSH PRIVATE KEY-----
)";
constexpr std::string_view kRsaPem = R"(-----BEGIN RSA PRIVATE KEY-----
MIICWwIBAAKBgQDO3DzZcHkq12pp0kLqaqzHOsoTVkwhCXxyVKvCboFOeQdmF8LK
KmrZaFGMIWa7OGEyLC2xB1N5KTvJz2WyeozmXhByV9gmYWE4R56ceuEc0eJCbAOD
X5oGsoGrFUZSPecgx+9o6VBMZjXU9WHULSqHPhwG0SgrvYPZ6B3zj5KEpwIDAQAB
AoGAclcYJ1RdFUom3sFDDZHTWPhs9A1SXTyCFiwpGHq+bKLHbS4bFGYn024vDRb1
Uu0SBIqY4u5avHEHRECoROQqdriIMvZdO0j12yfuOQS+JIQHj0tZnTW7aVRJt0SE
rUljgV9vIYhvNbpS5GDYDwVk9PtEOuj9HSh7RhHKT+YH/bECQQD09VnWmCjznE5Y
+l9W3dMlkB1pZSUi7wnuPVK07tPKPb9QOVkVjUU9dxDPqkaUOJKUXf64dDDzOsID
OWgSBgJpAkEA2C9C42/LEYJe4nD7j0fkT412UrdL3EjZKmB9KkmAtneIPo6oIxNx
ChWbXamz7rIRYawQ8yf9UrBH66ygWYBMjwJAUgFhVgoSi5ukTv1itX4FlemtLv+B
czR7Kpq0+YWKuYX6ai0IucJVj8IwipUCk9Rsnebpw26ChKsDEHlDceU5IQJADT9Y
Kfe/yeLjTZz+zVjqdLWGeqsgyu7r39zpzp2SdZv9jVfQldWrJ6MLUkID9KyUxBd3
Mm9Q5rBGt/psGQ/zoQJAaJViaCFkEssZjBIbJhbmc8ijNOdsDEaW6JYw5q/pDddn
e2F0JogDmGup6kioR7ONDQWh6ryyFrTzomWjg2+cUQ==
-----END RSA PRIVATE KEY-----
)";
constexpr std::string_view kPkcs8 = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIH7F5ycDTULOv72cCXA3ojCae3Z6vuhfaDt6o7J/9rEU
-----END PRIVATE KEY-----
)";
constexpr std::string_view kEcdsa = R"(-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQRDDJyrpjgjG+Qg00BgTpUKHrNyruh9
zQ8E7dhKSnMJPuK9UbopTC6jDLhKAPKyLmeomBlPz44K02HTW3yUya1OAAAAoGgG4JRoBu
CUAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEMMnKumOCMb5CDT
QGBOlQoes3Ku6H3NDwTt2EpKcwk+4r1RuilMLqMMuEoA8rIuZ6iYGU/PjgrTYdNbfJTJrU
4AAAAhAIIh9Wca6gn60CjGObvrRR0xY2VqDRtL6F4C50TzengWAAAAAWUBAgMEBQY=
-----END OPENSSH PRIVATE KEY-----
)";
constexpr std::string_view kEd25519Public =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqy+a6xu1+t4cVliNg6X0c9bG5GwaoT3GFHVmMEq684";

TEST(SshKey, ShowsTypeAndPublicHalf) {
    auto key = parse_ssh_key(kEd25519);
    ASSERT_TRUE(key.has_value());
    EXPECT_EQ(key->type, "ssh-ed25519");
    EXPECT_EQ(key->public_line, kEd25519Public);
    EXPECT_FALSE(key->encrypted);
}

TEST(SshKey, OlderFormatsAreRecognised) {
    EXPECT_EQ(parse_ssh_key(kRsa)->type, "ssh-rsa");
    EXPECT_EQ(parse_ssh_key(kRsaPem)->type, "ssh-rsa");
    EXPECT_EQ(parse_ssh_key(kPkcs8)->type, "ssh-ed25519");
    EXPECT_EQ(parse_ssh_key(kEcdsa)->type, "ecdsa-sha2-nistp256");
}

TEST(SshKey, PassphraseIsSeen) {
    auto key = parse_ssh_key(kEncrypted);
    ASSERT_TRUE(key.has_value());
    EXPECT_TRUE(key->encrypted);
    EXPECT_EQ(key->type, "ssh-ed25519");
}

TEST(SshKey, OtherTextsAreNoKeys) {
    EXPECT_FALSE(parse_ssh_key("").has_value());
    EXPECT_FALSE(parse_ssh_key(kEd25519Public).has_value());
    EXPECT_FALSE(parse_ssh_key(kEd25519.substr(0, 80)).has_value());
    EXPECT_FALSE(
        parse_ssh_key(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
            .has_value());
    EXPECT_FALSE(parse_ssh_key("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
                     .has_value());
}

struct KeyFile : ::testing::Test {
    std::filesystem::path file = std::filesystem::temp_directory_path() / "belay-ssh-key-test";
    ~KeyFile() override { std::filesystem::remove(file); }
    std::string complaint(std::string_view text) const {
        std::ofstream(file) << text;
        auto checked = check_ssh_key(file);
        return checked ? "" : checked.error().message;
    }
};

TEST_F(KeyFile, ThatCannotWorkIsRefusedWithTheCure) {
    EXPECT_EQ(complaint(kEd25519), "");
    EXPECT_THAT(complaint(kRsa), HasSubstr("use ed25519"));
    EXPECT_THAT(complaint(kEncrypted), HasSubstr("passphrase"));
    EXPECT_THAT(complaint("x"), HasSubstr(file.string()));
    std::filesystem::remove(file);
    EXPECT_EQ(check_ssh_key(file).error().code, Errc::not_found);
}

}  // namespace
}  // namespace belay::git
