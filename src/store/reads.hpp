// The port's questions, asked of the tables. Semantics are those of ports::Store.
#pragma once

#include "sqlite.hpp"

#include <belay/ports/store.hpp>

#include <optional>
#include <string>
#include <vector>

namespace belay::store {

template <class Record>
using Found = Result<std::optional<Record>>;
template <class Record>
using List = Result<std::vector<Record>>;

Result<ports::Snapshot> snapshot(Connection& connection);

Found<domain::Delivery> find_delivery(Connection& connection, const std::string& app,
                                      const std::string& forge, const std::string& delivery_id);
Found<domain::Delivery> find_body(Connection& connection, const std::string& app,
                                  const std::string& commit, const std::string& digest);
Found<domain::Delivery> delivery(Connection& connection, DeliveryId id);
List<domain::Delivery> deliveries(Connection& connection, const std::string& app, ports::Page page);
List<domain::Delivery> deliveries_of_commit(Connection& connection, const std::string& prefix,
                                            int limit);

Found<domain::Deployment> deployment(Connection& connection, DeploymentId id);
List<domain::Deployment> deployments(Connection& connection, const std::string& app,
                                     ports::Page page);
List<domain::Deployment> deployments_of_commit(Connection& connection, const std::string& prefix,
                                               int limit);
List<domain::Stage> stages(Connection& connection, DeploymentId id);
List<domain::Probe> probes(Connection& connection, DeploymentId id, int limit);

List<domain::Release> releases(Connection& connection, const std::string& app);
Found<domain::Release> release(Connection& connection, const std::string& app,
                               ReleaseNumber number);
Found<std::string> config(Connection& connection, const std::string& hash);
Found<ports::RefSeen> ref_seen(Connection& connection, const std::string& app,
                               const std::string& ref);
List<domain::EventRecord> events(Connection& connection, std::int64_t after, int limit,
                                 const std::string& app, DeploymentId deployment);
List<ports::Destination> waiting_destinations(Connection& connection);
List<ports::Outgoing> waiting_outgoing(Connection& connection,
                                       const ports::Destination& destination, int limit);
Result<TimePoint> last_sent(Connection& connection, const ports::Destination& destination,
                            const std::string& key);

List<domain::Token> tokens(Connection& connection);
List<domain::AuditEntry> audit(Connection& connection, ports::Page page);
Found<ports::PutAnswer> answer(Connection& connection, const std::string& scope,
                               const std::string& key, TimePoint now);

}  // namespace belay::store
