// "Did you mean ...?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belay::config {

// Insertions, deletions, changes and swaps of neighbours that make one from the other.
int edit_distance(std::string_view left, std::string_view right);

// The known word that was most likely meant; empty where none is near enough. Case, "-" and "_"
// count little.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace belay::config
