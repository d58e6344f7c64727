#include "follow.hpp"

#include "event_stream.hpp"
#include "interrupt.hpp"
#include "json_access.hpp"
#include "progress.hpp"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <thread>

namespace belay::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kRestartTime{60};       // a daemon that is gone for longer is no restart
constexpr milliseconds kRetryPause{250};  // between attempts to reach it again
constexpr milliseconds kTurnTime{200};    // how often a terminal's running line moves
// Without an event for so long the record is read all the same.
constexpr seconds kReadAgain{10};

class Follower {
  public:
    Follower(Context& context, Client client, std::string deployment, Goal goal)
        : context_(context),
          client_(std::move(client)),
          deployment_(std::move(deployment)),
          goal_(goal),
          progress_(context.console.out_is_terminal) {}

    int run();

  private:
    bool silent() const { return context_.json(); }
    void say(const std::string& text) {
        if (!silent() && !text.empty()) print(context_.console.out, text);
    }
    // Reads the record and shows what is new in it.
    Result<void> refresh();
    // One connection to the event stream, until the end or until it breaks.
    Result<void> listen();
    Result<void> next_event(Exchange& stream, EventStream& events);
    int finish();
    int give_up(const Error& error);

    Context& context_;
    Client client_;
    std::string deployment_;
    Goal goal_;
    Progress progress_;
    InterruptGuard interrupt_;
    std::string record_;  // as the API gave it
    Json parsed_;
    std::string last_event_;
    steady_clock::time_point reached_ = steady_clock::now();
    steady_clock::time_point read_{};
    bool lost_ = false;
};

Result<void> Follower::refresh() {
    auto body = client_.get("/api/v1/deployments/" + url_encoded(deployment_));
    if (!body) return body.error();
    record_ = *body;
    parsed_ = parse_json(record_);
    reached_ = read_ = steady_clock::now();
    if (lost_) say(progress_.close() + "The daemon is back.\n");
    lost_ = false;
    say(progress_.update(parsed_, context_.canvas()));
    return {};
}

Result<void> Follower::next_event(Exchange& stream, EventStream& events) {
    std::string bytes;
    auto wait = context_.console.out_is_terminal ? kTurnTime : milliseconds{1000};
    auto read = stream.read(bytes, after(wait));
    if (!read) return read.error();
    if (*read == Exchange::Read::end) return Error{Errc::unavailable, "the event stream ended"};
    auto complete = events.feed(bytes);
    for (const auto& event : complete)
        last_event_ = event.id;
    if (!complete.empty() || steady_clock::now() - read_ > kReadAgain) return refresh();
    say(progress_.tick(context_.canvas()));
    return {};
}

Result<void> Follower::listen() {
    Request request{"GET",
                    "/api/v1/events?deployment=" + url_encoded(deployment_),
                    {},
                    {{"Accept", "text/event-stream"}}};
    if (!last_event_.empty()) request.headers.emplace_back("Last-Event-ID", last_event_);
    auto stream = client_.open(request);
    if (!stream) return stream.error();
    // After the stream is open: nothing can happen unseen between the two.
    if (auto read = refresh(); !read) return read.error();
    EventStream events;
    while (!has_ended(parsed_)) {
        if (interrupt_.interrupted()) return Error{Errc::canceled, "interrupted"};
        if (auto next = next_event(*stream, events); !next) return next.error();
    }
    return {};
}

int Follower::finish() {
    if (silent())
        context_.print_json(record_);
    else
        say(render_outcome(parsed_, context_.canvas()));
    return goal_ == Goal::ended || text_of(parsed_, "state") == "healthy" ? kDone : kFailed;
}

int Follower::give_up(const Error& error) {
    say(progress_.close());
    if (!interrupt_.interrupted()) return context_.fail(error);
    print(context_.console.err,
          fmt::format("{} goes on by itself: `belay show {}`\n", deployment_, deployment_));
    return kInterrupted;
}

int Follower::run() {
    for (;;) {
        auto listened = listen();
        if (listened) return finish();
        const auto& error = listened.error();
        // 503 is what a daemon says that starts or stops.
        bool passing = error.code == Errc::unavailable || error.code == Errc::limit ||
                       error.code == Errc::timeout;
        if (interrupt_.interrupted() || !passing || steady_clock::now() - reached_ > kRestartTime)
            return give_up(error);
        if (!lost_) say(progress_.close() + "The daemon is gone; waiting for it to come back.\n");
        lost_ = true;
        std::this_thread::sleep_for(kRetryPause);
    }
}

}  // namespace

int follow(Context& context, const std::string& deployment, Goal goal) {
    auto client = context.client();
    if (!client) return context.fail(client.error());
    return Follower(context, std::move(*client), deployment, goal).run();
}

}  // namespace belay::cli
