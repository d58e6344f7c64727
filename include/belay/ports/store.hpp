// The durable record. One writer, every batch one transaction, committed with synchronous=FULL
// before the call returns.
#pragma once

#include <belay/async/task.hpp>
#include <belay/domain/access.hpp>
#include <belay/domain/deployment.hpp>
#include <belay/domain/event.hpp>
#include <belay/domain/push.hpp>
#include <belay/domain/release.hpp>
#include <belay/ports/outbox.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace belay::ports {

// Writes of one batch. Inserting a row that exists replaces it, deliveries apart.
struct PutDelivery {  // Errc::conflict where (app, forge, delivery_id) exists under another id
    domain::Delivery delivery;
};
struct PutDeployment {
    domain::Deployment deployment;
};
struct PutStage {  // Errc::not_found where the deployment is not stored
    domain::Stage stage;
};
// Of a deployment's probes only the last ones are kept.
inline constexpr int kProbesKept = 200;
struct AddProbes {  // Errc::not_found where the deployment is not stored
    DeploymentId deployment;
    std::vector<domain::Probe> probes;
};
struct PutRelease {
    domain::Release release;
};
struct PutRun {
    domain::Run run;
};
struct PutApp {
    domain::App app;
};
struct PutConfig {  // content-addressed; storing it again is no change
    std::string hash;
    std::string json;
};
struct PutRefSeen {
    std::string app;
    std::string ref;
    std::string commit;
    TimePoint at;
};
struct AddEvent {  // the id is assigned on commit, in order
    domain::EventRecord event;
};
// The id is assigned on commit, in order. Beyond kOutgoingKept the oldest that waits for the same
// destination is dropped.
struct AddOutgoing {
    Outgoing outgoing;
    bool once = false;  // no change where the destination ever had this key
};
struct PutOutgoing {  // by its id; Errc::not_found where it is not stored
    Outgoing outgoing;
};
// Removes the rows of an app that `belay remove --purge` ends.
struct PurgeApp {
    std::string app;
};

