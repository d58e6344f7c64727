#include "service_link.hpp"

#include <belay/sys/sockets.hpp>

namespace belay::sys {

namespace {

constexpr Millis kAnswerTimeout{5'000};
constexpr std::string_view kOk = "ok", kError = "error", kMore = "more";

Error gone() {
    return {Errc::unavailable, "the shim doesn't answer"};
}

// What follows the word, or nothing where the line begins otherwise.
std::optional<std::string_view> after(std::string_view line, std::string_view word) {
    if (line == word) return std::string_view();
    if (!line.starts_with(word) || line[word.size()] != ' ') return std::nullopt;
    return line.substr(word.size() + 1);
}

}  // namespace

ServiceLink::ServiceLink(async::Timers& timers, std::function<void(std::string_view)> on_event,
                         std::function<void()> on_close)
    : timers_(timers), on_event_(std::move(on_event)), on_close_(std::move(on_close)) {}

Result<std::shared_ptr<ServiceLink>> ServiceLink::connect(
    const boost::asio::any_io_executor& executor, async::Timers& timers, int directory,
    std::function<void(std::string_view)> on_event, std::function<void()> on_close) {
    auto socket = connect_unix_at(directory, "s");
    if (!socket) return socket.error();
    auto link = std::make_shared<ServiceLink>(timers, std::move(on_event), std::move(on_close));
    link->channel_ = std::make_shared<LineChannel>(executor, std::move(*socket));
    std::weak_ptr<ServiceLink> weak = link;
    link->channel_->start(
        [weak](std::string_view line) {
            if (auto self = weak.lock()) self->take(line);
        },
        [weak] {
            if (auto self = weak.lock()) self->lose();
        });
    return link;
}

void ServiceLink::take(std::string_view line) {
    if (auto text = after(line, kMore); text && !pending_.empty())
        pending_.front()->more += std::string(*text) + " ";
    else if (text = after(line, kOk); text && !pending_.empty())
        answer(pending_.front()->more + std::string(*text));
    else if (text = after(line, kError); text && !pending_.empty())
        answer(Error{Errc::conflict, "the shim says: " + std::string(*text)});
    else
        on_event_(line);
}

void ServiceLink::answer(Result<std::string> answer) {
    auto first = pending_.front();
    pending_.pop_front();
    first->answer = std::move(answer);
    first->done.set();
}

void ServiceLink::lose() {
    while (!pending_.empty())
        answer(gone());
    on_close_();
}

void ServiceLink::close() {
    channel_->close();
    while (!pending_.empty())
        answer(gone());
}

Task<Result<std::string>> ServiceLink::request(std::string line, std::vector<int> fds) {
    auto self = shared_from_this();
    auto pending = std::make_shared<Pending>();
    pending_.push_back(pending);
    if (!channel_->send(line, fds)) {
        std::erase(pending_, pending);
        co_return gone();
    }
    bool answered = co_await timers_.wait(pending->done, kAnswerTimeout);
    if (!answered && channel_->is_open()) {
        // Answers could no longer be told apart.
        channel_->close();
        lose();
    }
    co_return pending->answer ? std::move(*pending->answer) : Result<std::string>(gone());
}

}  // namespace belay::sys
