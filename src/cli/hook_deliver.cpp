#include "context.hpp"
#include "handlers.hpp"
#include "json_access.hpp"
#include "push_body.hpp"
#include "repository.hpp"
#include "spool.hpp"
#include "webhook_signature.hpp"
#include "whole_file.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <sys/time.h>
#include <unistd.h>

namespace belay::cli {
namespace {

using std::chrono::seconds;

// A pusher waits for this.
constexpr seconds kDeliveryTime{5};
constexpr std::size_t kMostWaiting = 100;

// Name resolution knows no deadline: beyond ours this ends the process, with the word that the
// pusher needs. Only async-signal-safe calls.
extern "C" void on_alarm(int) {
    constexpr std::string_view kText =
        "belay: the daemon was not reached in time; the delivery is kept for the next push\n";
    [[maybe_unused]] auto written = ::write(STDERR_FILENO, kText.data(), kText.size());
    ::_exit(kDone);
}

class Backstop {
  public:
    Backstop() {
        struct sigaction action{};
        action.sa_handler = on_alarm;
        ::sigaction(SIGALRM, &action, &previous_);
        ::alarm(static_cast<unsigned>(kDeliveryTime.count()) + 1);
    }
    ~Backstop() {
        ::alarm(0);
        ::sigaction(SIGALRM, &previous_, nullptr);
    }
    Backstop(const Backstop&) = delete;
    Backstop& operator=(const Backstop&) = delete;

  private:
    struct sigaction previous_{};
};

struct Address {
    Endpoint endpoint;
    std::string target;
};

// http://HOST[:PORT]/PATH, HOST perhaps [v6]
Result<Address> parse_url(std::string_view url) {
    constexpr std::string_view kScheme = "http://";
    if (!url.starts_with(kScheme))
        return Error{Errc::invalid, fmt::format("\"{}\" is no http:// address", url)};
    url.remove_prefix(kScheme.size());
    auto slash = std::min(url.find('/'), url.size());
    auto authority = url.substr(0, slash);
    Address address{{{}, {}, "80"}, slash < url.size() ? std::string(url.substr(slash)) : "/"};
    auto bracket = authority.find(']');
    auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    auto host = authority.substr(0, colon);
    if (colon != std::string_view::npos) address.endpoint.port = authority.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    address.endpoint.host = host;
    if (host.empty()) return Error{Errc::invalid, "the address has no host"};
    return address;
}

std::string pusher() {
    // Set by git-http-backend(1) and most others that serve pushes for many under one user.
    if (const char* remote = std::getenv("REMOTE_USER"); remote && *remote) return remote;
    return user_name(::getuid());
}

Result<Secret> read_secret(const std::string& file) {
    auto content = read_file(file);
    if (!content) return content.error();
    while (content->ends_with('\n') || content->ends_with('\r'))
        content->pop_back();
    if (content->empty()) return Error{Errc::invalid, file + " is empty"};
    return Secret(std::move(*content));
}

class Delivery {
  public:
    Delivery(Context& context, std::string app)
        : context_(context),
          app_(std::move(app)),
          spool_(spool_directory()),
          deadline_(after(kDeliveryTime)) {}

    void run();

  private:
    std::string spool_directory() const;
    void say(std::string_view text) {
        print(context_.console.err, fmt::format("belay: {}\n", text));
    }
    // Keeps what was pushed before anything else is tried: a killed hook loses nothing.
    void keep(const std::vector<RefUpdate>& updates);
    // The answer to one delivery, whatever its status.
    Result<std::pair<int, std::string>> send(const Address& address, const Secret& secret,
                                             const Waiting& waiting);
    // False: it stays, and so do those behind it.
    bool deliver(const Address& address, const Secret& secret, const Waiting& waiting);
    void report(const std::string& answer);
    void report_unreached();

