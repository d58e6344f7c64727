#include "matching.hpp"

#include <belay/ports/tag_order.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fnmatch.h>

namespace belay::engine {

using domain::Rule;

namespace {

std::string_view last_part(std::string_view path) {
    auto slash = path.rfind('/');
    return slash == path.npos ? path : path.substr(slash + 1);
}

bool deploys(const domain::Change& change, const domain::AppConfig& app) {
    // Where only the tag object is known, the fetch tells the commit.
    if (change.deleted || !(change.commit || change.after)) return false;
    if (change.ref_type == domain::RefType::branch)
        return !app.branch.empty() && change.name == app.branch;
    return !app.tags.empty() && fits_pattern(app.tags, change.name);
}

Match none(Rule rule, std::string reason) {
    return {std::nullopt, rule, std::move(reason)};
}

Match why_none(const domain::Push& push, const domain::AppConfig& app) {
    if (push.kind == domain::PushKind::ping)
        return none(Rule::ping, "a test delivery: nothing to deploy");
    if (push.changes.empty() && !push.note.empty()) return none(Rule::no_change, push.note);
    if (push.changes.empty())
        return none(Rule::no_change,
                    fmt::format("the event \"{}\" changes no branch or tag", push.event));
    const auto& change = push.changes.back();
    if (change.deleted)
        return none(Rule::deleted, fmt::format("{} {} is gone; the live release stays",
                                               to_string(change.ref_type), change.name));
    return none(Rule::other_ref,
                fmt::format("{} {} was pushed, {} follows {}", to_string(change.ref_type),
                            change.name, app.name, followed(app)));
}

}  // namespace

std::string followed(const domain::AppConfig& app) {
    if (app.tags.empty()) return fmt::format("branch {}", app.branch);
    if (app.branch.empty()) return fmt::format("tags {}", app.tags);
    return fmt::format("branch {} and tags {}", app.branch, app.tags);
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

bool fits_pattern(std::string_view pattern, std::string_view name) {
    return ::fnmatch(std::string(pattern).c_str(), std::string(name).c_str(), 0) == 0;
}

RepositoryPlace place_of(std::string_view address) {
    RepositoryPlace place;
    auto scheme = address.find("://");
    std::string_view rest = address;
    if (scheme != address.npos) {
        auto name = address.substr(0, scheme);
        rest = address.substr(scheme + 3);
        if (name != "file") {
            auto slash = rest.find('/');
            auto host = rest.substr(0, slash);
            if (auto at = host.rfind('@'); at != host.npos) host.remove_prefix(at + 1);
            if (auto colon = host.rfind(':'); colon != host.npos && host.find(']') == host.npos)
                host = host.substr(0, colon);
            place.host = lower(host);
            rest = slash == rest.npos ? std::string_view{} : rest.substr(slash);
        }
    } else if (!address.starts_with('/') && address.find(':') != address.npos) {  // user@host:path
        auto colon = address.find(':');
        auto host = address.substr(0, colon);
        if (auto at = host.rfind('@'); at != host.npos) host.remove_prefix(at + 1);
        place.host = lower(host);
        rest = address.substr(colon + 1);
    }
    while (rest.starts_with('/'))
        rest.remove_prefix(1);
    while (rest.ends_with('/'))
        rest.remove_suffix(1);
    if (rest.ends_with(".git")) rest.remove_suffix(4);
    while (rest.ends_with('/'))
        rest.remove_suffix(1);
    // Paths on this machine are told apart by case, names on a forge are not.
    place.path = place.host.empty() ? std::string(rest) : lower(rest);
    return place;
}

bool same_repository(const domain::Repository& named, std::string_view configured) {
    auto own = place_of(configured);
    std::vector<RepositoryPlace> places;
    // Where addresses had to be derived, the page's says less than they do.
    const auto& web_url = named.derived_http.empty() ? named.web_url : named.derived_http;
    for (const auto& address : {named.clone_http, named.clone_ssh, named.derived_ssh, web_url})
        if (!address.empty()) places.push_back(place_of(address));
    if (places.empty() && !named.full_name.empty()) {
        auto local = named.full_name.starts_with('/');
        places.push_back(local ? place_of(named.full_name)
                               : RepositoryPlace{"?", lower(named.full_name)});
    }
    if (places.empty()) return true;  // nothing to compare: the fetched repository decides
    bool comparable = false;
    for (const auto& place : places) {
        if (place == own) return true;
        if (place.host == own.host) comparable = true;
    }
    if (comparable) return false;
    return std::any_of(places.begin(), places.end(), [&](const RepositoryPlace& place) {
        return lower(last_part(place.path)) == lower(last_part(own.path));
    });
}

Match match(const domain::Push& push, const domain::AppConfig& app) {
    if (push.repository && !same_repository(*push.repository, app.repo))
        return none(Rule::other_repository,
                    fmt::format("the delivery is of {}, {} deploys {}",
                                push.repository->full_name.empty() ? push.repository->clone_http
                                                                   : push.repository->full_name,
                                app.name, app.repo));
    // A forge's test button names a real branch.
    if (push.kind == domain::PushKind::ping) return why_none(push, app);
    const domain::Change* chosen = nullptr;
    for (const auto& change : push.changes) {
        if (!deploys(change, app)) continue;
        const bool both_tags = chosen && chosen->ref_type == domain::RefType::tag &&
                               change.ref_type == domain::RefType::tag;
        if (both_tags && ports::compare_tags(change.name, chosen->name) < 0) continue;
        chosen = &change;
    }
    if (!chosen) return why_none(push, app);
    if (chosen->commit.value_or(chosen->after.value_or("")).size() == 64)
        return none(Rule::sha256_repository_unsupported,
                    "its commit ids have 64 digits: SHA-256 repositories can't be read yet");
    auto change = *chosen;
    // Anybody can have written it: only that something happened is believed.
    if (!push.body_authentic) change.commit.reset();
    if (change.ref_type == domain::RefType::branch)
        return {change, Rule::branch, fmt::format("{} follows branch {}", app.name, change.name)};
    return {change, Rule::tag,
            fmt::format("{} follows tags {}, which {} is one of", app.name, app.tags, change.name)};
}

}  // namespace belay::engine
