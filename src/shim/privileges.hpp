// Who the shim and all below it are, set once and for good.
#pragma once

#include "spec.hpp"

namespace belay::shim {

// Null when all is well, else the step that failed, with errno.
const char* become(const Spec& spec);

// Groups, gid and uid, and every capability gone.
bool change_user(uid_t uid, gid_t gid, const gid_t* groups, std::size_t count);

}  // namespace belay::shim
