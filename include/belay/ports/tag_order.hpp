// Which of two tags is the newer version.
#pragma once

#include <compare>
#include <string_view>

namespace belay::ports {

// Semantic Versioning 2.0.0 §11, loosened to what people tag: any number of numeric fields after a
// common or absent prefix ("v1.2", "release-2024.11.3"); "1.2-rc1" comes before "1.2", build
// metadata after "+" doesn't count. A tag without a digit comes before all that have one; such tags
// go by their bytes.
std::weak_ordering compare_tags(std::string_view left, std::string_view right);

}  // namespace belay::ports
