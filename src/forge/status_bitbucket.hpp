// What the build statuses of Bitbucket Cloud and Data Center have in common.
#pragma once

#include "status_wire.hpp"

namespace belay::forge {

constexpr std::size_t kBitbucketText = 255;

class BitbucketStatus : public SingleStatus {
  protected:
    // INPROGRESS, SUCCESSFUL, FAILED, or `canceled`, whose word differs.
    static Json status_body(const ports::StatusReport& report, const Place& place,
                            std::string_view canceled);
    static HttpRequest status_post(std::string url, const Json& body, const Secret& token);
};

}  // namespace belay::forge
