// Logs as text or as Server-Sent Events, whole or followed while they grow.
#include "handlers.hpp"
#include "json_shapes.hpp"
#include "log.hpp"
#include "params.hpp"
#include "utf8.hpp"

#include <belay/base/id.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace belay::http {
namespace {

constexpr const char* kNextOffset = "X-Belay-Next-Offset";

// What is shown: one app's processes, or one deployment's stages.
struct Subject {
    std::string app;
    std::string process;  // empty: all
    DeploymentId deployment;
    std::string stage;  // empty: all
};

struct Wishes {
    bool follow = false;
    bool sse = false;
    std::int64_t from = 0;
    TimePoint since{};
};

Result<Wishes> wishes_of(const Request& request) {
    Wishes wishes;
    wishes.sse = request.header("Accept").find("text/event-stream") != std::string_view::npos;
    auto follow = flag_of(request, "follow");
    if (!follow) return follow.error();
    wishes.follow = *follow || wishes.sse;
    auto from = number_of(request, "from", 0);
    if (!from) return from.error();
    wishes.from = *from;
    if (auto id = request.header("Last-Event-ID"); wishes.sse && !id.empty()) {
        Request resumed;
        resumed.target.query.emplace_back("Last-Event-ID", id);
        from = number_of(resumed, "Last-Event-ID", 0);
        if (!from) return from.error();
        wishes.from = *from;
    }
    if (auto text = request.target.param("since"); !text.empty()) {
        auto since = parse_time(text);
        if (!since) return prefixed("the parameter \"since\"", since.error());
        wishes.since = *since;
    }
    return wishes;
}

// What is to be shown at present, and whether that may change.
struct Sources {
    std::vector<engine::LogSource> logs;
    bool over = false;
};

Task<Result<Sources>> find_sources(Context& context, const Subject& subject, bool follow) {
    Sources sources;
    if (!subject.deployment) {
        auto logs = context.api.app_logs(subject.app, subject.process);
        if (!logs) co_return logs.error();
        sources.logs = std::move(*logs);
        // One that can't be read is to be told of while the answer's head can still say so.
        for (const auto& source : sources.logs) {
            if (!source.journal) continue;
            auto journal = source.journal(std::numeric_limits<std::int64_t>::max() / 2);
            auto tried = co_await journal->read(0);
            if (!tried) co_return tried.error();
        }
        co_return sources;
    }
    // Before the logs are listed, so that none is missed that the end brought.
    auto view = co_await context.api.deployment(subject.deployment);
    if (!view) co_return view.error();
    bool ended = is_end(view->deployment.state);
    auto logs = co_await context.api.stage_logs(subject.deployment, subject.stage);
    if (logs) {
        sources.logs = std::move(*logs);
        bool still = std::any_of(sources.logs.begin(), sources.logs.end(),
                                 [](const auto& log) { return log.live; });
        sources.over = ended || (!subject.stage.empty() && !sources.logs.empty() && !still);
        co_return sources;
    }
    // A stage that is yet to come is waited for.
    if (logs.error().code != Errc::not_found || !follow || ended) co_return logs.error();
    co_return sources;
}

// Several logs in one text are told apart as tail(1) does it.
class Printer {
  public:
    explicit Printer(bool sse) : sse_(sse) {}

    std::string print(const Log& log, std::string text, bool several) {
        if (text.empty()) return text;
        if (sse_) return event(log, std::move(text));
        if (several && last_ != log.source().path) {
            text =
                fmt::format("{}==> {} <==\n{}", last_.empty() ? "" : "\n", log.source().name, text);
            last_ = log.source().path;
        }
        return text;
    }

  private:
    std::string event(const Log& log, std::string text) {
        Json json{{"name", log.source().name}, {"offset", log.offset()}, {"text", std::move(text)}};
        return fmt::format("id: {}\nevent: log\ndata: {}\n\n", log.offset(), to_text(json));
    }

    bool sse_;
    std::string last_;
};

class Follower {
  public:
    Follower(Context& context, Subject subject, Wishes wishes, Stream& stream)
        : context_(context),
          subject_(std::move(subject)),
          wishes_(wishes),
          stream_(stream),
          printer_(wishes.sse) {
        events_ = context.api.subscribe([this](const domain::EventRecord& event) {
            changed_ |= subject_.deployment ? event.deployment == subject_.deployment
                                            : event.app == subject_.app;
        });
        gone_ = stream.gone().on_set([this] { wake_.set(); });
    }

    Task<bool> run(Sources sources) {
        take(std::move(sources));
        while (true) {
            bool over = over_;  // what was written before the end is read after it was seen
            const bool shown = co_await show_all();
            if (!shown) co_return false;
            if (over) co_return co_await finish();
            bool known = true;
            if (changed_) known = co_await look_again();
            if (!known) co_return false;
            if (!changed_ && over == over_)
                co_await context_.timers.wait(wake_, context_.options.log_poll);
            if (stream_.gone().is_set()) co_return false;
        }
    }

  private:
    struct Followed {
        std::unique_ptr<Log> log;
        Utf8Pieces pieces;
    };

