// Mail as RFC 5322 with MIME: an encoded subject (RFC 2047), text/plain in UTF-8 as
// quoted-printable (RFC 2045 §6.7), a Message-ID that stays over attempts, and Auto-Submitted (RFC
// 3834), so that nobody's holiday notice answers.
#include "channel.hpp"
#include "mail_text.hpp"
#include "text.hpp"

#include <fmt/format.h>

#include <charconv>

namespace belay::notify {
namespace {

constexpr std::size_t kText = 20'000;
constexpr std::size_t kSubject = 200;

outbound::MailSecurity security_of(const std::string& word) {
    if (word == "tls") return outbound::MailSecurity::tls;
    if (word == "none") return outbound::MailSecurity::none;
    return outbound::MailSecurity::starttls;
}

// "mail.example.com:587", "[::1]:25" or the host alone.
void read_server(const std::string& server, outbound::Mail& mail) {
    mail.port = mail.security == outbound::MailSecurity::tls    ? 465
                : mail.security == outbound::MailSecurity::none ? 25
                                                                : 587;
    mail.host = server;
    auto colon = server.rfind(':');
    if (colon == server.npos || server.find(']', colon) != server.npos) return;
    mail.host = server.substr(0, colon);
    std::from_chars(server.data() + colon + 1, server.data() + server.size(), mail.port);
}

}  // namespace

Result<Sending> write_email(const Settings& settings, const Letter& letter) {
    const auto& channel = settings.channel;
    outbound::Mail mail;
    mail.security = security_of(channel.security);
    read_server(channel.server, mail);
    mail.username = channel.username;
    mail.password = settings.password;
    mail.from = channel.from;
    mail.to = channel.to;
    std::string to;
    for (const auto& address : channel.to)
        to += (to.empty() ? "" : ",\r\n ") + address;
    auto domain = channel.from.substr(channel.from.rfind('@') + 1);
    auto& message = mail.message;
    message = fmt::format("Date: {}\r\n", mail_date(letter.now));
    message += fmt::format("From: Belay <{}>\r\n", channel.from);
    message += fmt::format("To: {}\r\n", to);
    message += "Subject: " + encoded_header(cut(letter.words.title, kSubject), 9) + "\r\n";
    message += fmt::format("Message-ID: <{}@{}>\r\n", letter.id, domain);
    message +=
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    message += quoted_printable(plain_text(letter.words, kText, true));
    return mail;
}

}  // namespace belay::notify
