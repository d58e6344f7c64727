// The check that all HMAC senders share: several secrets, several signatures, the same work for
// good and bad.
#pragma once

#include "signature.hpp"

#include <belay/ports/forge.hpp>

#include <utility>
#include <vector>

namespace belay::forge {

class SignedBody : public ports::BodyCheck {
  public:
    // `signatures` are those that the request brings; none: it is refused, after the same work.
    // `keys` that are empty never pass.
    SignedBody(const std::vector<std::string>& keys, std::vector<Digest> signatures,
               std::string_view prefix = {});

    void feed(std::string_view bytes) override;
    Result<void> finish() override;

  private:
    std::vector<Hmac> hashes_;
    std::vector<Digest> signatures_;
};

}  // namespace belay::forge
