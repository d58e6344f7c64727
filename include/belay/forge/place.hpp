// Where a repository lies: which forge has it, where people see it, where the forge's API answers.
// Pure: any thread.
#pragma once

#include <string>
#include <string_view>

namespace belay::forge {

struct Place {
    std::string forge;    // a name of `[webhook] forge`; empty: it can't be told
    std::string project;  // "acme/shop"; "KEY/shop" (Bitbucket Data Center);
                          // "ORG/PROJECT/REPO" (Azure DevOps)
    std::string site;     // where the forge begins: "https://git.example.com:3000/gitea"
    std::string web;      // the repository's page; empty where there is none
    std::string api;      // where the API begins, without a slash at the end; empty: there is none

    bool operator==(const Place&) const = default;
};

// `forge`: "auto", or what the configuration names, which outranks the host's name. `api`: empty,
// or what the configuration names, which may also tell a self-hosted forge's scheme, port and
// folder. Of an ssh address of a self-hosted forge the web's port can't be told: https and 443 are
// assumed.
Place place_of(std::string_view repository, std::string_view forge, std::string_view api);

// As `place_of` tells a forge from the host's name alone; empty: not known.
std::string forge_of_host(std::string_view host);

// A host that is everybody's, on the internet: github.com, codeberg.org.
bool is_public_forge(std::string_view host);

// Whether what lies there is out of reach for a forge on the internet: loopback, private and
// link-local addresses (RFC 1918, 3927, 4193, 4291, 6598), names without a dot and those that only
// a local network knows (RFC 6761, 6762, 8375).
bool is_local_host(std::string_view host);

}  // namespace belay::forge
