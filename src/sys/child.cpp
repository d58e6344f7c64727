#include "exit_watch.hpp"
#include "line_channel.hpp"
#include "record.hpp"
#include "shim_start.hpp"

#include <belay/async/event.hpp>
#include <belay/async/timers.hpp>
#include <belay/sys/child.hpp>
#include <belay/sys/files.hpp>

#include <csignal>
#include <fcntl.h>

namespace belay::sys {

namespace {

constexpr Millis kReportTimeout{
    10'000};  // a shim reports within milliseconds; a swapping machine takes longer

}  // namespace

class Child::State : public std::enable_shared_from_this<State> {
  public:
    State(boost::asio::any_io_executor executor, Program program)
        : executor_(executor),
          timers_(async::make_timers(executor)),
          program_(std::move(program)) {}

    Result<void> spawn(const std::string& shim_path, const ChildSpec& spec);
    Task<Result<void>> wait_for_report();
    Task<Result<void>> go();
    Task<Exit> wait() {
        co_await ended_.wait();
        co_return exit_;
    }
    void send(std::string_view word) { channel_->send(word); }
    void let_go() { channel_->close(); }
    const ProcessIdentity& identity() const { return identity_; }
    bool ended() const { return ended_.is_set(); }

  private:
    void take(std::string_view line);
    void on_end();
    void refuse(Error error);

    boost::asio::any_io_executor executor_;
    std::unique_ptr<async::Timers> timers_;
    Program program_;
    std::string token_ = random_token();
    StartedShim shim_;
    std::shared_ptr<LineChannel> channel_;
    ProcessIdentity identity_;
    std::optional<Error> refusal_;
    Exit exit_{.known = false};
    async::Event reported_;
    async::Event started_;
    async::Event ended_;
};

Result<void> Child::State::spawn(const std::string& shim_path, const ChildSpec& spec) {
    auto null = open_file("/dev/null", O_RDWR);
    if (!null) return null.error();
    auto or_null = [&null](int fd) { return fd >= 0 ? fd : null->get(); };
    ShimStart start;
    start.shim_path = shim_path;
    start.token = token_;
    start.program = &program_;
    start.fds = {{or_null(spec.in), 0}, {or_null(spec.out), 1}, {or_null(spec.err), 2}};
    auto shim = start_shim(start);
    if (!shim) return shim.error();
    shim_ = std::move(*shim);
    program_.env.clear();  // secrets; only names are needed from here on
    channel_ = std::make_shared<LineChannel>(executor_, std::move(shim_.control));
    auto weak = weak_from_this();
    channel_->start(
        [weak](std::string_view line) {
            if (auto self = weak.lock()) self->take(line);
        },
        [] {});
    ExitWatch::start(executor_, shim_.pidfd, [weak] {
        if (auto self = weak.lock()) self->on_end();
    });
    return {};
}

void Child::State::refuse(Error error) {
    if (!refusal_) refusal_ = std::move(error);
    reported_.set();
    started_.set();
}

void Child::State::take(std::string_view line) {
    auto words = words_of(line);
    if (words.empty()) return;
    if (words[0] == "identity" && words.size() == 6) {
        identity_ = {std::string(words[2]), static_cast<pid_t>(to_number(words[3])),
                     to_number(words[4])};
        if (identity_.pid != shim_.pid || words[5] != token_)
            refuse({Errc::internal, "the shim reported somebody else"});
        reported_.set();
    } else if (words[0] == "refused") {
        refuse({Errc::invalid, "the shim refused: " + std::string(line.substr(8))});
    } else if (words[0] == "started") {
        started_.set();
    } else if (words[0] == "failed" && words.size() == 3) {
        refuse(start_failure(program_, words[1], static_cast<int>(to_number(words[2]))));
    } else if (words[0] == "exited" && words.size() == 5) {
        exit_.known = true;
        exit_.code = static_cast<int>(to_number(words[1]));
        exit_.signal = static_cast<int>(to_number(words[2]));
        exit_.peak_memory = to_number(words[3]);
        exit_.cpu = Millis(static_cast<std::int64_t>(to_number(words[4])));
    }
}

void Child::State::on_end() {
    channel_->read_now();
    channel_->close();
    exit_.at = timers_->now();
    if (!started_.is_set())
        refuse({Errc::internal, "the shim ended before it started the program"});
    ended_.set();
}

Task<Result<void>> Child::State::wait_for_report() {
    bool reported = co_await timers_->wait(reported_, kReportTimeout);
    if (!reported) co_return Error{Errc::timeout, "the shim did not report within 10 s"};
    if (refusal_) co_return *refusal_;
    co_return Result<void>{};
}

Task<Result<void>> Child::State::go() {
    if (!channel_->send("go")) co_return Error{Errc::internal, "the shim is gone"};
    co_await started_.wait();
    if (refusal_) co_return *refusal_;
    co_return Result<void>{};
}

Child::Child(std::shared_ptr<State> state) : state_(std::move(state)) {}
Child::Child(Child&&) noexcept = default;
Child& Child::operator=(Child&& other) noexcept {
    if (this != &other) {
        if (state_) state_->let_go();
        state_ = std::move(other.state_);
    }
    return *this;
}
Child::~Child() {
    if (state_) state_->let_go();
}

Task<Result<Child>> Child::start(boost::asio::any_io_executor executor, std::string shim_path,
                                 ChildSpec spec) {
    auto state = std::make_shared<State>(executor, spec.program);
    if (auto spawned = state->spawn(shim_path, spec); !spawned) co_return spawned.error();
    Child child(state);
    auto reported = co_await state->wait_for_report();
    if (!reported) co_return reported.error();
    co_return Result<Child>(std::move(child));
}

const ProcessIdentity& Child::identity() const {
    return state_->identity();
}
bool Child::ended() const {
    return state_->ended();
}
void Child::stop() {
    state_->send("stop");
}
void Child::kill() {
    state_->send("kill");
}

Task<Result<void>> Child::go() {
    auto state = state_;
    co_return co_await state->go();
}

Task<Exit> Child::wait() {
    auto state = state_;
    co_return co_await state->wait();
}

}  // namespace belay::sys
