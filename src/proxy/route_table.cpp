#include "route_table.hpp"

#include <algorithm>

namespace belay::proxy {
namespace {

template <class Paths>
std::shared_ptr<Live> pick(const Paths& paths, std::string_view target) {
    for (const auto& live : paths)
        if (prefix_matches(live->route.path_prefix, target)) return live;
    return nullptr;
}

std::string_view path_of(std::string_view target) {
    return target.substr(0, target.find_first_of("?#"));
}

void append_normal(std::string& into, std::string_view host) {
    for (char c : host)
        into += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    // "example.com." is the same name.
    if (into.size() > 1 && into.back() == '.') into.pop_back();
}

}  // namespace

std::string normal_host(std::string_view host) {
    if (host.starts_with('[')) {
        auto end = host.find(']');
        host = host.substr(0, end == std::string_view::npos ? end : end + 1);
    } else {
        host = host.substr(0, host.find(':'));
    }
    std::string result;
    result.reserve(host.size());
    append_normal(result, host);
    return result;
}

bool prefix_matches(std::string_view prefix, std::string_view target) {
    auto path = path_of(target);
    if (prefix.ends_with('/')) prefix.remove_suffix(1);
    return path.starts_with(prefix) &&
           (path.size() == prefix.size() || path[prefix.size()] == '/' || prefix.empty());
}

bool listen_matches(std::string_view entry, std::string_view listener) {
    if (entry == listener) return true;
    return entry.starts_with(':') &&
           (listener == "0.0.0.0" + std::string(entry) || listener == "[::]" + std::string(entry));
}

bool is_hook_target(std::string_view target) {
    constexpr std::string_view prefix = "/hooks/";
    auto path = path_of(target);
    if (!path.starts_with(prefix) || path.size() == prefix.size()) return false;
    path.remove_prefix(prefix.size());
    return std::all_of(path.begin(), path.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

RouteTable::RouteTable(const Lives& lives, const ports::TrafficSettings& settings,
                       std::shared_ptr<Live> daemon)
    : public_host_(normal_host(settings.public_host)),
      expose_(settings.expose),
      daemon_(std::move(daemon)) {
    for (const auto& [app, live] : lives) {
        const auto& route = live->route;
        for (const auto& host : route.hosts) {
            if (host.starts_with("*."))
                wildcards_[normal_host(host.substr(1))].push_back(live);
            else
                hosts_[normal_host(host)].push_back(live);
        }
        for (const auto& address : route.listen)
            listeners_[address].push_back(live);
        if (route.hosts.empty() && route.listen.empty()) defaults_.push_back(live);
    }
    auto order = [](Paths& paths) {
        std::stable_sort(paths.begin(), paths.end(), [](const auto& a, const auto& b) {
            return a->route.path_prefix.size() > b->route.path_prefix.size();
        });
    };
    for (auto* index : {&hosts_, &wildcards_})
        for (auto& [key, paths] : *index)
            order(paths);
    order(defaults_);
}

const RouteTable::Paths* RouteTable::find_listener(std::string_view listener) const {
    if (listeners_.empty()) return nullptr;
    if (auto at = listeners_.find(listener); at != listeners_.end()) return &at->second;
    for (const auto& [entry, paths] : listeners_)
        if (listen_matches(entry, listener)) return &paths;
    return nullptr;
}

bool RouteTable::owned(std::string_view listener) const {
    return find_listener(listener) != nullptr;
}

std::shared_ptr<Live> RouteTable::find_host(std::string_view host, std::string_view path) const {
    if (auto at = hosts_.find(host); at != hosts_.end())
        if (auto live = pick(at->second, path)) return live;
    if (wildcards_.empty()) return nullptr;
    // The most labels win: each step drops the leftmost.
    for (auto dot = host.find('.'); dot != std::string_view::npos; dot = host.find('.', dot + 1))
        if (auto at = wildcards_.find(host.substr(dot)); at != wildcards_.end())
            if (auto live = pick(at->second, path)) return live;
    return nullptr;
}

std::shared_ptr<Live> RouteTable::find(std::string_view listener, std::string_view host,
                                       std::string_view target) const {
    if (const auto* paths = find_listener(listener)) return paths->front();
    auto name = normal_host(host);
    if (!public_host_.empty() && name == public_host_ && daemon_ &&
        (expose_ == ports::Expose::all ||
         (expose_ == ports::Expose::hooks && is_hook_target(target))))
        return daemon_;
    if (auto live = find_host(name, target)) return live;
    return pick(defaults_, target);
}

}  // namespace belay::proxy
