#include <belay/forge/place.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace belay::forge {
namespace {

using std::string;
using std::string_view;

// Hosts that everybody knows, those that some of them have for ssh through 443 included.
constexpr std::array<std::pair<string_view, string_view>, 16> kHosts{{
    {"github.com", "github"},
    {"ssh.github.com", "github"},
    {"gitlab.com", "gitlab"},
    {"altssh.gitlab.com", "gitlab"},
    {"bitbucket.org", "bitbucket-cloud"},
    {"altssh.bitbucket.org", "bitbucket-cloud"},
    {"dev.azure.com", "azure-devops"},
    {"ssh.dev.azure.com", "azure-devops"},
    {"vs-ssh.visualstudio.com", "azure-devops"},
    {"gitee.com", "gitee"},
    {"git.sr.ht", "sourcehut"},
    {"codeberg.org", "forgejo"},
    {"git.disroot.org", "forgejo"},
    {"gitea.com", "gitea"},
    {"try.gogs.io", "gogs"},
    {"notabug.org", "gogs"},
}};

// The first label of a self-hosted forge's name: "gitlab.example.com".
constexpr std::array<std::pair<string_view, string_view>, 7> kLabels{{
    {"github", "github"},
    {"gitlab", "gitlab"},
    {"gitea", "gitea"},
    {"forgejo", "forgejo"},
    {"gogs", "gogs"},
    {"bitbucket", "bitbucket-server"},
    {"stash", "bitbucket-server"},
}};

struct Address {
    string scheme;  // https http ssh git
    string host;    // v6 without brackets
    string port;    // empty: the scheme's own
    string path;
};

// "scheme://[user@]host[:port]/path" or "[user@]host:path"; the configuration has judged it.
Address split(string_view text) {
    Address address;
    const auto mark = text.find("://");
    const bool has_scheme = mark != text.npos;
    address.scheme = has_scheme ? string(text.substr(0, mark)) : "ssh";
    if (has_scheme) text.remove_prefix(mark + 3);
    auto authority_end = std::min(text.find('/'), text.size());
    if (auto at = text.substr(0, authority_end).rfind('@'); at != text.npos)
        text.remove_prefix(at + 1);
    const bool v6 = text.starts_with('[');
    auto host_end = v6 ? text.find(']') : text.find_first_of(":/");
    if (host_end == text.npos) return {};
    address.host = text.substr(v6 ? 1 : 0, host_end - (v6 ? 1 : 0));
    text.remove_prefix(host_end + (v6 ? 1 : 0));
    if (has_scheme && text.starts_with(':')) {
        auto slash = std::min(text.find('/'), text.size());
        address.port = text.substr(1, slash - 1);
        text.remove_prefix(slash);
    } else if (!has_scheme) {
        if (!text.starts_with(':')) return {};
        text.remove_prefix(1);
    }
    address.path = text;
    return address;
}

string lower(string_view text) {
    string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

std::vector<string> segments_of(string_view path) {
    std::vector<string> segments;
    while (!path.empty()) {
        auto end = std::min(path.find('/'), path.size());
        if (end > 0) segments.emplace_back(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    if (!segments.empty() && segments.back().size() > 4 && segments.back().ends_with(".git"))
        segments.back().resize(segments.back().size() - 4);
    return segments;
}

string joined(const std::vector<string>& segments, std::size_t from, std::size_t to) {
    string text;
    for (auto i = from; i < to; ++i)
        text += (i == from ? "" : "/") + segments[i];
    return text;
}

string without_slashes(string_view text) {
    while (text.ends_with('/'))
        text.remove_suffix(1);
    return string(text);
}

// "https://git.example.com/gitea" -> "/gitea"
string_view path_of_url(string_view url) {
    auto scheme = url.find("://");
    if (scheme == url.npos) return {};
    url.remove_prefix(scheme + 3);
    auto slash = url.find('/');
    return slash == url.npos ? string_view() : url.substr(slash);
}

string origin_of(const Address& address) {
    auto host = address.host.find(':') == string::npos ? address.host : "[" + address.host + "]";
    const bool web = address.scheme == "https" || address.scheme == "http";
    auto origin = (address.scheme == "http" ? "http://" : "https://") + host;
    if (web && !address.port.empty()) origin += ":" + address.port;
    return origin;
}

// What `api` says of where the forge begins, as each forge's API lies in a folder of its own.
string site_of_api(string_view api) {
    for (string_view suffix :
         {"/api/v3", "/api/v4", "/api/v1", "/rest/api/latest", "/rest/api/1.0", "/rest"})
        if (api.ends_with(suffix)) return string(api.substr(0, api.size() - suffix.size()));
    return string(api);
}

// The folder of a forge that doesn't lie at the root is no part of the project.
void drop_folder(std::vector<string>& segments, string_view site) {
    auto folder = segments_of(path_of_url(site));
    if (folder.size() < segments.size() &&
        std::equal(folder.begin(), folder.end(), segments.begin()))
        segments.erase(segments.begin(),
                       segments.begin() + static_cast<std::ptrdiff_t>(folder.size()));
}

struct Parts {
    const Address& address;
    std::vector<string> segments;
    string given;  // the configured API
};

void github(Place& place, Parts parts) {
    auto host = lower(parts.address.host);
    const bool cloud = host == "github.com" || host == "ssh.github.com";
    if (cloud) place.site = "https://github.com";
    drop_folder(parts.segments, place.site);
    place.project = joined(parts.segments, 0, parts.segments.size());
    place.web = place.site + "/" + place.project;
    // Data residency: an API host of the company's own name (docs.github.com, "GHE.com").
    place.api = cloud                        ? "https://api.github.com"
                : host.ends_with(".ghe.com") ? "https://api." + host
                                             : place.site + "/api/v3";
}

void gitlab(Place& place, Parts parts) {
    if (lower(parts.address.host) == "altssh.gitlab.com") place.site = "https://gitlab.com";
    drop_folder(parts.segments, place.site);
    place.project = joined(parts.segments, 0, parts.segments.size());
    place.web = place.site + "/" + place.project;
    place.api = place.site + "/api/v4";
}

// The Gitea family and Gitee: always OWNER/NAME, so what stands before is the forge's folder.
void owner_and_name(Place& place, Parts parts) {
    auto& segments = parts.segments;
    const bool web = parts.address.scheme == "https" || parts.address.scheme == "http";
    if (segments.size() > 2 && parts.given.empty() && web)
        place.site += "/" + joined(segments, 0, segments.size() - 2);
    auto from = segments.size() > 2 ? segments.size() - 2 : 0;
    place.project = joined(segments, from, segments.size());
    place.web = place.site + "/" + place.project;
    if (place.forge == "gitea" || place.forge == "forgejo") place.api = place.site + "/api/v1";
}

void bitbucket_cloud(Place& place, Parts parts) {
    place.site = "https://bitbucket.org";
    place.project = joined(parts.segments, 0, parts.segments.size());
    place.web = place.site + "/" + place.project;
    place.api = "https://api.bitbucket.org/2.0";
}

// [FOLDER/]scm/KEY/SLUG over http, KEY/SLUG over ssh (its port, 7999, isn't the web's).
void bitbucket_server(Place& place, Parts parts) {
    auto& segments = parts.segments;
    auto scm = std::find(segments.begin(), segments.end(), "scm");
    if (scm != segments.end()) {
        auto folder = joined(segments, 0, static_cast<std::size_t>(scm - segments.begin()));
        if (!folder.empty() && parts.given.empty()) place.site += "/" + folder;
        segments.erase(segments.begin(), scm + 1);
    } else {
        drop_folder(segments, place.site);
    }
    place.project = joined(segments, 0, segments.size());
    if (segments.size() == 2) {
        const bool personal = segments[0].starts_with('~');
        place.web = place.site +
                    (personal ? "/users/" + segments[0].substr(1) : "/projects/" + segments[0]) +
                    "/repos/" + segments[1];
    }
    place.api = place.site + "/rest/api/latest";
}

// https://dev.azure.com/ORG/PROJECT/_git/REPO, git@ssh.dev.azure.com:v3/ORG/PROJECT/REPO,
// https://ORG.visualstudio.com/PROJECT/_git/REPO; PROJECT may be left out where it is called as
// REPO. A server of one's own: https://HOST/[FOLDER/]COLLECTION/PROJECT/_git/REPO.
void azure(Place& place, Parts parts) {
    auto& segments = parts.segments;
    auto host = lower(parts.address.host);
    const bool ssh_host = host == "ssh.dev.azure.com" || host == "vs-ssh.visualstudio.com";
    if (ssh_host && segments.size() == 4) {
        segments.erase(segments.begin());  // "v3"
        segments.insert(segments.end() - 1, "_git");
    }
    if (ssh_host) place.site = "https://dev.azure.com";
    if (!ssh_host && host.ends_with(".visualstudio.com")) {
        std::erase(segments, "DefaultCollection");
        segments.insert(segments.begin(), host.substr(0, host.find('.')));
        place.site = "https://dev.azure.com";
    }
    auto mark = std::find(segments.begin(), segments.end(), "_git");
    if (mark == segments.end() || mark == segments.begin() || segments.end() - mark != 2) return;
    auto name = segments.back();
    if (mark - segments.begin() == 1) mark = segments.insert(mark, name) + 1;
    auto folder = joined(segments, 0, static_cast<std::size_t>(mark - segments.begin()));
    place.project = folder + "/" + name;
    place.web = place.site + "/" + folder + "/_git/" + name;
    place.api = place.site + "/" + folder;
}

void sourcehut(Place& place, Parts parts) {
    place.project = joined(parts.segments, 0, parts.segments.size());
    place.web = place.site + "/" + place.project;
}

}  // namespace

bool is_public_forge(string_view given) {
    auto host = lower(given);
    return host.ends_with(".visualstudio.com") || host.ends_with(".ghe.com") ||
           std::any_of(kHosts.begin(), kHosts.end(),
                       [&](const auto& each) { return each.first == host; });
}

string forge_of_host(string_view given) {
    auto host = lower(given);
    for (const auto& [name, forge] : kHosts)
        if (host == name) return string(forge);
    if (host.ends_with(".visualstudio.com")) return "azure-devops";
    if (host.ends_with(".ghe.com")) return "github";
    auto label = host.substr(0, host.find('.'));
    if (label.size() == host.size()) return {};
    for (const auto& [name, forge] : kLabels)
        if (label == name) return string(forge);
    return {};
}

Place place_of(string_view repository, string_view forge, string_view api) {
    Place place;
    if (repository.starts_with('/')) return place;
    const auto address = split(repository);
    if (address.scheme == "file" || address.host.empty()) return place;
    Parts parts{address, segments_of(address.path), without_slashes(api)};
    place.site = parts.given.empty() ? origin_of(address) : site_of_api(parts.given);
    const bool known = !forge.empty() && forge != "auto" && forge != "generic";
    place.forge = known ? string(forge) : forge_of_host(address.host);
    // Data Center's own signs: its ssh port, and the folder of its git addresses.
    const bool scm = address.path.starts_with("/scm/") || address.path.starts_with("scm/");
    if (place.forge.empty() && (address.port == "7999" || scm)) place.forge = "bitbucket-server";
    if (parts.segments.size() < 2) return place;
    const auto& name = place.forge;
    if (name.empty()) {
        place.project = joined(parts.segments, 0, parts.segments.size());
        place.web = place.site + "/" + place.project;
    }
    if (name == "github") github(place, std::move(parts));
    if (name == "gitlab") gitlab(place, std::move(parts));
    if (name == "gitea" || name == "forgejo" || name == "gogs" || name == "gitee")
        owner_and_name(place, std::move(parts));
    if (name == "bitbucket-cloud") bitbucket_cloud(place, std::move(parts));
    if (name == "bitbucket-server") bitbucket_server(place, std::move(parts));
    if (name == "azure-devops") azure(place, std::move(parts));
    if (name == "sourcehut") sourcehut(place, std::move(parts));
    if (!api.empty() && !place.api.empty()) place.api = without_slashes(api);
    return place;
}

bool is_local_host(string_view given) {
    auto host = lower(given);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.find(':') != string::npos)
        return host == "::1" || host.starts_with("fe8") || host.starts_with("fe9") ||
               host.starts_with("fea") || host.starts_with("feb") || host.starts_with("fc") ||
               host.starts_with("fd");
    std::array<int, 4> octets{};
    const char* at = host.data();
    const char* end = host.data() + host.size();
    std::size_t count = 0;
    for (; count < 4; ++count) {
        auto [next, failure] = std::from_chars(at, end, octets[count]);
        if (failure != std::errc{}) break;
        at = next;
        if (count < 3 && (at == end || *at++ != '.')) break;
    }
    if (count == 4 && at == end)
        return octets[0] == 127 || octets[0] == 10 || octets[0] == 0 ||
               (octets[0] == 172 && octets[1] >= 16 && octets[1] <= 31) ||
               (octets[0] == 192 && octets[1] == 168) || (octets[0] == 169 && octets[1] == 254) ||
               (octets[0] == 100 && octets[1] >= 64 && octets[1] <= 127);
    if (host.find('.') == string::npos) return true;
    for (string_view suffix : {".local", ".localhost", ".lan", ".internal", ".home.arpa",
                               ".intranet", ".corp", ".home", ".test"})
        if (host.ends_with(suffix)) return true;
    return false;
}

}  // namespace belay::forge
