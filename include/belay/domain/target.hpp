// What the kinds of target have in common and what not.
#pragma once

#include <belay/domain/config.hpp>

#include <string_view>

namespace belay::domain {

// Whether this version can deploy it.
inline bool is_deployable(Target target) {
    return target != Target::static_files;
}

// One release takes the place of the other, as its processes are not Belay's.
inline bool is_in_place(Target target) {
    return target == Target::command || target == Target::unit;
}

// As it is called in an app's file: "service".
std::string_view to_string(Target target);

}  // namespace belay::domain
