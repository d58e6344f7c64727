// Rows a second through ports::Store against SQLite driven directly, in one run on one file system,
// as a disk's fsync rate differs from machine to machine and from minute to minute. A row is one
// event of some 200 bytes; each commit is one row.
//   store_bench [DIRECTORY [ROWS]]
#include <belay/async/task_group.hpp>
#include <belay/store/open.hpp>

#include <boost/asio/io_context.hpp>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace belay {
namespace {

using Clock = std::chrono::steady_clock;

struct Figures {
    double rows_per_second = 0;
    double p50_us = 0;
    double p99_us = 0;
};

Figures figures(std::vector<double> latencies, Clock::duration took) {
    std::sort(latencies.begin(), latencies.end());
    auto at = [&](double part) {
        return latencies[static_cast<std::size_t>(static_cast<double>(latencies.size() - 1) *
                                                  part)];
    };
    return {static_cast<double>(latencies.size()) / std::chrono::duration<double>(took).count(),
            at(0.5), at(0.99)};
}

double micros(Clock::duration duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
}

domain::EventRecord row() {
    domain::EventRecord event;
    event.type = "deployment";
    event.app = "shop";
    event.deployment = DeploymentId{7};
    event.text = std::string(120, 't');
    event.state = "building";
    event.data = R"({"release":12,"commit":"0123456789abcdef0123456789abcdef01234567"})";
    return event;
}

void check(int code, const char* what) {
    if (code == SQLITE_OK || code == SQLITE_DONE) return;
    std::fprintf(stderr, "%s: %s\n", what, sqlite3_errstr(code));
    std::exit(1);
}

// The same rows, indexes and pragmas without anything of ours; `group` rows a transaction.
Figures raw(const std::string& path, int rows, int group) {
    sqlite3* handle = nullptr;
    check(sqlite3_open(path.c_str(), &handle), "open");
    check(sqlite3_exec(
              handle,
              "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
              "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER, type TEXT,"
              " app TEXT, deployment INTEGER, text TEXT, state TEXT, data TEXT) STRICT;"
              "CREATE INDEX a ON events (app, id); CREATE INDEX b ON events (deployment, id);"
              "CREATE INDEX c ON events (at)",
              nullptr, nullptr, nullptr),
          "create");
    sqlite3_stmt* insert = nullptr;
    check(sqlite3_prepare_v2(handle, "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", -1,
                             &insert, nullptr),
          "prepare");
    auto event = row();
    auto text = [&](int place, const std::string& value) {
        sqlite3_bind_text(insert, place, value.c_str(), static_cast<int>(value.size()),
                          SQLITE_STATIC);
    };
    std::vector<double> latencies;
    auto start = Clock::now();
    for (int done = 0; done < rows; done += group) {
        auto begun = Clock::now();
        check(sqlite3_exec(handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), "begin");
        for (int i = 0; i < group; ++i) {
            sqlite3_bind_int64(insert, 1, 1);
            text(2, event.type);
            text(3, event.app);
            sqlite3_bind_int64(insert, 4, event.deployment.value);
            text(5, event.text);
            text(6, event.state);
            text(7, event.data);
            check(sqlite3_step(insert), "insert");
            sqlite3_reset(insert);
        }
        check(sqlite3_exec(handle, "COMMIT", nullptr, nullptr, nullptr), "commit");
        auto took = micros(Clock::now() - begun);
        latencies.insert(latencies.end(), static_cast<std::size_t>(group), took);
    }
    auto result = figures(std::move(latencies), Clock::now() - start);
    sqlite3_finalize(insert);
    sqlite3_close(handle);
    return result;
}

Task<void> committer(ports::Store& store, int rows, std::vector<double>& latencies) {
    for (int i = 0; i < rows; ++i) {
        std::vector<ports::Write> batch{ports::AddEvent{row()}};
        auto begun = Clock::now();
        auto committed = co_await store.commit(std::move(batch));
        latencies.push_back(micros(Clock::now() - begun));
        if (!committed) {
            std::fprintf(stderr, "%s\n", committed.error().message.c_str());
            std::exit(1);
        }
    }
}

Task<void> join_and_close(async::TaskGroup& tasks, ports::Store& store) {
    co_await tasks.join();
    co_await store.close();
}

Figures through_port(const std::string& path, int rows, int committers) {
    boost::asio::io_context loop;
    auto store = store::open({path, loop.get_executor()}).value();
    std::vector<double> latencies;
    async::TaskGroup tasks(loop.get_executor());
    auto start = Clock::now();
    for (int i = 0; i < committers; ++i)
        tasks.spawn("committer", committer(*store, rows / committers, latencies));
    async::TaskGroup end(loop.get_executor());
    while (tasks.running() > 0)
        loop.run_one();
    auto took = Clock::now() - start;
    end.spawn("end", join_and_close(tasks, *store));
    loop.run();
    return figures(std::move(latencies), took);
}

void print(const char* name, const Figures& result, double base) {
    std::printf("%-28s %9.0f rows/s  %5.2f of raw  p50 %7.0f us  p99 %7.0f us\n", name,
                result.rows_per_second, result.rows_per_second / base, result.p50_us,
                result.p99_us);
}

}  // namespace
}  // namespace belay

int main(int argc, char** argv) {
    namespace fs = std::filesystem;
    const fs::path base = argc > 1 ? argv[1] : ".";
    const int rows = argc > 2 ? std::atoi(argv[2]) : 20'000;
    auto directory = base / ("store-bench-" + std::to_string(::time(nullptr)));
    fs::create_directory(directory);
    auto file = [&](const char* name) { return (directory / name).string(); };
    for (int round = 1; round <= 3; ++round) {
        std::printf("round %d\n", round);
        auto raw1 = belay::raw(file("raw1"), rows / 5, 1);
        auto port1 = belay::through_port(file("port1"), rows / 5, 1);
        auto raw64 = belay::raw(file("raw64"), rows, 64);
        auto port64 = belay::through_port(file("port64"), rows, 64);
        belay::print("raw, 1 row a transaction", raw1, raw1.rows_per_second);
        belay::print("port, 1 committer", port1, raw1.rows_per_second);
        belay::print("raw, 64 rows a transaction", raw64, raw64.rows_per_second);
        belay::print("port, 64 committers", port64, raw64.rows_per_second);
        for (const auto& entry : fs::directory_iterator(directory))
            fs::remove(entry.path());
    }
    fs::remove(directory);
}
