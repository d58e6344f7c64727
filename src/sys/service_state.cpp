#include "service_state.hpp"

#include "shim/protocol.hpp"
#include "tree_stop.hpp"

#include <belay/base/log.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/sockets.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include <csignal>
#include <fcntl.h>

namespace belay::sys {

namespace {

constexpr Millis kReportTimeout{10'000};
constexpr Millis kRetry{1'000};
// Named, as g++ 12 destroys what a co_await expression converts twice.
const std::string kHello = "hello", kStatus = "status", kStop = "stop", kSockets = "sockets";
constexpr Millis kStopGrace{
    5'000};  // beyond the stop rule's own timeout, for the shim's KILL to work

Exit unknown_exit(TimePoint now) {
    Exit exit;
    exit.known = false;
    exit.at = now;
    return exit;
}

Exit exit_of(const std::vector<std::string_view>& words) {
    Exit exit;
    exit.code = static_cast<int>(to_number(words[1]));
    exit.signal = static_cast<int>(to_number(words[2]));
    exit.peak_memory = to_number(words[3]);
    exit.cpu = Millis(static_cast<std::int64_t>(to_number(words[4])));
    exit.at = TimePoint(Millis(static_cast<std::int64_t>(to_number(words[5]))));
    return exit;
}

Fields pairs_of(std::string_view text) {
    Fields fields;
    for (auto word : words_of(text)) {
        auto sign = std::min(word.find('='), word.size());
        fields.emplace(word.substr(0, sign), word.substr(std::min(sign + 1, word.size())));
    }
    return fields;
}

}  // namespace

Result<void> Service::State::spawn(const std::string& shim_path,
                                   const std::filesystem::path& directory, ServiceSpec spec) {
    record_.run_id = spec.run_id;
    record_.token = random_token();
    record_.stop = spec.program.stop;
    record_.port = spec.port;
    record_.started_at = timers_.now();
    group_ = spec.program.group;
    oom_counted_ = true;
    auto null = open_file("/dev/null", O_RDWR);
    if (!null) return null.error();
    auto run = make_run_directory(directory, spec, record_.token, record_.started_at);
    if (!run) return run.error();
    ShimStart start;
    start.shim_path = shim_path;
    start.kept = true;
    start.run_id = spec.run_id;
    start.token = record_.token;
    start.policy = spec.policy;
    start.program = &spec.program;
    start.fds = {{null->get(), 0},
                 {run->log.get(), 1},
                 {run->log.get(), 2},
                 {run->identity.get(), shim::kIdentityFd},
                 {run->exit.get(), shim::kExitFd},
                 {run->policy.get(), shim::kPolicyFd},
                 {run->socket.get(), shim::kSocketFd}};
    auto started = start_shim(start);
    if (!started) {
        static_cast<void>(remove_tree(directory).has_value());
        return started.error();
    }
    directory_ = std::move(run->directory);
    program_.argv = std::move(spec.program.argv);
    program_.cwd = std::move(spec.program.cwd);
    status_.policy = spec.policy;
    status_.port = spec.port;
    status_.started_at = record_.started_at;
    status_.shim.pid = started->pid;
    shim_pidfd_ = std::move(started->pidfd);
    control_ = std::make_shared<LineChannel>(executor_, std::move(started->control));
    auto weak = weak_from_this();
    control_->start(
        [weak](std::string_view line) {
            if (auto self = weak.lock()) self->take_report(line);
        },
        [] {});
    watch_shim(shim_pidfd_);
    return {};
}

void Service::State::take_report(std::string_view line) {
    auto words = words_of(line);
    if (words.empty()) return;
    if (words[0] == "identity" && words.size() == 6) {
        auto pid = static_cast<pid_t>(to_number(words[3]));
        if (pid != status_.shim.pid || words[5] != record_.token)
            refuse({Errc::internal, "the shim reported somebody else"});
        status_.shim = {std::string(words[2]), pid, to_number(words[4])};
        reported_.set();
    } else if (words[0] == "refused") {
        refuse({Errc::invalid, "the shim refused: " + std::string(line.substr(8))});
    } else if (words[0] == "started" && words.size() == 3) {
        status_.state = ServiceState::running;
        status_.pid = static_cast<pid_t>(to_number(words[1]));
        started_.set();
    } else if (words[0] == "failed" && words.size() == 3) {
        refuse(start_failure(program_, words[1], static_cast<int>(to_number(words[2]))));
    }
}

void Service::State::refuse(Error error) {
    if (!refusal_) refusal_ = std::move(error);
    reported_.set();
    started_.set();
}

Task<Result<void>> Service::State::wait_for_report() {
    bool reported = co_await timers_.wait(reported_, kReportTimeout);
    if (!reported) co_return Error{Errc::timeout, "the shim did not report within 10 s"};
    if (refusal_) co_return *refusal_;
    co_return Result<void>{};
}

Task<Result<void>> Service::State::go() {
    if (!control_->send("go")) co_return Error{Errc::internal, "the shim is gone"};
    co_await started_.wait();
    if (refusal_) {
        control_->close();
        co_await ended_.wait();
        co_return *refusal_;
    }
    // Where it has ended meanwhile nobody answers, and its watch tells.
    if (connect()) {
        auto greeted = co_await greet();
        if (!greeted && !ended_.is_set()) link_lost();
    }
    co_return Result<void>{};
}

Result<void> Service::State::connect() {
    auto weak = weak_from_this();
    auto link = ServiceLink::connect(
        executor_, timers_, directory_.get(),
        [weak](std::string_view line) {
            if (auto self = weak.lock()) self->take_event(line);
        },
        [weak] {
            if (auto self = weak.lock()) self->link_lost();
        });
    if (!link) return link.error();
    link_ = std::move(*link);
    return {};
}

// Errc::forbidden where it isn't our shim that answers.
Task<Result<void>> Service::State::greet() {
    auto link = link_;
    auto hello = co_await link->request(kHello);
    if (!hello) co_return hello.error();
    auto fields = pairs_of(*hello);
    if (fields["token"] != record_.token ||
        number_in(fields, "pid") != static_cast<std::uint64_t>(status_.shim.pid)) {
        link->close();
        co_return Error{Errc::forbidden, "another process answers on the shim's socket"};
    }
    auto status = co_await link->request(kStatus);
    if (!status) co_return status.error();
    take_status(*status);
    co_return Result<void>{};
}

void Service::State::take_status(std::string_view text) {
    if (status_.over()) return;
    auto fields = pairs_of(text);
    auto state = fields["state"];
    if (state == "waiting")
        status_.state = ServiceState::waiting;
    else
        status_.state = state == "backoff" ? ServiceState::backing_off : ServiceState::running;
    status_.pid = static_cast<pid_t>(number_in(fields, "pid"));
    status_.restarts = number_in(fields, "restarts");
    status_.policy = fields["policy"] == "always" ? RestartPolicy::always : RestartPolicy::never;
    if (number_in(fields, "exits") > 0) {
        auto text_of = [&fields](const char* key) { return std::string_view(fields[key]); };
        status_.last_exit = with_memory(exit_of({"", text_of("code"), text_of("signal"),
                                                 text_of("peak"), text_of("cpu"), text_of("at")}));
    }
    changed();
}

void Service::State::take_event(std::string_view line) {
    auto words = words_of(line);
    if (words.empty() || status_.over()) return;
    if (words[0] == "started" && words.size() == 3) {
        status_.state = ServiceState::running;
        status_.pid = static_cast<pid_t>(to_number(words[1]));
        ++status_.restarts;
    } else if (words[0] == "background" && words.size() == 3) {
        status_.pid = static_cast<pid_t>(to_number(words[1]));
    } else if (words[0] == "exited" && words.size() == 6) {
        status_.pid = 0;
        status_.last_exit = with_memory(exit_of(words));
    } else if (words[0] == "backoff") {
        status_.state = ServiceState::backing_off;
    } else if (words[0] == "policy" && words.size() == 2) {
        status_.policy = words[1] == "always" ? RestartPolicy::always : RestartPolicy::never;
    } else {
        return;
    }
    changed();
}

void Service::State::link_lost() {
    link_.reset();
    if (let_go_ || status_.over() || has_ended(shim_pidfd_)) return;
    auto weak = weak_from_this();
    retry_ = timers_.after(kRetry, [weak] {
        if (auto self = weak.lock()) self->reconnect();
    });
}

void Service::State::reconnect() {
    if (let_go_ || link_ || status_.over() || has_ended(shim_pidfd_)) return;
    if (!connect()) return link_lost();
    boost::asio::co_spawn(executor_, refresh(), boost::asio::detached);
}

Task<void> Service::State::refresh() {
    auto self = shared_from_this();
    auto greeted = co_await greet();
    if (!greeted && !self->link_) self->link_lost();
}

void Service::State::watch_shim(const UniqueFd& pidfd) {
    auto weak = weak_from_this();
    shim_watch_ = ExitWatch::start(executor_, pidfd, [weak] {
        if (auto self = weak.lock()) self->shim_ended();
    });
}

void Service::State::shim_ended() {
    auto self = shared_from_this();
    if (control_) control_->read_now();
    // Its last words first, as some are events.
    if (auto link = link_) {
        link->read_now();
        link->close();
    }
    link_.reset();
    status_.shim_alive = false;
    judge_without_shim();
    shim_gone_.set();
}

// Adopts the program itself where its shim was killed; else says how it ended.
void Service::State::judge_without_shim() {
    auto exit = read_exit_record(directory_.get());
    if (exit && exit->final)
        return end(exit->count > 0 ? ServiceState::exited : ServiceState::gone, exit->exit);
    auto identity = read_identity_record(directory_.get());
    if (identity && identity->token == record_.token) {
        status_.restarts = identity->restarts;
        if (auto pidfd = open_process(identity->program)) {
            last_program_ = identity->program;
            status_.pid = last_program_.pid;
            status_.state = ServiceState::running;
            watch_program(*pidfd);
            return changed();
        }
    }
    end(ServiceState::gone, unknown_exit(timers_.now()));
}

void Service::State::watch_program(const UniqueFd& pidfd) {
    auto weak = weak_from_this();
    program_watch_ = ExitWatch::start(executor_, pidfd, [weak] {
        if (auto self = weak.lock())
            self->end(ServiceState::gone, unknown_exit(self->timers_.now()));
    });
}

void Service::State::end(ServiceState state, Exit exit) {
    if (status_.over()) return;
    bool was_waiting = !started_.is_set();
    status_.state = state;
    status_.shim_alive = false;
    status_.pid = 0;
    status_.last_exit = with_memory(std::move(exit));
    if (was_waiting) refuse({Errc::internal, "the shim ended before it started the program"});
    ended_.set();
    changed();
}

// The kernel counts for the whole group: what has come since the exit before was of this one's
// life.
Exit Service::State::with_memory(Exit exit) {
    if (!group_ || exit.success()) return exit;
    // Told a second time, as its exit and then its end.
    if (status_.last_exit && status_.last_exit->at == exit.at) exit.oom = status_.last_exit->oom;
    auto usage = group_.usage();
    // What was before an adoption may belong to an exit before this one, but for a death by KILL.
    const bool killed = exit.signal == SIGKILL || exit.code == 128 + SIGKILL;
    exit.oom = exit.oom || (usage.oom_kills > oom_kills_ && (oom_counted_ || killed));
    exit.memory_limit = usage.memory_limit;
    oom_kills_ = usage.oom_kills;
    oom_counted_ = true;
    return exit;
}

void Service::State::changed() {
    if (let_go_ || !on_change_) return;
    auto callback = on_change_;  // it may replace itself
    callback();
}

void Service::State::let_go() {
    let_go_ = true;
    retry_.end();
    if (control_) control_->close();
    if (link_) link_->close();
    // A shim that was never told to go ends now, and is ours to reap.
    if (shim_watch_ && status_.state != ServiceState::waiting) shim_watch_->cancel();
    if (program_watch_) program_watch_->cancel();
}

Task<Result<void>> Service::State::adopt(std::filesystem::path place) {
    auto directory = open_file(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) co_return directory.error();
    directory_ = std::move(*directory);
    auto record = read_spec_record(directory_.get());
    if (!record) co_return Error{Errc::invalid, place.string() + ": " + record.error().message};
    record_ = std::move(*record);
    group_ = Cgroup(record_.group);
    status_.adopted = true;
    status_.port = record_.port;
    status_.started_at = record_.started_at;
    started_.set();
    if (auto policy = read_policy_record(directory_.get())) status_.policy = *policy;
    auto identity = read_identity_record(directory_.get());
    if (!identity || identity->token != record_.token) {
        end(ServiceState::gone, unknown_exit(timers_.now()));
        co_return Result<void>{};
    }
    status_.shim = identity->shim;
    status_.restarts = identity->restarts;
    // Of an earlier boot: what has its name now is another's.
    if (identity->shim.boot != boot_id()) group_ = Cgroup();
    auto pidfd = open_process(identity->shim);
    if (!pidfd) {
        status_.shim_alive = false;
        shim_gone_.set();
        judge_without_shim();
        co_return Result<void>{};
    }
    shim_pidfd_ = std::move(*pidfd);
    status_.state = ServiceState::running;
    status_.pid = identity->program.pid;
    watch_shim(shim_pidfd_);
    if (connect()) {
        auto greeted = co_await greet();
        if (!greeted && greeted.error().code == Errc::forbidden) {
            shim_watch_->cancel();
            end(ServiceState::gone, unknown_exit(timers_.now()));
        }
    } else {
        link_lost();
    }
    if (!oom_counted_) oom_kills_ = group_.usage().oom_kills;
    oom_counted_ = true;
    co_return Result<void>{};
}

Task<Result<std::string>> Service::State::request(std::string line, std::vector<int> fds) {
    auto self = shared_from_this();
    Error nobody{Errc::conflict, fmt::format("run {} has no shim any more", record_.run_id)};
    if (status_.over() || !status_.shim_alive) co_return nobody;
    if (!link_) {
        if (auto connected = connect(); !connected) co_return connected.error();
        auto greeted = co_await greet();
        if (!greeted) co_return greeted.error();
    }
    auto link = link_;
    if (!link) co_return nobody;
    auto answer = co_await link->request(line, fds);
    if (!answer && (status_.over() || has_ended(shim_pidfd_))) co_return nobody;
    co_return answer;
}

Task<bool> Service::State::ended_within(Millis time) {
    return timers_.wait(ended_, time);
}

Task<Result<void>> Service::State::stop() {
    auto self = shared_from_this();
    if (status_.over()) co_return Result<void>{};
    StopRule rule = record_.stop;
    if (status_.shim_alive && !has_ended(shim_pidfd_)) {
        auto asked = co_await request(kStop);
        // Who asked waits as long as the rule takes. Then it has ended, or it was killed and the
        // program goes on.
        auto patience = record_.stop.timeout + kStopGrace;
        bool ended = false;
        if (asked) ended = co_await ended_within(patience);
        if (ended || status_.over()) co_return Result<void>{};
        if (asked) rule = StopRule{SIGKILL, StopTo::tree, Millis{0}};
    }
    // Where it has just died, its program may go on, which is judged by its watch.
    if (has_ended(shim_pidfd_)) co_await shim_gone_.wait();
    if (status_.over()) co_return Result<void>{};
    // A shim that doesn't answer goes the way of its tree; TERM means "stop" to it, too.
    if (status_.shim_alive) last_program_ = status_.shim;
    auto root = last_program_;
    auto stopped = co_await stop_tree(timers_, root, rule);
    if (!stopped) co_return stopped.error();
    bool seen = co_await ended_within(kStopGrace);
    if (!seen)
        co_return Error{Errc::timeout,
                        fmt::format("run {} is dead, but its end was not seen", record_.run_id)};
    co_return Result<void>{};
}

Task<Result<std::vector<std::uint64_t>>> Service::State::socket_inodes() {
    auto self = shared_from_this();
    std::vector<std::uint64_t> all;
    if (status_.over()) co_return all;
    auto root = status_.shim_alive ? status_.shim.pid : last_program_.pid;
    auto tree = descendants(root);
    if (!status_.shim_alive) tree.push_back(root);
    bool closed_to_us = false;
    for (auto pid : tree) {
        auto inodes = sys::socket_inodes(pid);
        if (inodes)
            all.insert(all.end(), inodes->begin(), inodes->end());
        else
            closed_to_us = true;
    }
    if (!closed_to_us) co_return all;
    // A root without CAP_SYS_PTRACE, as in a container: the shim is of the app's own user.
    auto answer = co_await request(kSockets);
    if (!answer) co_return answer.error();
    for (auto word : words_of(*answer))
        all.push_back(to_number(word));
    co_return all;
}

}  // namespace belay::sys