    void take(Sources sources) {
        over_ = sources.over;
        for (auto& source : sources.logs) {
            bool known = std::any_of(logs_.begin(), logs_.end(), [&](const auto& each) {
                return each.log->source().path == source.path &&
                       each.log->source().name == source.name;
            });
            if (known) continue;
            auto log = open_log(context_.pool, std::move(source), logs_.empty() ? wishes_.from : 0,
                                wishes_.since);
            logs_.push_back(Followed{std::move(log), {}});
        }
    }

    Task<bool> look_again() {
        changed_ = false;
        auto sources = co_await find_sources(context_, subject_, true);
        if (sources)
            take(std::move(*sources));
        else
            over_ = true;  // removed meanwhile
        co_return true;
    }

    Task<bool> show(Followed& followed, std::string text) {
        if (wishes_.sse) text = followed.pieces.feed(std::move(text));
        co_return co_await stream_.write(
            printer_.print(*followed.log, std::move(text), logs_.size() > 1));
    }

    Task<bool> show_all() {
        for (auto& followed : logs_) {
            while (true) {
                auto text = co_await followed.log->read();
                if (!text) stream_.cut();
                if (!text) co_return false;
                if (text->empty()) break;
                const bool shown = co_await show(followed, std::move(*text));
                if (!shown) co_return false;
            }
        }
        co_return true;
    }

    Task<bool> finish() {
        for (auto& followed : logs_) {
            auto rest = followed.log->flush() + followed.pieces.flush();
            const bool shown = co_await show(followed, std::move(rest));
            if (!shown) co_return false;
        }
        std::string last = wishes_.sse ? "event: end\ndata: {}\n\n" : "";
        co_return co_await stream_.write(std::move(last));
    }

    Context& context_;
    Subject subject_;
    Wishes wishes_;
    Stream& stream_;
    Printer printer_;
    std::vector<Followed> logs_;
    bool over_ = false;
    bool changed_ = false;
    async::Event wake_;
    async::Subscription events_;
    async::Subscription gone_;
};

using Logs = std::vector<std::unique_ptr<Log>>;

// Each up to where it reaches now; the place for the next reader goes into the header where there
// is one log.
Task<Result<Headers>> prepare(Logs& logs, Wishes wishes) {
    Headers headers;
    for (auto log = logs.begin(); log != logs.end();) {
        auto extent = co_await (*log)->extent();
        if (!extent) co_return extent.error();
        if (extent->modified_at < wishes.since) {
            log = logs.erase(log);
            continue;
        }
        auto end = (*log)->source().live ? extent->shown_to : extent->size;
        (*log)->stop_at(end);
        if (logs.size() == 1)
            headers.emplace_back(kNextOffset, std::to_string(std::max(end, wishes.from)));
        ++log;
    }
    co_return headers;
}

Task<bool> show_once(Logs& logs, Stream& stream) {
    Printer printer(false);
    for (auto& log : logs) {
        while (true) {
            auto text = co_await log->read();
            if (!text) stream.cut();
            if (!text) co_return false;
            bool end = text->empty();
            if (end) *text = log->flush();
            auto shown = printer.print(*log, std::move(*text), logs.size() > 1);
            const bool taken = co_await stream.write(std::move(shown));
            if (!taken) co_return false;
            if (end) break;
        }
    }
    co_return true;
}

Task<std::optional<Response>> answer(Context& context, Subject subject, const Request& request,
                                     Stream& stream) {
    auto wishes = wishes_of(request);
    if (!wishes) co_return problem(wishes.error());
    auto sources = co_await find_sources(context, subject, wishes->follow);
    if (!sources) co_return problem(sources.error());
    if (wishes->from > 0 && sources->logs.size() > 1)
        co_return problem(400, "invalid",
                          "the parameter \"from\" needs one log: name the stage or the process");
    std::string type = wishes->sse ? "text/event-stream" : "text/plain; charset=utf-8";
    if (wishes->follow) {
        Follower follower(context, subject, *wishes, stream);
        const bool begun = co_await stream.begin(std::move(type), Headers());
        if (!begun) co_return std::nullopt;
        const bool whole = co_await follower.run(std::move(*sources));
        if (!whole) co_return std::nullopt;
    } else {
        Logs logs;
        for (auto& source : sources->logs)
            logs.push_back(open_log(context.pool, std::move(source), wishes->from, wishes->since));
        auto headers = co_await prepare(logs, *wishes);
        if (!headers) co_return problem(headers.error());
        const bool begun = co_await stream.begin(std::move(type), std::move(*headers));
        if (!begun) co_return std::nullopt;
        const bool whole = co_await show_once(logs, stream);
        if (!whole) co_return std::nullopt;
    }
    co_await stream.end(Headers());
    co_return std::nullopt;
}

}  // namespace

Task<std::optional<Response>> get_app_logs(Context& context, const Request& request,
                                           Stream& stream) {
    Subject subject;
    subject.app = request.args[0];
    subject.process = request.target.param("process");
    co_return co_await answer(context, std::move(subject), request, stream);
}

Task<std::optional<Response>> get_stage_logs(Context& context, const Request& request,
                                             Stream& stream) {
    auto id = parse_deployment_id(request.args[0]);
    if (!id) co_return problem(id.error());
    Subject subject;
    subject.deployment = *id;
    if (request.args.size() > 1) subject.stage = request.args[1];
    co_return co_await answer(context, std::move(subject), request, stream);
}

}  // namespace belay::http
