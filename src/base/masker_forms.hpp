// The texts in which a secret may appear.
#pragma once

#include <belay/base/secret.hpp>

#include <string>
#include <vector>

namespace belay {

// Each once; none shorter than 4 bytes.
std::vector<std::string> masked_forms(const std::vector<Secret>& secrets);

}  // namespace belay
