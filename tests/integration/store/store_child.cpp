// A process of its own that uses a store, to be killed, limited or run as somebody else.
//   store_child write PATH           commits for ever; prints the id of each delivery once it is
//   acknowledged store_child limited PATH BYTES   commits until its file size limit ends it, prints
//   "acknowledged N", the error's code, then
//                                    lifts the limit, commits once more and prints "again" or that
//                                    error's code
//   store_child open PATH UID        as user UID (0: as it is) opens the store; prints "open" or
//   the error's code and message
#include "integration/store/samples.hpp"
#include "support/run_task.hpp"

#include <belay/async/task_group.hpp>
#include <belay/store/open.hpp>

#include <boost/asio/io_context.hpp>

#include <csignal>
#include <iostream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace belay::test {
namespace {

std::vector<ports::Write> batch(std::int64_t id) {
    auto deployment = sample_deployment(id);
    auto delivery = sample_delivery(id);
    return {ports::PutDelivery{delivery}, ports::PutDeployment{deployment},
            ports::AddEvent{sample_event(std::to_string(id))}};
}

Task<void> write_for_ever(ports::Store& store, std::int64_t id, std::int64_t step) {
    while (true) {
        auto writes = batch(id);
        auto committed = co_await store.commit(std::move(writes));
        if (!committed) std::_Exit(1);
        auto line = std::to_string(id) + '\n';
        if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(1);
        id += step;
    }
}

int write(boost::asio::io_context& loop, ports::Store& store) {
    constexpr int kWriters = 4;
    async::TaskGroup writers(loop.get_executor());
    for (int i = 1; i <= kWriters; ++i)
        writers.spawn("writer", write_for_ever(store, i, kWriters));
    loop.run();
    return 0;
}

int limited(boost::asio::io_context& loop, ports::Store& store, rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    auto former = limit.rlim_cur;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::int64_t id = 1;
    auto committed = run_task(loop, store.commit(batch(id)));
    while (committed)
        committed = run_task(loop, store.commit(batch(++id)));
    std::cout << "acknowledged " << id - 1 << '\n' << to_string(committed.error().code) << '\n';
    limit.rlim_cur = former;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto again = run_task(loop, store.commit(batch(id + 1'000)));
    std::cout << (again ? "again" : to_string(again.error().code)) << '\n';
    run_task(loop, store.close());
    return 0;
}

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const std::string mode = argv[1];
    const auto number = argc > 3 ? std::stoul(argv[3]) : 0;
    if (mode == "open" && number != 0) {
        auto id = static_cast<uid_t>(number);
        if (::setresgid(id, id, id) != 0 || ::setresuid(id, id, id) != 0) return 3;
    }
    boost::asio::io_context loop;
    auto store = store::open({argv[2], loop.get_executor(), Millis(50)});
    if (!store) {
        std::cout << to_string(store.error().code) << '\n' << store.error().message << '\n';
        return 0;
    }
    if (mode == "write") return write(loop, **store);
    if (mode == "limited") return limited(loop, **store, number);
    std::cout << "open\n";
    run_task(loop, (*store)->close());
    return 0;
}

}  // namespace
}  // namespace belay::test

int main(int argc, char** argv) {
    return belay::test::main(argc, argv);
}
