// What each kind of write does to the tables.
#pragma once

#include "sqlite.hpp"

#include <belay/ports/store.hpp>

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::store {

// Rows that one group of batches would write again and again, as a burst of pushes does: of each
// only the last version is written, when the group ends. The writes must outlive it.
class LastVersions {
  public:
    // False where the write has to be done at once.
    bool take(const ports::Write& write);
    Result<void> write(Connection& connection);

  private:
    std::map<std::int64_t, const ports::PutDeployment*> deployments_;
    std::map<std::string_view, const ports::PutApp*> apps_;
    std::map<std::string_view, const ports::PutConfig*> configs_;
    std::map<std::pair<std::string_view, std::string_view>, const ports::PutRefSeen*> refs_;
};

// Whether the batch holds nothing that looks at rows which LastVersions may hold back.
bool may_wait(const std::vector<ports::Write>& batch);

// Within the caller's transaction; after an error the caller undoes what was done of the batch.
// What can wait goes to `later`; null: nothing waits.
Result<ports::Committed> apply_batch(Connection& connection, const std::vector<ports::Write>& batch,
                                     LastVersions* later);

// One step of ports::Store::prune, bounded so that no commit waits long behind it.
Result<std::int64_t> prune_step(Connection& connection, TimePoint before, int keep_newest);

}  // namespace belay::store
