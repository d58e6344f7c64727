#include "copying.hpp"
#include "database.hpp"
#include "reads.hpp"

#include <belay/async/event.hpp>
#include <belay/async/offload.hpp>
#include <belay/async/task_group.hpp>
#include <belay/store/open.hpp>

#include <boost/asio/post.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace belay::store {
namespace {

using ports::Committed;

Error closed() {
    return Error{Errc::unavailable, "the database is closed, as the daemon is ending"};
}

class SqliteStore final : public ports::Store {
  public:
    SqliteStore(std::unique_ptr<Database> database, StoreOptions options)
        : database_(std::move(database)),
          on_distrust_(std::move(options.on_distrust)),
          on_commit_(std::move(options.on_commit)),
          tasks_(std::move(options.executor)) {}

    ~SqliteStore() override {
        // What has begun ends; what has not was promised to nobody.
        pool_.stop();
        pool_.join();
    }

    Task<Result<Committed>> commit(std::vector<ports::Write> batch) override {
        if (closing_) co_return closed();
        const auto asked = std::chrono::steady_clock::now();
        auto mine = std::make_shared<Waiting>();
        mine->batch = std::move(batch);
        waiting_.push_back(mine);
        if (!committing_) {
            committing_ = true;
            tasks_.spawn("database commits", commit_waiting());
        }
        co_await mine->done.wait();
        if (on_commit_) on_commit_(std::chrono::steady_clock::now() - asked, mine->result);
        co_return std::move(mine->result);
    }

    Task<Result<ports::Snapshot>> snapshot() override {
        auto work = [](Connection& connection) { return store::snapshot(connection); };
        return read(std::move(work));
    }
    Task<Found<domain::Delivery>> find_delivery(std::string app, std::string forge,
                                                std::string delivery_id) override {
        auto work = [app, forge, delivery_id](Connection& connection) {
            return store::find_delivery(connection, app, forge, delivery_id);
        };
        return read(std::move(work));
    }
    Task<Found<domain::Delivery>> find_body(std::string app, std::string commit,
                                            std::string digest) override {
        auto work = [app, commit, digest](Connection& connection) {
            return store::find_body(connection, app, commit, digest);
        };
        return read(std::move(work));
    }
    Task<Found<domain::Delivery>> delivery(DeliveryId id) override {
        auto work = [id](Connection& connection) { return store::delivery(connection, id); };
        return read(std::move(work));
    }
    Task<List<domain::Delivery>> deliveries(std::string app, ports::Page page) override {
        auto work = [app, page](Connection& connection) {
            return store::deliveries(connection, app, page);
        };
        return read(std::move(work));
    }
    Task<Found<domain::Deployment>> deployment(DeploymentId id) override {
        auto work = [id](Connection& connection) { return store::deployment(connection, id); };
        return read(std::move(work));
    }
    Task<List<domain::Deployment>> deployments(std::string app, ports::Page page) override {
        auto work = [app, page](Connection& connection) {
            return store::deployments(connection, app, page);
        };
        return read(std::move(work));
    }
    Task<List<domain::Deployment>> deployments_of_commit(std::string prefix, int limit) override {
        auto work = [prefix, limit](Connection& connection) {
            return store::deployments_of_commit(connection, prefix, limit);
        };
        return read(std::move(work));
    }
    Task<List<domain::Delivery>> deliveries_of_commit(std::string prefix, int limit) override {
        auto work = [prefix, limit](Connection& connection) {
            return store::deliveries_of_commit(connection, prefix, limit);
        };
        return read(std::move(work));
    }
    Task<List<domain::Stage>> stages(DeploymentId id) override {
        auto work = [id](Connection& connection) { return store::stages(connection, id); };
        return read(std::move(work));
    }
    Task<List<domain::Probe>> probes(DeploymentId id, int limit) override {
        auto work = [id, limit](Connection& connection) {
            return store::probes(connection, id, limit);
        };
        return read(std::move(work));
    }
    Task<List<domain::Release>> releases(std::string app) override {
        auto work = [app](Connection& connection) { return store::releases(connection, app); };
        return read(std::move(work));
    }
    Task<Found<domain::Release>> release(std::string app, ReleaseNumber number) override {
        auto work = [app, number](Connection& connection) {
            return store::release(connection, app, number);
        };
        return read(std::move(work));
    }
    Task<Found<std::string>> config(std::string hash) override {
        auto work = [hash](Connection& connection) { return store::config(connection, hash); };
        return read(std::move(work));
    }
    Task<Found<ports::RefSeen>> ref_seen(std::string app, std::string ref) override {
        auto work = [app, ref](Connection& connection) {
            return store::ref_seen(connection, app, ref);
        };
        return read(std::move(work));
    }
    Task<List<domain::EventRecord>> events(std::int64_t after, int limit, std::string app,
                                           DeploymentId deployment) override {
        auto work = [after, limit, app, deployment](Connection& connection) {
            return store::events(connection, after, limit, app, deployment);
        };
        return read(std::move(work));
    }

