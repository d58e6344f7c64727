// The one door to other people's servers: HTTP(S) requests and mail, by libcurl. Proxies come from
// the environment (https_proxy, http_proxy, all_proxy, no_proxy), TLS is 1.2 or newer and always
// verified, redirects are answers and not followed. Link-local and metadata addresses
// (169.254.0.0/16, fe80::/10, fd00:ec2::254) are refused, decided at the address that is about to
// be connected to, so that no name leads there; through a proxy only what the URL itself says can
// be seen. No body and no secret comes into an error text or a log.
#pragma once

#include <belay/async/task.hpp>
#include <belay/base/error.hpp>
#include <belay/base/http_exchange.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace boost::asio {
class thread_pool;
}

namespace belay::outbound {

struct Limits {
    Millis connect{10'000};                      // name, connection and TLS
    Millis total{30'000};                        // of the whole exchange
    std::size_t answer = std::size_t{64} << 10;  // bytes of the answer's body that are kept
    std::string ca_file;                         // PEM; empty: the system's
};

// Any thread; blocks for `limits.total` at most. Every answer that came is a value, whatever its
// status. Errc::invalid: the request can't be sent as it is; forbidden: a refused address; timeout;
// unavailable: not found, refused, cut, or its certificate is not to be trusted.
Result<HttpAnswer> exchange(const HttpRequest& request, const Limits& limits);

// How far an exchange came: for telling a person where it ended.
struct Course {
    enum class Hop { name, connect, tls, answer, done };
    Hop failed_at = Hop::done;
    bool certificate = false;  // TLS failed as the certificate is not to be trusted
    std::string peer;          // "203.0.113.5:443"; empty: nobody was connected to
    Millis took{0};
};
Result<HttpAnswer> exchange(const HttpRequest& request, const Limits& limits, Course& course);

enum class MailSecurity {
    starttls,  // asked for, and nothing is sent where it is not offered
    tls,       // from the first byte (smtps)
    none,      // to this machine only: Errc::invalid for any other host
};

struct Mail {
    std::string host;
    int port = 587;
    MailSecurity security = MailSecurity::starttls;
    std::string username;  // empty: no login
    Secret password;
    std::string from;             // address alone
    std::vector<std::string> to;  // addresses alone
    std::string message;          // RFC 5322, lines ending in CRLF
};

struct MailAnswer {
    int code = 0;      // of the last answer (RFC 5321 §4.2): 250 is taken, 4xx later, 5xx never
    std::string line;  // the last answer that refuses, else the last
};

// Like exchange(). A server that answers with 4xx or 5xx gives a value, so the caller decides;
// Errc::unauthorized: it refuses the login.
Result<MailAnswer> send_mail(const Mail& mail, const Limits& limits);

// The same on a thread of the pool, resuming where they were awaited.
Task<Result<HttpAnswer>> exchange(boost::asio::thread_pool& pool, HttpRequest request,
                                  Limits limits);
Task<Result<MailAnswer>> send_mail(boost::asio::thread_pool& pool, Mail mail, Limits limits);

}  // namespace belay::outbound
