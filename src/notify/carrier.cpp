#include "carrier.hpp"

#include "command.hpp"
#include "status_payload.hpp"

#include <belay/outbound/outbound.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace belay::notify {
namespace {

using ports::Verdict;
using Outcome = Carrier::Outcome;

constexpr std::size_t kStatusRequests = 8;

Outcome give_up(std::string why) {
    return {{Verdict::Kind::give_up, std::move(why), Millis{0}}, {}, false};
}
Outcome retry(std::string why) {
    return {{Verdict::Kind::retry, std::move(why), Millis{0}}, {}, false};
}

Outcome failed(const Error& error) {
    auto verdict = ports::judge(error);
    return {verdict, error.message, error.code == Errc::timeout};
}

// RFC 5321 §4.2.1: 4xx may pass later, 5xx never will.
Outcome judge_mail(const outbound::MailAnswer& answer) {
    Outcome outcome;
    outcome.answer =
        "answered " + (answer.line.empty() ? fmt::to_string(answer.code) : answer.line);
    if (answer.code >= 500)
        outcome.verdict = {Verdict::Kind::give_up, outcome.answer, Millis{0}};
    else if (answer.code >= 400)
        outcome.verdict = {Verdict::Kind::retry, outcome.answer, Millis{0}};
    else
        outcome.answer = "the mail was taken";  // the last answer is that to QUIT
    return outcome;
}

}  // namespace

Carrier::Carrier(boost::asio::any_io_executor executor, async::Timers& timers,
                 const Options& options)
    : executor_(std::move(executor)), timers_(timers), options_(options) {}

Carrier::~Carrier() {
    fast_.stop();
    slow_.stop();
    fast_.join();
    slow_.join();
}

const domain::Channel* Carrier::channel(const std::string& name) const {
    auto at = std::find_if(channels_.begin(), channels_.end(),
                           [&](const domain::Channel& one) { return one.name == name; });
    return at == channels_.end() ? nullptr : &*at;
}

Result<Settings> Carrier::settings_of(const domain::Channel& channel) const {
    Settings settings;
    settings.channel = channel;
    const std::pair<const std::optional<domain::SecretRef>*, Secret*> secrets[] = {
        {&channel.url, &settings.url},
        {&channel.secret, &settings.secret},
        {&channel.token, &settings.token},
        {&channel.topic, &settings.topic},
        {&channel.password, &settings.password}};
    for (const auto& [reference, value] : secrets) {
        if (!*reference) continue;
        auto resolved = options_.resolve(**reference);
        if (!resolved) return resolved.error();
        *value = std::move(*resolved);
    }
    return settings;
}

Task<Outcome> Carrier::carry(ports::Outgoing row, bool slow) {
    if (row.kind == ports::OutgoingKind::status) co_return co_await report(std::move(row), slow);
    const auto* found = channel(row.destination);
    if (found == nullptr)
        co_return give_up(
            fmt::format("belay.toml has no channel [notify.{}] any more", row.destination));
    auto news = decode(row.payload);
    if (!news) co_return give_up(news.error().message);
    auto copy = *found;
    co_return co_await deliver(std::move(copy), std::move(*news), row.message_id, slow);
}

Task<Outcome> Carrier::test(domain::Channel channel, std::string id) {
    News news;
    news.test = true;
    news.alert.event = domain::AlertEvent::live;
    news.alert.at = timers_.now();
    news.alert.link = options_.link;
    news.since = news.alert.at;
    return deliver(std::move(channel), std::move(news), std::move(id), false);
}

Task<Outcome> Carrier::deliver(domain::Channel channel, News news, std::string id, bool slow) {
    const auto* type = find_type(channel.type);
    if (type == nullptr) co_return give_up(fmt::format("no channel is of type {}", channel.type));
    // A secret that can't be read, and a setting that can't be used, can be mended.
    auto settings = settings_of(channel);
    if (!settings) co_return retry(settings.error().message);
    Letter letter;
    letter.words = words_of(news, options_.host);
    letter.news = std::move(news);
    letter.id = std::move(id);
    letter.now = timers_.now();
    letter.host = options_.host;
    auto sending = type->write(*settings, letter);
    if (!sending) co_return retry(sending.error().message);
    outbound::Limits limits;
    limits.total = options_.pace.attempt;
    limits.connect = std::min(limits.connect, limits.total);
    limits.ca_file = channel.ca;
    if (auto* command = std::get_if<CommandRun>(&*sending)) {
        auto verdict = co_await run_command(executor_, timers_, options_.shim, std::move(*command),
                                            options_.pace.attempt);
        auto answer = verdict.kind == Verdict::Kind::done ? std::string("the command exited with 0")
                                                          : verdict.why;
        co_return Outcome{std::move(verdict), std::move(answer), false};
    }
    if (auto* mail = std::get_if<outbound::Mail>(&*sending)) {
        auto answer = co_await outbound::send_mail(pool(slow), std::move(*mail), std::move(limits));
        if (!answer) co_return failed(answer.error());
        co_return judge_mail(*answer);
    }
    auto& request = std::get<HttpRequest>(*sending);
    auto answer = co_await outbound::exchange(pool(slow), std::move(request), std::move(limits));
    if (!answer) co_return failed(answer.error());
    auto verdict = type->judge(*answer, timers_.now());
    auto said = verdict.kind == Verdict::Kind::done ? fmt::format("answered {}", answer->status)
                                                    : verdict.why;
    co_return Outcome{std::move(verdict), std::move(said), false};
}

Task<Outcome> Carrier::report(ports::Outgoing row, bool slow) {
    auto status = decode_status(row.payload);
    if (!status) co_return give_up(status.error().message);
    const auto* forge =
        options_.statuses == nullptr ? nullptr : options_.statuses->find(status->forge);
    if (forge == nullptr)
        co_return give_up(fmt::format("{} takes no commit statuses", status->forge));
    auto token = options_.status_token
                     ? options_.status_token(status->app)
                     : Result<Secret>(Error{Errc::not_found, "there is no token"});
    if (!token) co_return retry(token.error().message);
    std::vector<HttpAnswer> answers;
    while (answers.size() <= kStatusRequests) {
        auto step = forge->next(*status, *token, answers, timers_.now());
        if (auto* verdict = std::get_if<Verdict>(&step))
            co_return Outcome{*verdict, verdict->why, false};
        auto& request = std::get<HttpRequest>(step);
        request.secrets.push_back(*token);
        outbound::Limits limits;
        limits.total = options_.pace.attempt;
        limits.connect = std::min(limits.connect, limits.total);
        auto answer =
            co_await outbound::exchange(pool(slow), std::move(request), std::move(limits));
        if (!answer) co_return failed(answer.error());
        answers.push_back(std::move(*answer));
    }
    co_return give_up(fmt::format("{} asked for more than {} requests for one status",
                                  status->forge, kStatusRequests));
}

}  // namespace belay::notify
