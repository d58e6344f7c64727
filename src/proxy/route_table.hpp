// Where a request goes: an index over the routes in force, made anew with every change and never
// altered.
#pragma once

#include "release.hpp"

#include <belay/ports/traffic.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace belay::proxy {

// One app's route in force. Requests in flight keep it.
struct Live {
    ports::Route route;
    std::shared_ptr<Release> release;
    std::vector<std::shared_ptr<Target>> targets;
    std::shared_ptr<Live> fallback;  // takes what no target takes; null: nothing does
    bool retired = false;            // replaced: nothing more is sent by it
    bool failed_over = false;        // it was said that the fallback answers
    std::size_t turn = 0;            // round robin among the least busy

    void retire() {
        retired = true;
        for (const auto& target : targets)
            target->retire();
    }
    // Closes what waits to be used again.
    void drop_idle() {
        for (const auto& target : targets)
            target->drop_idle();
        if (fallback) fallback->drop_idle();
    }
};

// As a browser sends it, without port, lower case. IPv6 literals keep their brackets.
std::string normal_host(std::string_view host);

class RouteTable {
  public:
    using Lives = std::map<std::string, std::shared_ptr<Live>>;

    RouteTable() = default;
    // `daemon`: answers for settings.public_host as far as settings.expose says.
    RouteTable(const Lives& lives, const ports::TrafficSettings& settings,
               std::shared_ptr<Live> daemon);

    // Null: no route. `listener` is the address that the client connected to, `target` the request
    // target.
    std::shared_ptr<Live> find(std::string_view listener, std::string_view host,
                               std::string_view target) const;
    // Listeners ("127.0.0.1:3000") that belong to one app.
    bool owned(std::string_view listener) const;

  private:
    // Longest prefix first.
    using Paths = std::vector<std::shared_ptr<Live>>;
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Index = std::unordered_map<std::string, Paths, Hash, std::equal_to<>>;

    std::shared_ptr<Live> find_host(std::string_view host, std::string_view path) const;
    const Paths* find_listener(std::string_view listener) const;

    Index hosts_;
    Index wildcards_;  // by what follows the star: ".example.com"
    Index listeners_;
    Paths defaults_;
    std::string public_host_;
    ports::Expose expose_ = ports::Expose::none;
    std::shared_ptr<Live> daemon_;
};

// "/hooks/{app}" and nothing below or beside it: what Expose::hooks shows.
bool is_hook_target(std::string_view target);
// `prefix` covers whole segments: "/api" matches "/api" and "/api/x", not "/apis".
bool prefix_matches(std::string_view prefix, std::string_view target);
// ":80" for every address of that port; else exact.
bool listen_matches(std::string_view entry, std::string_view listener);

}  // namespace belay::proxy
