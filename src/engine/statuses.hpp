// Commit statuses: the rows that a batch's new states of deployments put into the outbox, in the
// same transaction.
#pragma once

#include <belay/domain/config.hpp>
#include <belay/ports/forge_directory.hpp>
#include <belay/ports/outbox.hpp>
#include <belay/ports/store.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace belay::engine {

// What is known of a deployment's app.
struct StatusSource {
    const domain::AppConfig* config = nullptr;
    std::string live_commit;
    std::string site_url;  // where users find it; empty: not known
};

// Loop thread only.
class Statuses {
  public:
    // `source`: config null where the app has none. Null pointers: nothing is told to anybody.
    Statuses(ports::Outbox* outbox, const ports::ForgeDirectory* forges,
             std::function<StatusSource(const std::string& app)> source)
        : outbox_(outbox), forges_(forges), source_(std::move(source)) {}

    // `pages`: where a deployment's page is shown to everybody; empty: nowhere.
    void extend(std::vector<ports::Write>& batch, const std::string& pages, TimePoint now);
    // Sentences on apps whose statuses can't be told, and why.
    std::vector<std::string> problems() const;

  private:
    std::optional<ports::StatusReport> report(const domain::Deployment& deployment);

    ports::Outbox* outbox_;
    const ports::ForgeDirectory* forges_;
    std::function<StatusSource(const std::string&)> source_;
    std::map<std::string, std::string> problems_;  // by app
};

}  // namespace belay::engine
