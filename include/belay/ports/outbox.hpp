// What has to be told to the world outside, kept in the record until it was: written in the
// transaction of the change that caused it, sent by a worker that never holds anybody up.
#pragma once

#include <belay/async/task.hpp>
#include <belay/base/http_exchange.hpp>
#include <belay/domain/alert.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace belay::ports {

enum class OutgoingKind { alert, status };
std::string_view to_string(OutgoingKind kind);
std::optional<OutgoingKind> parse_outgoing_kind(std::string_view text);

enum class OutgoingState {
    waiting,
    sent,
    dropped,  // last_error says why
    merged,   // another one says it too
};
std::string_view to_string(OutgoingState state);
std::optional<OutgoingState> parse_outgoing_state(std::string_view text);

// One row of the outbox.
struct Outgoing {
    std::int64_t id = 0;  // assigned on commit, in order
    OutgoingKind kind = OutgoingKind::alert;
    std::string destination;  // an alert's channel; a status' app. Each has its own order
    std::string app;          // empty: the whole machine
    // What is the same news: repeats of an alert within a while are counted; of statuses with one
    // key only the newest is sent.
    std::string key;
    std::string message_id;  // stays over retries, so that a receiver can drop repeats
    std::string payload;     // JSON, never a secret
    OutgoingState state = OutgoingState::waiting;
    int attempts = 0;
    std::string last_error;
    TimePoint created_at{};
    TimePoint next_at{};      // not before
    TimePoint finished_at{};  // 0: not yet

    bool operator==(const Outgoing&) const = default;
};

// Of one destination at most so many wait: the oldest beyond them is dropped.
inline constexpr int kOutgoingKept = 500;

// Where something waits.
struct Destination {
    OutgoingKind kind = OutgoingKind::alert;
    std::string name;

    auto operator<=>(const Destination&) const = default;
};

// What a commit's status on its forge is to say.
struct StatusReport {
    std::string forge;    // "github", "gitlab", ... ("auto" is resolved by whoever writes it)
    std::string api_url;  // [status] url; empty: that of the repository's host
    std::string repo;     // the app's repository as configured
    std::string sha;      // 40 or 64 hex digits, fetched and not merely said by a webhook
    std::string ref;      // full name
    std::string app;
    DeploymentId deployment;
    domain::State state = domain::State::queued;
    domain::Reason reason = domain::Reason::none;
    std::string stage;            // in which it failed
    std::string description;      // one line
    std::string target_url;       // where a browser finds more; empty: unknown
    std::string environment_url;  // where the app answers; empty: unknown
    TimePoint at{};

    bool operator==(const StatusReport&) const = default;
};

// What became of one attempt.
struct Verdict {
    enum class Kind {
        done,
        retry,    // later, with growing pauses, for a day
        give_up,  // never again: the receiver will not take this one
    };
    Kind kind = Kind::done;
    std::string why;        // of retry and give_up, for a person; no secret
    Millis retry_after{0};  // of retry: not sooner, as the receiver asked

    bool operator==(const Verdict&) const = default;
};

// How most services answer: 2xx done; 408, 425, 429 and 5xx retry; 401, 403 and 404 retry too, as
// somebody may mend the token or the address; 410 and other 4xx and redirects give up. `why` has
// the status and, of a text, its first line (at most 200 bytes).
Verdict judge(const HttpAnswer& answer, TimePoint now);
// An exchange that had no answer: Errc::invalid gives up, the rest is tried again.
Verdict judge(const Error& error);

// Speaks one forge's API for statuses (src/forge). Pure: any thread.
class StatusForge {
  public:
    virtual ~StatusForge() = default;

    virtual std::string_view name() const = 0;
    // What to do after these answers of the present attempt (none: at its begin): the next request,
    // or what became of the report. An attempt starts from its begin again after a retry, so every
    // request has to bear repetition. The worker bounds an attempt to 8 requests.
    using Step = std::variant<HttpRequest, Verdict>;
    virtual Step next(const StatusReport& report, const Secret& token,
                      const std::vector<HttpAnswer>& answers, TimePoint now) const = 0;
};

// The explicit table of them.
class StatusForges {
  public:
    virtual ~StatusForges() = default;

    // Null where the forge has no such API.
    virtual const StatusForge* find(std::string_view name) const = 0;
};

// What the engine needs of the outbox' worker. Loop thread only.
class Outbox {
  public:
    virtual ~Outbox() = default;

    // The row that a change's batch has to carry.
    virtual Outgoing alert(const domain::Alert& alert, const std::string& channel) = 0;
    virtual Outgoing status(const StatusReport& report) = 0;
    // After the commit: something new waits.
    virtual void wake() = 0;

    // Sends a test alert now, past everything that waits, and says what the server answered.
    // Errc::not_found: no such channel.
    virtual Task<Result<std::string>> test(std::string channel) = 0;
    // A sentence for each destination that keeps failing.
    virtual std::vector<std::string> problems() = 0;
};

}  // namespace belay::ports
