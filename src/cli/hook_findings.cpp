#include "hook_findings.hpp"

#include "format.hpp"
#include "json_access.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::cli {
namespace {

using Hop = PingTry::Hop;

// Who gave an answer, by what it looks like.
enum class Who { daemon, proxy, stranger };

// The daemon answers deliveries with the decision and refusals with a problem document
// (docs/api.md); the proxy says that no app is there.
Who who_answered(const PingTry& attempt) {
    auto json = parse_json(attempt.body);
    if (json.is_object() &&
        ((json.contains("delivery") && json.contains("decision")) ||
         (json.contains("code") && json.contains("title") && json.contains("status"))))
        return Who::daemon;
    if (attempt.body.find("No app here answers to") != std::string::npos) return Who::proxy;
    return Who::stranger;
}

std::string in_words(Who who, const PingTry& attempt) {
    switch (who) {
        case Who::daemon:
            return "from this daemon";
        case Who::proxy:
            return "from Belay's proxy";
        default:
            return attempt.server.empty()
                       ? "from another server"
                       : "from another server (" + printable(attempt.server) + ")";
    }
}

struct Url {
    bool tls = false;
    std::string host;
    std::string port;
};

Url parts_of(std::string_view url) {
    Url parts;
    parts.tls = url.starts_with("https://");
    parts.port = parts.tls ? "443" : "80";
    url.remove_prefix(std::min(url.size(), url.find("://") + 3));
    url = url.substr(0, url.find('/'));
    auto bracket = url.find(']');
    auto colon = url.find(':', bracket == url.npos ? 0 : bracket);
    parts.host = url.substr(0, colon);
    if (colon != url.npos) parts.port = url.substr(colon + 1);
    return parts;
}

bool listens_on(const HookTest& test, const std::string& port) {
    return std::any_of(test.proxy_listen.begin(), test.proxy_listen.end(),
                       [&](const std::string& address) { return address.ends_with(":" + port); });
}

std::string listed(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text.empty() ? "nothing" : text;
}

// What the daemon's own address showed, where the public one failed.
bool works_inside(const HookTest& test) {
    return test.inside && test.inside->failed_at == Hop::done && test.inside->status / 100 == 2 &&
           who_answered(*test.inside) == Who::daemon;
}

std::string passing_on(const HookTest& test) {
    return fmt::format("let it pass /hooks/ on to http://{} as it comes, method, headers and body",
                       test.listen);
}

class Judge {
  public:
    Judge(const HookTest& test, const Inbox& outside, const Inbox& inside)
        : test_(test), outside_(outside), inside_(inside), url_(parts_of(test.outside.url)) {}

    Findings run() {
        if (test_.public_url.empty()) {
            judge_without_url();
        } else {
            add_hops();
            if (test_.outside.failed_at != Hop::done)
                judge_broken();
            else
                judge_answer();
        }
        if (!found_.arrives) add_inside();
        return std::move(found_);
    }

  private:
    void hop(std::string name, std::string text) {
        found_.hops.emplace_back(std::move(name), std::move(text));
    }
    void end(std::string verdict, std::string cure) {
        found_.verdict = std::move(verdict);
        found_.cure = std::move(cure);
    }

    void judge_without_url() {
        end(fmt::format("No forge can deliver: {} names no public address.", test_.config_file),
            "Write [server] public_url = \"https://...\" with an address that the forge can reach, "
            "then `belay reload`. Until then Belay finds new commits by polling.");
    }

