#include "service_state.hpp"

#include <belay/sys/files.hpp>
#include <belay/sys/service.hpp>

#include <fmt/format.h>

namespace belay::sys {

Service::Service(std::shared_ptr<State> state) : state_(std::move(state)) {}
Service::Service(Service&&) noexcept = default;
Service& Service::operator=(Service&& other) noexcept {
    if (this != &other) {
        if (state_) state_->let_go();
        state_ = std::move(other.state_);
    }
    return *this;
}
Service::~Service() {
    if (state_) state_->let_go();
}

Task<Result<Service>> Service::start(boost::asio::any_io_executor executor, async::Timers& timers,
                                     std::string shim_path, std::filesystem::path directory,
                                     ServiceSpec spec) {
    auto state = std::make_shared<State>(executor, timers);
    auto spawned = state->spawn(shim_path, directory, std::move(spec));
    if (!spawned) co_return spawned.error();
    Service service(state);
    auto reported = co_await state->wait_for_report();
    if (!reported) {
        static_cast<void>(remove_tree(directory).has_value());
        co_return reported.error();
    }
    co_return Result<Service>(std::move(service));
}

Task<Result<Service>> Service::adopt(boost::asio::any_io_executor executor, async::Timers& timers,
                                     std::filesystem::path directory) {
    auto state = std::make_shared<State>(executor, timers);
    auto adopted = co_await state->adopt(directory);
    if (!adopted) co_return adopted.error();
    co_return Result<Service>(Service(state));
}

const std::string& Service::run_id() const {
    return state_->run_id();
}
const ServiceStatus& Service::status() const {
    return state_->status();
}
const Cgroup& Service::group() const {
    return state_->group();
}
void Service::on_change(std::function<void()> callback) {
    state_->on_change(std::move(callback));
}

// Each keeps the state, as this object may go while they wait.

Task<Result<void>> Service::go() {
    auto state = state_;
    co_return co_await state->go();
}

Task<Result<void>> Service::set_policy(RestartPolicy policy) {
    auto state = state_;
    std::string line = policy == RestartPolicy::always ? "policy always" : "policy never";
    auto answer = co_await state->request(line);
    if (!answer) co_return answer.error();
    co_return Result<void>{};
}

Task<Result<void>> Service::signal(int number) {
    auto state = state_;
    auto line = fmt::format("signal {}", number);
    auto answer = co_await state->request(line);
    if (!answer) co_return answer.error();
    co_return Result<void>{};
}

Task<Result<void>> Service::add_listeners(std::vector<NamedFd> listeners) {
    auto state = state_;
    std::string line = "listeners";
    std::vector<int> fds;
    for (const auto& listener : listeners) {
        line += " " + listener.name;
        fds.push_back(listener.fd);
    }
    auto answer = co_await state->request(line, fds);
    if (!answer) co_return answer.error();
    co_return Result<void>{};
}

Task<Result<void>> Service::stop() {
    auto state = state_;
    co_return co_await state->stop();
}

Task<void> Service::wait() {
    auto state = state_;
    co_await state->wait();
}

Task<Result<std::vector<std::uint64_t>>> Service::socket_inodes() {
    auto state = state_;
    co_return co_await state->socket_inodes();
}

}  // namespace belay::sys
