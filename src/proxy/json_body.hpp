// JSON as a result's value: nlohmann's type converts to and from too much to stand there by itself.
// For .cpp files only.
#pragma once

#include <nlohmann/json.hpp>

#include <utility>

namespace belay::proxy {

struct JsonBody {
    explicit JsonBody(nlohmann::json given) : json(std::move(given)) {}

    nlohmann::json json;
};

}  // namespace belay::proxy