    Task<List<domain::Token>> tokens() override {
        auto work = [](Connection& connection) { return store::tokens(connection); };
        return read(std::move(work));
    }
    Task<List<domain::AuditEntry>> audit(ports::Page page) override {
        auto work = [page](Connection& connection) { return store::audit(connection, page); };
        return read(std::move(work));
    }
    Task<Found<ports::PutAnswer>> answer(std::string scope, std::string key,
                                         TimePoint now) override {
        auto work = [scope, key, now](Connection& connection) {
            return store::answer(connection, scope, key, now);
        };
        return read(std::move(work));
    }
    Task<List<ports::Destination>> waiting_destinations() override {
        auto work = [](Connection& connection) { return store::waiting_destinations(connection); };
        return read(std::move(work));
    }
    Task<List<ports::Outgoing>> waiting_outgoing(ports::Destination destination,
                                                 int limit) override {
        auto work = [destination, limit](Connection& connection) {
            return store::waiting_outgoing(connection, destination, limit);
        };
        return read(std::move(work));
    }
    Task<Result<TimePoint>> last_sent(ports::Destination destination, std::string key) override {
        auto work = [destination, key](Connection& connection) {
            return store::last_sent(connection, destination, key);
        };
        return read(std::move(work));
    }

    Task<Result<std::int64_t>> prune(TimePoint before, int keep_newest) override {
        auto work = [this, before, keep_newest]() -> Result<std::int64_t> {
            if (!database_) return closed();
            auto pruned = database_->writer.prune(before, keep_newest);
            // A long history goes in many steps, and perhaps no commit comes between to do this.
            if (database_->writer.checkpoint_due()) database_->writer.checkpoint();
            return pruned;
        };
        co_return co_await async::offload(pool_, std::move(work));
    }

    Task<Result<void>> backup(std::string file) override {
        if (closing_) co_return closed();
        auto mine = std::make_shared<Backup>(std::move(file));
        tasks_.spawn("database backup", copy(mine));
        co_await mine->done.wait();
        co_return std::move(mine->result);
    }

    Task<void> close() override {
        closing_ = true;
        co_await tasks_.join();
        // On its own thread, behind whatever reads; SQLite carries the log over now.
        auto work = [this] { database_.reset(); };
        co_await async::offload(pool_, std::move(work));
    }

  private:
    struct Waiting {
        std::vector<ports::Write> batch;
        Result<Committed> result{closed()};
        async::Event done;
    };
    using Group = std::vector<std::shared_ptr<Waiting>>;

    // While one group is being written the next one gathers: the busier the disk, the larger the
    // groups.
    Task<void> commit_waiting() {
        while (!waiting_.empty()) {
            // One turn of the loop, so that all who commit in this one are taken together. Without
            // it those who come back from one group start the next with a single row and wait for
            // two syncs.
            co_await boost::asio::post(boost::asio::use_awaitable);
            auto group = std::make_shared<Group>(std::exchange(waiting_, {}));
            auto work = [this, group] { return commit_group(*group); };
            auto checkpoint_due = co_await async::offload(pool_, std::move(work));
            for (auto& one : *group)
                one->done.set();
            tell_distrust();
            if (checkpoint_due) {
                auto checkpoint = [this] { database_->writer.checkpoint(); };
                co_await async::offload(pool_, std::move(checkpoint));
                tell_distrust();
            }
        }
        committing_ = false;
    }

