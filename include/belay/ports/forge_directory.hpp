// Which forge a repository lies on, as far as telling it of commits is concerned. Pure: any thread.
#pragma once

#include <optional>
#include <string_view>

namespace belay::ports {

struct StatusForgeFacts {
    std::string_view name;  // as StatusForges knows it; lives for ever
    // The signature of its deliveries covers what they say, so that a commit is its own word.
    bool signs_its_deliveries = false;
};

class ForgeDirectory {
  public:
    virtual ~ForgeDirectory() = default;

    // By `[webhook] forge`, or where that names none by the repository's host. None where no forge
    // can be told, or it has no API for statuses.
    virtual std::optional<StatusForgeFacts> find(std::string_view setting,
                                                 std::string_view repo) const = 0;
};

}  // namespace belay::ports