    void add_hops() {
        const auto& attempt = test_.outside;
        const auto at = attempt.failed_at;
        auto host = attempt.peer.substr(0, attempt.peer.rfind(':'));
        if (at == Hop::name) return hop("name", attempt.error);
        if (!host.empty()) hop("name", fmt::format("{} is {}", url_.host, host));
        if (at == Hop::connect) return hop("connect", attempt.error);
        hop("connect", attempt.peer);
        if (at == Hop::tls) return hop("TLS", attempt.error);
        if (url_.tls) hop("TLS", "the certificate is good");
        if (at == Hop::answer) return hop("answer", attempt.error);
        hop("answer", fmt::format("{} {} after {} ms", attempt.status,
                                  in_words(who_answered(attempt), attempt), attempt.milliseconds));
        if (!outside_.asked)
            hop("inbox", "not looked at: the daemon is not reached over its socket");
        else if (outside_.delivery.empty())
            hop("inbox", "nothing came in");
        else
            hop("inbox", fmt::format("{} {}{}", outside_.delivery, outside_.decision,
                                     outside_.reason.empty() ? "" : ": " + outside_.reason));
    }

    void add_inside() {
        if (!test_.inside) return;
        const auto& attempt = *test_.inside;
        auto name = "directly";
        if (attempt.failed_at != Hop::done)
            hop(name, fmt::format("{}: {}", test_.listen, attempt.error));
        else
            hop(name,
                fmt::format("{} answers {}{}", test_.listen, attempt.status,
                            inside_.delivery.empty() ? "" : ", recorded as " + inside_.delivery));
    }

    void judge_broken() {
        const auto& attempt = test_.outside;
        switch (attempt.failed_at) {
            case Hop::name:
                return end(fmt::format("The name {} leads nowhere.", url_.host),
                           fmt::format("Make an A or AAAA record for it that names this server, or "
                                       "correct [server] public_url in {}.",
                                       test_.config_file));
            case Hop::connect:
                return judge_unconnected();
            case Hop::tls:
                return judge_tls();
            default:
                break;
        }
        if (attempt.timed_out)
            return end(fmt::format("{} takes the request and gives no answer. Forges wait for 5 to "
                                   "10 seconds.",
                                   attempt.peer),
                       works_inside(test_)
                           ? "The daemon itself answers at once, so the server in front keeps the "
                             "request: " +
                                 passing_on(test_) + "."
                           : "See whether the daemon is well: `belay status`.");
        end(fmt::format("{} takes the request and breaks it off.", attempt.peer),
            url_.tls
                ? "Something in front of the daemon closes the connection: its log says why."
                : "Does that port want https? Then write https:// in [server] public_url. Else "
                  "the log of the server there says why.");
    }

    void judge_unconnected() {
        const auto& attempt = test_.outside;
        if (attempt.timed_out)
            return end(
                fmt::format(
                    "Nothing answers at port {} of {}: a firewall swallows what is sent, or "
                    "the name leads to another machine.",
                    url_.port, url_.host),
                "Let the port through here and at the provider's firewall. Where this machine "
                "can't "
                "reach itself by its public address (a router that doesn't loop back), test from "
                "elsewhere.");
        if (!listens_on(test_, url_.port))
            return end(
                fmt::format("Nothing listens on port {} of {}.", url_.port, url_.host),
                fmt::format(
                    "Belay's proxy listens on {} ([proxy] listen). Add that port there, name "
                    "another in [server] public_url, or put a web server on it and {}.",
                    listed(test_.proxy_listen), passing_on(test_)));
        end(fmt::format("Port {} of {} refuses the connection.", url_.port, url_.host),
            "Belay's proxy should listen there: `belay status` says whether it does. If so, the "
            "name leads to another machine.");
    }

    void judge_tls() {
        const auto& attempt = test_.outside;
        if (attempt.certificate)
            return end(
                fmt::format("Forges refuse the certificate that {} shows.", attempt.peer),
                fmt::format("It has to be in force, to name {} and to come with its whole "
                            "chain from an authority that everybody trusts. (A forge of your "
                            "own may know an authority of your own.)",
                            url_.host));
        end(fmt::format("Port {} of {} speaks no TLS.", url_.port, url_.host),
            "If it is plain http, write http:// in [server] public_url, or give the server there a "
            "certificate.");
    }