    // After the pool's thread has ended its turn: it writes what is read here.
    void tell_distrust() {
        const auto& refusal = database_->writer.refusal();
        if (!refusal || !on_distrust_) return;
        auto tell = std::exchange(on_distrust_, nullptr);
        tell(database_->writer.lost() ? Distrust::lost : Distrust::unsound, refusal->message);
    }

    struct Backup {
        explicit Backup(std::string file) : copying(std::make_unique<Copying>(std::move(file))) {}
        std::unique_ptr<Copying> copying;  // the pool's thread only
        Result<void> result{};
        async::Event done;
    };

    // A slice at a time: what commits meanwhile waits for one slice only.
    Task<void> copy(std::shared_ptr<Backup> backup) {
        auto slice = [this, backup]() -> Result<bool> {
            auto all = backup->copying->step(database_->connection);
            if (!all || !*all) return all;
            auto finished = backup->copying->finish();
            if (!finished) return finished.error();
            return true;
        };
        while (true) {
            auto ended = co_await async::offload(pool_, slice);
            if (!ended)
                backup->result = ended.error();
            else if (!*ended && closing_)
                backup->result = closed();
            else if (!*ended)
                continue;
            break;
        }
        auto drop = [backup] { backup->copying.reset(); };
        co_await async::offload(pool_, drop);
        backup->done.set();
    }

    // On the pool's thread.
    bool commit_group(Group& group) {
        std::vector<const std::vector<ports::Write>*> batches;
        for (const auto& one : group)
            batches.push_back(&one->batch);
        auto results = database_->writer.commit(batches);
        for (std::size_t i = 0; i < group.size(); ++i)
            group[i]->result = std::move(results[i]);
        return database_->writer.checkpoint_due();
    }

    struct Reading {
        virtual ~Reading() = default;
        virtual void run(Database* database) = 0;  // on the pool's thread
        async::Event done;
    };
    template <class Work, class Read>
    struct ReadingOf final : Reading {
        explicit ReadingOf(Work given) : work(std::move(given)) {}
        void run(Database* database) override {
            if (database) result.emplace(work(database->connection));
        }
        Work work;
        std::optional<Read> result;
    };
    using Readings = std::vector<std::shared_ptr<Reading>>;

    // Those that are asked for in one turn of the loop cross to the thread and back together.
    template <class Work>
    auto read(Work work) -> Task<std::invoke_result_t<Work, Connection&>> {
        using Read = std::invoke_result_t<Work, Connection&>;
        auto mine = std::make_shared<ReadingOf<Work, Read>>(std::move(work));
        readings_.push_back(mine);
        if (!reading_) {
            reading_ = true;
            tasks_.spawn("database reads", read_waiting());
        }
        co_await mine->done.wait();
        if (!mine->result) co_return closed();
        co_return std::move(*mine->result);
    }

    Task<void> read_waiting() {
        while (!readings_.empty()) {
            co_await boost::asio::post(boost::asio::use_awaitable);
            auto group = std::make_shared<Readings>(std::exchange(readings_, {}));
            auto work = [this, group] {
                for (auto& one : *group)
                    one->run(database_.get());
            };
            co_await async::offload(pool_, std::move(work));
            for (auto& one : *group)
                one->done.set();
        }
        reading_ = false;
    }

    std::unique_ptr<Database> database_;  // the pool's thread only
    boost::asio::thread_pool pool_{1};
    Group waiting_;
    Readings readings_;
    bool committing_ = false;
    bool reading_ = false;
    bool closing_ = false;
    std::function<void(Distrust, std::string)> on_distrust_;
    decltype(StoreOptions::on_commit) on_commit_;
    async::TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<ports::Store> make_store(std::unique_ptr<Database> database, StoreOptions options) {
    return std::make_unique<SqliteStore>(std::move(database), std::move(options));
}

Result<std::unique_ptr<ports::Store>> open(StoreOptions options) {
    auto database = Database::open(options.path, options.busy_wait, options.backups);
    if (!database) return database.error();
    return make_store(std::move(*database), std::move(options));
}

}  // namespace belay::store