// Access. The ids of what is added are assigned on commit, in order.
struct AddToken {  // Errc::conflict where the name is taken
    domain::Token token;
};
struct PutTokenUse {  // of a token that is gone: no change
    std::int64_t token = 0;
    TimePoint at{};
    std::string from;
};
struct RemoveToken {
    std::int64_t token = 0;
};
// Only the newest are kept, so that whoever may act can't fill the disk.
inline constexpr std::int64_t kAuditKept = 100'000;
struct AddAudit {
    domain::AuditEntry entry;
};
struct EndAudit {  // of an entry that is gone: no change
    std::int64_t entry = 0;
    int status_code = 0;
    std::string outcome;
};
// What was answered to a request under an Idempotency-Key. Storing one drops those of its scope but
// for the newest kAnswersKept, and all that are older than kAnswersAge by its `at`.
inline constexpr int kAnswersKept = 1'000;
inline constexpr Millis kAnswersAge{24LL * 60 * 60 * 1'000};
struct PutAnswer {
    std::string scope;  // whose key it is
    std::string key;
    std::string request;  // digest of what was asked
    int status_code = 0;  // 0: being done
    std::string content_type;
    std::string body;
    TimePoint at{};

    bool operator==(const PutAnswer&) const = default;
};
struct RemoveAnswer {
    std::string scope;
    std::string key;
};

using Write =
    std::variant<PutDelivery, PutDeployment, PutStage, AddProbes, PutRelease, PutRun, PutApp,
                 PutConfig, PutRefSeen, AddEvent, PurgeApp, AddToken, PutTokenUse, RemoveToken,
                 AddAudit, EndAudit, PutAnswer, RemoveAnswer, AddOutgoing, PutOutgoing>;

struct Committed {
    std::vector<std::int64_t> event_ids;   // of the batch's AddEvents, in order
    std::vector<std::int64_t> access_ids;  // of its AddTokens and AddAudits, in order
};

// By what a forge's own id of a delivery is unique.
struct DeliveryIdentity {
    std::string app;
    std::string forge;
    std::string delivery_id;
};

inline constexpr int kRecentDeliveries = 8'192;

// What the engine reads once, at start.
struct Snapshot {
    std::vector<domain::App> apps;
    std::vector<domain::Deployment> unfinished;  // by id
    std::vector<domain::Run> open_runs;          // ended_at is 0
    std::int64_t last_deployment = 0;
    std::int64_t last_delivery = 0;
    std::int64_t last_event = 0;
    // The newest that have an id of their forge's, at most kRecentDeliveries.
    std::vector<DeliveryIdentity> recent_deliveries;
};

// A page of newest-first lists: rows with an id below `before` (0: from the newest), `limit` at
// most.
struct Page {
    std::int64_t before = 0;
    int limit = 50;
};

struct RefSeen {
    std::string ref;
    std::string commit;
    TimePoint at{};
};

// Loop thread only; the work is done on the store's own thread. Errors: disk_full and unavailable
// mean that nothing was written; the caller must not act as if it were. After `internal` (an I/O
// error) the store refuses further writes.
class Store {
  public:
    virtual ~Store() = default;

    // Batches that wait at the same time share one fsync; one that fails does not fail its
    // neighbours.
    virtual Task<Result<Committed>> commit(std::vector<Write> batch) = 0;

    virtual Task<Result<Snapshot>> snapshot() = 0;
    virtual Task<Result<std::optional<domain::Delivery>>> find_delivery(
        std::string app, std::string forge, std::string delivery_id) = 0;
    // The newest delivery of the app that names this commit and had this body.
    virtual Task<Result<std::optional<domain::Delivery>>> find_body(std::string app,
                                                                    std::string commit,
                                                                    std::string digest) = 0;
    virtual Task<Result<std::optional<domain::Delivery>>> delivery(DeliveryId id) = 0;
    // app empty: of all.
    virtual Task<Result<std::vector<domain::Delivery>>> deliveries(std::string app, Page page) = 0;

    virtual Task<Result<std::optional<domain::Deployment>>> deployment(DeploymentId id) = 0;
    virtual Task<Result<std::vector<domain::Deployment>>> deployments(std::string app,
                                                                      Page page) = 0;
    // Those whose commit (of a delivery: one of its changes' commit or `after`) starts with the
    // prefix, newest first (`belay why SHA`). An empty prefix matches none.
    virtual Task<Result<std::vector<domain::Deployment>>> deployments_of_commit(std::string prefix,
                                                                                int limit) = 0;
    virtual Task<Result<std::vector<domain::Delivery>>> deliveries_of_commit(std::string prefix,
                                                                             int limit) = 0;
    virtual Task<Result<std::vector<domain::Stage>>> stages(DeploymentId id) = 0;
    // The last `limit`, oldest first.
    virtual Task<Result<std::vector<domain::Probe>>> probes(DeploymentId id, int limit) = 0;

    virtual Task<Result<std::vector<domain::Release>>> releases(
        std::string app) = 0;  // newest first
    virtual Task<Result<std::optional<domain::Release>>> release(std::string app,
                                                                 ReleaseNumber number) = 0;
    virtual Task<Result<std::optional<std::string>>> config(std::string hash) = 0;
    virtual Task<Result<std::optional<RefSeen>>> ref_seen(std::string app, std::string ref) = 0;
    // Those with a greater id, oldest first. app empty: of all; deployment 0: of all.
    virtual Task<Result<std::vector<domain::EventRecord>>> events(std::int64_t after, int limit,
                                                                  std::string app,
                                                                  DeploymentId deployment) = 0;
    virtual Task<Result<std::vector<domain::Token>>> tokens() = 0;  // by name
    virtual Task<Result<std::vector<domain::AuditEntry>>> audit(Page page) = 0;
    // Not those that are older than kAnswersAge at `now`.
    virtual Task<Result<std::optional<PutAnswer>>> answer(std::string scope, std::string key,
                                                          TimePoint now) = 0;
    // Where something waits to be sent.
    virtual Task<Result<std::vector<Destination>>> waiting_destinations() = 0;
    // What waits there, oldest first.
    virtual Task<Result<std::vector<Outgoing>>> waiting_outgoing(Destination destination,
                                                                 int limit) = 0;
    // When something of this key was last sent there; 0: never.
    virtual Task<Result<TimePoint>> last_sent(Destination destination, std::string key) = 0;
    // Deletes history beyond what is kept: deployments (with stages, probes, events) and deliveries
    // that ended before `before`, never the newest `keep_newest` of an app, and none whose release
    // may still run (neither pruned nor bad). A delivery stays as long as its deployment. Ended
    // runs, events without a deployment, the audit and what left the outbox go by their time. One
    // call does a bounded amount of work: returns how many rows went; 0: nothing is left to do.
    virtual Task<Result<std::int64_t>> prune(TimePoint before, int keep_newest) = 0;
    // Copies all that is committed into a new file (0600), which stands on disk, whole, when it
    // returns; what is committed meanwhile may be in it, and nobody waits for it. Errc::conflict:
    // the file exists; unavailable: closed; disk_full, forbidden, not_found: it can't be written.
    virtual Task<Result<void>> backup(std::string file) = 0;
    // Commits what waits and closes the file.
    virtual Task<void> close() = 0;
};

}  // namespace belay::ports
