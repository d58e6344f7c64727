#include "support/receiver.hpp"

#include <belay/outbound/outbound.hpp>

#include <gtest/gtest.h>

namespace belay::outbound {
namespace {

class MailOut : public testing::Test {
  protected:
    MailOut() {
        test::make_certificate(directory_);
        mail_.host = "localhost";
        mail_.username = "ops";
        mail_.password = Secret("pass word");
        mail_.from = "belay@example.org";
        mail_.to = {"a@example.org", "b@example.org"};
        mail_.message = "Subject: hello\r\n\r\n.a line that begins with a dot\r\n";
        limits_.ca_file = directory_ / "cert.pem";
    }

    test::TempDirectory directory_;
    Mail mail_;
    Limits limits_;
};

TEST_F(MailOut, AMailGoesThroughStarttlsAndLogin) {
    test::Receiver server(directory_, "smtp");
    mail_.port = server.port();
    auto answer = send_mail(mail_, limits_);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->code / 100, 2) << answer->line;
    auto seen = server.received();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1]["from"], "belay@example.org");
    EXPECT_EQ(seen[1]["to"], (nlohmann::json{"a@example.org", "b@example.org"}));
    EXPECT_EQ(seen[1]["message"], mail_.message);
    EXPECT_EQ(seen[1]["tls"], true);
    EXPECT_EQ(seen[1]["login"], true);
}

TEST_F(MailOut, AWrongPasswordIsSaidWithoutIt) {
    test::Receiver server(directory_, "smtp");
    mail_.port = server.port();
    mail_.password = Secret("hunter2222");
    auto answer = send_mail(mail_, limits_);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::unauthorized) << answer.error().message;
    EXPECT_EQ(answer.error().message.find("hunter2222"), std::string::npos);
    EXPECT_TRUE(server.received().empty());
}

TEST_F(MailOut, AServerOfUnknownCertificateGetsNoMailAndNoPassword) {
    test::Receiver server(directory_, "smtp");
    mail_.port = server.port();
    limits_.ca_file.clear();
    auto answer = send_mail(mail_, limits_);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::unavailable) << answer.error().message;
    EXPECT_TRUE(server.received().empty());
}

TEST_F(MailOut, WithoutStarttlsNothingIsSent) {
    test::Receiver server(directory_, "smtp-plain");
    mail_.port = server.port();
    auto answer = send_mail(mail_, limits_);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::unavailable) << answer.error().message;
    EXPECT_TRUE(server.received().empty());
}

TEST_F(MailOut, PlainMailGoesToThisMachineOnly) {
    test::Receiver server(directory_, "smtp-plain");
    mail_.port = server.port();
    mail_.security = MailSecurity::none;
    mail_.username.clear();
    auto answer = send_mail(mail_, limits_);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(server.received().size(), 2U);
    mail_.host = "mail.example.org";
    auto elsewhere = send_mail(mail_, limits_);
    ASSERT_FALSE(elsewhere);
    EXPECT_EQ(elsewhere.error().code, Errc::invalid);
}

TEST_F(MailOut, ARefusalIsAnAnswerWithItsCode) {
    for (auto [script, code] :
         {std::pair(R"([{"status": 451}])", 451), std::pair(R"([{"status": 550}])", 550),
          std::pair(R"([{"data": 554}])", 554)}) {
        test::Receiver server(directory_, "smtp", script);
        mail_.port = server.port();
        auto answer = send_mail(mail_, limits_);
        ASSERT_TRUE(answer) << script << answer.error().message;
        EXPECT_EQ(answer->code, code) << answer->line;
        EXPECT_EQ(answer->line.substr(0, 3), std::to_string(code));
    }
}

TEST_F(MailOut, AnAddressCanNotSmuggleCommands) {
    mail_.port = 1;
    for (const std::string address : {"a@b>\r\nRCPT TO:<c@d", "nobody", "a b@c"}) {
        mail_.to = {address};
        auto answer = send_mail(mail_, limits_);
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, Errc::invalid) << address;
    }
}

}  // namespace
}  // namespace belay::outbound