    void judge_answer() {
        const auto& attempt = test_.outside;
        const auto who = who_answered(attempt);
        if (attempt.status / 100 == 3)
            return end(
                fmt::format("Deliveries are redirected{}; forges don't follow.",
                            attempt.location.empty() ? "" : " to " + printable(attempt.location)),
                "Name the address where it ends in [server] public_url, and at the forge; or "
                "leave /hooks/ out of the redirection.");
        if (who == Who::daemon) return judge_own();
        if (who == Who::proxy)
            return end(
                "Belay's proxy does not show the hooks there.",
                test_.expose == "none"
                    ? std::string("[server] expose is \"none\": make it \"hooks\".")
                    : fmt::format("It answers for the host of [server] public_url alone, and "
                                  "got another one: a server in front has to pass the Host "
                                  "header on. After changing {}, `belay reload`.",
                                  test_.config_file));
        judge_stranger();
    }

    void judge_own() {
        const auto& attempt = test_.outside;
        if (attempt.status / 100 == 2) {
            if (outside_.asked && outside_.delivery.empty() && !test_.id.empty())
                return end("A Belay answers there, but not this one: the ping is not in the inbox.",
                           "public_url leads to another machine's Belay, or to another daemon on "
                           "this one.");
            found_.arrives = true;
            return end(attempt.milliseconds > 4000
                           ? "Deliveries arrive, but slowly: some forges give up after 5 seconds."
                           : "Deliveries arrive.",
                       "");
        }
        if (attempt.status == 401 && !test_.is_signed) {
            found_.arrives = true;
            return end("The way is open: the daemon refused an unsigned ping, as it must.",
                       "Only the forge can sign one; push something to see the rest.");
        }
        if (attempt.status == 401 && works_inside(test_))
            return end(
                "The ping loses its signature on the way.",
                "The same kind of ping passes at the daemon's own address. A server in front "
                "changes or drops the body, or drops headers: " +
                    passing_on(test_) + ".");
        if (attempt.status == 401)
            return end("The daemon refuses the ping's signature.",
                       fmt::format("It knows another secret than the one on disk, or does not know "
                                   "{} yet: `belay check`, then `belay reload`.",
                                   test_.app));
        if (attempt.status == 429)
            return end("The daemon takes no more deliveries at the moment.",
                       "Wait a minute and try again.");
        end(fmt::format("The daemon answers {}.", attempt.status),
            "Its log and `belay status` say what is wrong.");
    }

    void judge_stranger() {
        const auto& attempt = test_.outside;
        switch (attempt.status) {
            case 401:
            case 403:
            case 407:
                return end("A server in front of Belay wants a login, or bars the way.",
                           "Leave /hooks/ out of it: deliveries are signed. And " +
                               passing_on(test_) + ".");
            case 404:
            case 405:
                return end("Another server answers there, and knows no hooks.",
                           "Where it stands in front of Belay, " + passing_on(test_) + ".");
            case 411:
            case 413:
            case 415:
                return end(
                    "A server in front of Belay refuses the body.",
                    "Deliveries are JSON of up to 25 MiB (nginx: client_max_body_size 25m). And " +
                        passing_on(test_) + ".");
            case 502:
            case 503:
            case 504:
                return end(
                    "A server in front of Belay does not reach the daemon.",
                    works_inside(test_)
                        ? fmt::format("The daemon answers at http://{}: that is where /hooks/ "
                                      "has to lead.",
                                      test_.listen)
                        : "The daemon does not answer at its own address either: `belay "
                          "status`.");
            default:
                break;
        }
        end(attempt.status / 100 == 2
                ? std::string("Another server takes the deliveries; Belay never sees them.")
                : std::string("Another server answers there."),
            "Where it stands in front of Belay, " + passing_on(test_) +
                ". Else public_url leads to the wrong place.");
    }

    const HookTest& test_;
    const Inbox& outside_;
    const Inbox& inside_;
    Url url_;
    Findings found_;
};

}  // namespace

Findings judge_hook(const HookTest& test, const Inbox& outside, const Inbox& inside) {
    return Judge(test, outside, inside).run();
}

}  // namespace belay::cli
