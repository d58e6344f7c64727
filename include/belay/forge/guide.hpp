// What a person enters at a forge so that pushes arrive and the repository can be read: text, by
// each forge's own words. Source of the forges' sides: their manuals, and what
// reference/webhooks.md gathered. Pure: any thread.
#pragma once

#include <belay/forge/place.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace belay::forge {

struct GuideFacts {
    std::string app;
    Place place;  // `forge` empty: the likely ones are shown
    std::string branch;
    std::string public_key;    // of the deploy key, one line; empty: the address is no ssh one
    bool needs_token = false;  // https, and the repository could not be read without a token
    std::string secret_file;   // where the hook's secret stands
    std::string app_file;
    std::string config_file;  // belay.toml
    std::string public_url;   // without a slash at the end; empty: none is configured
    std::string listen;       // "127.0.0.1:8080"
    std::string poll;         // "5m"; empty: off
};

struct Guide {
    std::string text;  // each section ends with an empty line
    int sections = 0;  // numbered from 1
};

// Access to the repository, the webhook, and what stands in a webhook's way here.
Guide setup_guide(const GuideFacts& facts);

// Names that `--forge` takes, in the order of help.
const std::vector<std::string_view>& guided_forges();

// "a, b and c"
std::string listed(const std::vector<std::string_view>& words, std::string_view last = "and");

// The key by which sr.ht signs (sr.ht-docs, commit cee3f533); another instance has its own.
inline constexpr std::string_view kSourcehutKey = "uX7KWyyDNMaBma4aVbJ/cbUQpdjqczuCyK/HxzV/u+4=";

}  // namespace belay::forge