    Context& context_;
    std::string app_;
    Spool spool_;
    Deadline deadline_;
    std::string pushed_;                // in words
    std::vector<Waiting> unkept_;       // could not be spooled, so are sent once only
    std::vector<std::string> new_ids_;  // of this push: what the pusher wants to hear of
};

std::string Delivery::spool_directory() const {
    auto given = context_.args.value("spool");
    if (!given.empty()) return given;
    auto repository = find_repository(context_.args.value("repo"));
    return (repository ? repository->git_dir : context_.args.value("repo")) + "/belay-spool";
}

void Delivery::keep(const std::vector<RefUpdate>& updates) {
    auto now = context_.console.now();
    for (auto& body : push_bodies(updates, {context_.args.value("repo"), pusher(), now})) {
        auto id = make_webhook_id();
        new_ids_.push_back(id);
        auto kept = spool_.keep(app_, id, body, now);
        if (kept) continue;
        say(fmt::format("the delivery can't be kept: {}", kept.error().message));
        unkept_.push_back({std::move(id), std::move(body), {}});
    }
}

Result<std::pair<int, std::string>> Delivery::send(const Address& address, const Secret& secret,
                                                   const Waiting& waiting) {
    auto timestamp = std::to_string(
        std::chrono::floor<Seconds>(context_.console.now()).time_since_epoch().count());
    Request request{
        "POST",
        address.target,
        waiting.body,
        {{"Content-Type", "application/json"},
         {"webhook-id", waiting.id},
         {"webhook-timestamp", timestamp},
         {"webhook-signature", webhook_signature(secret, waiting.id, timestamp, waiting.body)}}};
    auto exchange = Exchange::open(address.endpoint, request, deadline_);
    if (!exchange) return exchange.error();
    auto body = exchange->read_all(deadline_);
    if (!body) return body.error();
    return std::pair{exchange->status(), *body};
}

void Delivery::report(const std::string& answer) {
    auto parsed = parse_json(answer);
    auto deployment = shown_of(parsed, "deployment");
    auto decision = shown_of(parsed, "decision");
    auto reason = shown_of(parsed, "reason");
    if (!deployment.empty() && deployment != "0")
        say(fmt::format("{} {} {} ({})", app_, deployment, decision, pushed_));
    else
        say(fmt::format("{} {} ({}){}", app_, decision.empty() ? "delivered" : decision, pushed_,
                        reason.empty() ? "" : ": " + reason));
}

void Delivery::report_unreached() {
    auto poll = context_.args.value("poll");
    say(fmt::format("daemon not reached, delivery is kept and sent with the next push{}",
                    poll.empty() ? "" : "; belay also polls every " + poll));
}

bool Delivery::deliver(const Address& address, const Secret& secret, const Waiting& waiting) {
    auto answer = send(address, secret, waiting);
    if (!answer) {
        report_unreached();
        return false;
    }
    auto [status, body] = *answer;
    if (status / 100 == 2) {
        spool_.drop(waiting);
        if (std::find(new_ids_.begin(), new_ids_.end(), waiting.id) != new_ids_.end()) report(body);
        return true;
    }
    // These say that the very bytes are wrong: another try changes nothing.
    bool hopeless = status == 400 || status == 413 || status == 415 || status == 422;
    if (hopeless) spool_.drop(waiting);
    say(fmt::format("{} refused the delivery{}: {} {}", app_,
                    hopeless ? "" : ", which is kept for the next push", status,
                    error_of_answer(status, body).message));
    if (status == 401)
        say("is the hook's secret the app's? `belay hook install` again takes the present one");
    return hopeless;
}

void Delivery::run() {
    auto updates = read_updates(context_.console.in);
    if (updates.empty()) return;
    pushed_ = describe(updates);
    keep(updates);
    auto address = parse_url(context_.args.value("url"));
    if (!address) return say(address.error().message);
    auto secret = read_secret(context_.args.value("secret-file"));
    if (!secret)
        return say(fmt::format(
            "the hook's secret can't be read: {}; let {} read it, or name another by `belay hook "
            "install {} REPO --secret-file FILE`. The delivery is kept",
            secret.error().message, user_name(::getuid()), app_));
    auto waiting = spool_.waiting(app_, kMostWaiting);
    waiting.insert(waiting.end(), unkept_.begin(), unkept_.end());
    for (const auto& each : waiting)
        if (!deliver(*address, *secret, each)) return;
}

}  // namespace

// A push succeeded before this runs, so nothing here may fail it: the exit code is 0 whatever
// happens.
int hook_deliver(Context& context) {
    auto app = context.args.positional("APP");
    if (context.args.value("url").empty() || context.args.value("repo").empty() ||
        context.args.value("secret-file").empty())
        return context.usage(
            "--repo, --url and --secret-file are needed; `belay hook install` writes the call");
    Backstop backstop;
    Delivery(context, app).run();
    return kDone;
}

}  // namespace belay::cli
