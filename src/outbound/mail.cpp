#include "address.hpp"
#include "transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace belay::outbound {
namespace {

constexpr std::size_t kLine = 300;

struct Unsent {
    std::string_view rest;
};

std::size_t give_message(char* into, std::size_t size, std::size_t count, void* from) {
    auto& unsent = *static_cast<Unsent*>(from);
    const auto length = std::min(size * count, unsent.rest.size());
    std::memcpy(into, unsent.rest.data(), length);
    unsent.rest.remove_prefix(length);
    return length;
}

struct Answers {
    std::string last;
    std::string refusal;  // the last that was one: QUIT is answered after it
};

// Each answer of the server comes here line by line.
std::size_t take_line(char* bytes, std::size_t, std::size_t count, void* into) {
    std::string_view line(bytes, count);
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n'))
        line.remove_suffix(1);
    auto& answers = *static_cast<Answers*>(into);
    answers.last = line.substr(0, kLine);
    if (line.starts_with('4') || line.starts_with('5')) answers.refusal = answers.last;
    return count;
}

std::size_t ignore(char*, std::size_t, std::size_t count, void*) {
    return count;
}

bool is_address(const std::string& text) {
    return text.find('@') != text.npos && std::none_of(text.begin(), text.end(), [](char letter) {
               return static_cast<unsigned char>(letter) <= 0x20 || letter == '<' ||
                      letter == '>' || letter == 0x7f;
           });
}

Result<void> check(const Mail& mail) {
    for (const auto& address : mail.to)
        if (!is_address(address))
            return Error{Errc::invalid, fmt::format("\"{}\" is no mail address", address)};
    if (!is_address(mail.from))
        return Error{Errc::invalid, fmt::format("\"{}\" is no mail address", mail.from)};
    if (mail.to.empty()) return Error{Errc::invalid, "the mail has no recipient"};
    if (mail.security == MailSecurity::none && !is_loopback(mail.host))
        return Error{Errc::invalid,
                     fmt::format("mail goes to {} with TLS only; without it to this machine alone",
                                 mail.host)};
    if (is_refused_literal(mail.host))
        return Error{Errc::forbidden, fmt::format("{} is a link-local or metadata address, which "
                                                  "Belay never connects to",
                                                  mail.host)};
    return {};
}

}  // namespace

Result<MailAnswer> send_mail(const Mail& mail, const Limits& limits) {
    if (auto fine = check(mail); !fine) return fine.error();
    Transfer transfer(mail.host, limits, {mail.password});
    const bool v6 = mail.host.find(':') != mail.host.npos && !mail.host.starts_with('[');
    const auto url =
        fmt::format("{}://{}:{}", mail.security == MailSecurity::tls ? "smtps" : "smtp",
                    v6 ? '[' + mail.host + ']' : mail.host, mail.port);
    const auto from = '<' + mail.from + '>';
    Unsent unsent{mail.message};
    Answers answers;
    transfer.set(CURLOPT_URL, url.c_str());
    transfer.set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    transfer.set(
        CURLOPT_USE_SSL,
        static_cast<long>(mail.security == MailSecurity::none ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (!mail.username.empty()) {
        transfer.set(CURLOPT_USERNAME, mail.username.c_str());
        transfer.set(CURLOPT_PASSWORD, mail.password.reveal().c_str());
    }
    transfer.set(CURLOPT_MAIL_FROM, from.c_str());
    for (const auto& address : mail.to)
        transfer.add_recipient('<' + address + '>');
    transfer.set(CURLOPT_UPLOAD, 1L);
    transfer.set(CURLOPT_READFUNCTION, &give_message);
    transfer.set(CURLOPT_READDATA, static_cast<void*>(&unsent));
    transfer.set(CURLOPT_HEADERFUNCTION, &take_line);
    transfer.set(CURLOPT_HEADERDATA, static_cast<void*>(&answers));
    transfer.set(CURLOPT_WRITEFUNCTION, &ignore);
    const auto code = transfer.perform();
    MailAnswer answer;
    answer.code = static_cast<int>(transfer.response_code());
    answer.line = transfer.masked(code == CURLE_OK || answers.refusal.empty() ? answers.last
                                                                              : answers.refusal);
    if (code == CURLE_OK) return answer;
    auto error = transfer.error(code);
    if (error.code == Errc::unauthorized) return prefixed(answer.line, error);
    const bool refused = code == CURLE_SEND_ERROR || code == CURLE_WEIRD_SERVER_REPLY ||
                         code == CURLE_RECV_ERROR || code == CURLE_UPLOAD_FAILED;
    if (refused && answer.code >= 400) return answer;
    return error;
}

}  // namespace belay::outbound
