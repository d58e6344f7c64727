#include <belay/forge/guide.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace belay::forge {
namespace {

using std::string;
using std::string_view;

// A paragraph, or a line that is copied as it is.
struct Note {
    string text;
    bool verbatim = false;
};

Note copied(string text) {
    return {std::move(text), true};
}

// One thing to do: where, what to enter, and what else to know.
struct Section {
    string title;
    std::vector<string> where;  // an address, or the way through menus
    std::vector<std::pair<string, string>> fields;
    std::vector<Note> notes;

    void note(string text) { notes.push_back({std::move(text)}); }
    void copy(string text) { notes.push_back(copied(std::move(text))); }
};

constexpr std::size_t kWidth = 96;

// Words in lines of kWidth, indented.
string wrapped(string_view text, string_view indent) {
    string out;
    string line(indent);
    bool empty = true;
    while (!text.empty()) {
        auto end = std::min(text.find(' '), text.size());
        auto word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!empty && line.size() + 1 + word.size() > kWidth) {
            out += line + "\n";
            line = indent;
            empty = true;
        }
        if (!empty) line += ' ';
        line += word;
        empty = false;
    }
    return out + line + "\n";
}

string rendered(const Section& section, int number) {
    auto text = fmt::format("{}. {}\n", number, section.title);
    for (const auto& place : section.where)
        text += "   " + place + "\n";
    std::size_t width = 0;
    for (const auto& [label, value] : section.fields)
        width = std::max(width, label.size());
    for (const auto& [label, value] : section.fields)
        text += fmt::format("     {:<{}}  {}\n", label, width, value);
    for (const auto& note : section.notes)
        text += !note.verbatim      ? wrapped(note.text, "   ")
                : note.text.empty() ? "\n"
                                    : "     " + note.text + "\n";
    return text + "\n";
}

string hook_url(const GuideFacts& facts) {
    auto base = facts.public_url.empty() ? "https://YOUR-HOST" : facts.public_url;
    return base + "/hooks/" + facts.app;
}

string host_of(string_view url) {
    if (auto scheme = url.find("://"); scheme != url.npos) url.remove_prefix(scheme + 3);
    url = url.substr(0, url.find('/'));
    if (url.starts_with('[')) return string(url.substr(1, url.find(']') - 1));
    return string(url.substr(0, url.find(':')));
}

bool is_local(const GuideFacts& facts) {
    return !facts.public_url.empty() && is_local_host(host_of(facts.public_url));
}

bool is_tls(const GuideFacts& facts) {
    return facts.public_url.empty() || facts.public_url.starts_with("https://");
}

string secret_line(const GuideFacts& facts) {
    return "the line in " + facts.secret_file;
}

string page(const GuideFacts& facts, string_view behind) {
    return (facts.place.web.empty() ? facts.place.site : facts.place.web) + string(behind);
}

const std::pair<string, string> kKeyTitle{"Title", "Belay"};

std::pair<string, string> key_field(const GuideFacts& facts, string label = "Key") {
    return {std::move(label), facts.public_key};
}

// Where nothing but a token opens the repository.
Section token_section(const GuideFacts& facts, string where, string scope) {
    auto file = facts.secret_file;
    if (file.ends_with(".hook")) file.resize(file.size() - 5);
    Section section{"Access: the repository can't be read without a token",
                    {std::move(where)},
                    {{"Scope", std::move(scope)}},
                    {}};
    section.note(fmt::format(
        "Put it into a file that only Belay reads (mode 0600), and name that file in {}:",
        facts.app_file));
    section.copy("[credentials]");
    section.copy(fmt::format("token = {{ file = \"{}.token\" }}", file));
    return section;
}

struct Forge {
    string_view name;
    string_view title;
    Section (*key)(const GuideFacts&);
    Section (*token)(const GuideFacts&);
    Section (*hook)(const GuideFacts&);
};

const string kKeyHeading = "Deploy key: lets Belay read the repository, and nothing else";
const string kHookHeading = "Webhook: tells Belay of each push";

Section github_key(const GuideFacts& facts) {
    return {kKeyHeading,
            {page(facts, "/settings/keys/new")},
            {kKeyTitle, key_field(facts), {"Allow write access", "leave it off"}},
            {}};
}
Section github_token(const GuideFacts& facts) {
    return token_section(facts, facts.place.site + "/settings/personal-access-tokens/new",
                         "only this repository; Repository permissions: Contents, read-only");
}
Section github_hook(const GuideFacts& facts) {
    Section section{kHookHeading,
                    {page(facts, "/settings/hooks/new")},
                    {{"Payload URL", hook_url(facts)},
                     {"Content type", "application/json"},
                     {"Secret", secret_line(facts)},
                     {"SSL verification", "Enable SSL verification"},
                     {"Which events", "Just the push event"},
                     {"Active", "on"}},
                    {}};
    if (!is_tls(facts)) section.fields.erase(section.fields.begin() + 3);
    section.note(
        fmt::format("GitHub sends a ping at once; `belay deliveries {}` shows it.", facts.app));
    return section;
}

Section gitlab_key(const GuideFacts& facts) {
    return {kKeyHeading,
            {page(facts, "/-/settings/repository"), "Deploy keys, Add new key"},
            {kKeyTitle, key_field(facts), {"Grant write permissions to this key", "leave it off"}},
            {}};
}
Section gitlab_token(const GuideFacts& facts) {
    return token_section(facts, page(facts, "/-/settings/access_tokens"),
                         "read_repository; role Reporter");
}
Section gitlab_hook(const GuideFacts& facts) {
    Section section{kHookHeading,
                    {page(facts, "/-/hooks"), "Add new webhook"},
                    {{"URL", hook_url(facts)},
                     {"Secret token", secret_line(facts)},
                     {"Trigger", "Push events (and Tag push events, where you deploy tags)"},
                     {"SSL verification", "Enable SSL verification"}},
                    {}};
    section.note(fmt::format(
        "Better, where your GitLab shows the field \"Signing token\": choose Generate signing "
        "token, put the whsec_... that it shows into {} in place of what is there, and leave "
        "Secret token empty. Each delivery is then signed, and a captured one can't be sent again.",
        facts.secret_file));
    if (!is_tls(facts)) {
        section.fields.pop_back();
        section.note(
            "Over plain http the secret token can be read on the way, and whoever reads it can "
            "start deployments: use the signing token, or https.");
    }
    if (is_local(facts) && !facts.place.site.starts_with("https://gitlab.com"))
        section.note(fmt::format(
            "GitLab refuses addresses of the local network until an administrator allows it: "
            "Admin area, Settings, Network, Outbound requests: tick \"Allow requests to the local "
            "network from webhooks and integrations\", or only enter {} in the list below it.",
            host_of(facts.public_url)));
    return section;
}

Section gitea_key(const GuideFacts& facts) {
    return {kKeyHeading,
            {page(facts, "/settings/keys"), "Add Deploy Key"},
            {kKeyTitle, key_field(facts, "Content"), {"Enable Write Access", "leave it off"}},
            {}};
}
Section gitea_token(const GuideFacts& facts) {
    return token_section(facts, facts.place.site + "/user/settings/applications",
                         "repository: Read");
}
Section gitea_like_hook(const GuideFacts& facts, string_view type) {
    Section section{
        kHookHeading,
        {page(facts, fmt::format("/settings/hooks/{}/new", type))},
        {{"Target URL", hook_url(facts)},
         {"HTTP Method", "POST"},
         {"POST Content Type", "application/json"},
         {"Secret", secret_line(facts)},
         {"Trigger On", "Push Events"},
         {"Branch filter", fmt::format("{} (or *, where you deploy tags)", facts.branch)},
         {"Active", "on"}},
        {}};
    if (is_local(facts)) {
        section.note(
            "By default it delivers to public addresses alone. In its app.ini, then "
            "restart it:");
        section.copy("[webhook]");
        section.copy("ALLOWED_HOST_LIST = external," + host_of(facts.public_url));
    }
    return section;
}
Section gitea_hook(const GuideFacts& facts) {
    return gitea_like_hook(facts, "gitea");
}
Section forgejo_hook(const GuideFacts& facts) {
    return gitea_like_hook(facts, "forgejo");
}

Section gogs_hook(const GuideFacts& facts) {
    Section section{kHookHeading,
                    {page(facts, "/settings/hooks/gogs/new")},
                    {{"Payload URL", hook_url(facts)},
                     {"Content Type", "application/json"},
                     {"Secret", secret_line(facts)},
                     {"When", "Just the push event (for tags: Let me choose, Create and Push)"},
                     {"Active", "on"}},
                    {}};
    if (is_local(facts)) {
        section.note(
            "Gogs refuses addresses of the local network. In its app.ini, then restart it:");
        section.copy("[security]");
        section.copy("LOCAL_NETWORK_ALLOWLIST = " + host_of(facts.public_url));
    }
    return section;
}
Section gogs_token(const GuideFacts& facts) {
    return token_section(facts, facts.place.site + "/user/settings/applications",
                         "Gogs knows none: the token may all that its user may");
}

Section bitbucket_key(const GuideFacts& facts) {
    return {"Access key: lets Belay read the repository, and nothing else",
            {page(facts, "/admin/access-keys/"), "Add key"},
            {{"Label", "Belay"}, key_field(facts)},
            {{"Access keys of a repository can only read."}}};
}
Section bitbucket_token(const GuideFacts& facts) {
    return token_section(facts, page(facts, "/admin/access-tokens"), "Repositories: Read");
}
Section bitbucket_hook(const GuideFacts& facts) {
    Section section{kHookHeading,
                    {page(facts, "/admin/webhooks"), "Add webhook"},
                    {{"Title", "Belay"},
                     {"URL", hook_url(facts)},
                     {"Secret", secret_line(facts)},
                     {"Status", "Active"},
                     {"SSL / TLS", "leave \"Skip certificate verification\" off"},
                     {"Triggers", "Repository push"}},
                    {}};
    if (!is_tls(facts)) section.fields.erase(section.fields.begin() + 4);
    section.note(
        "Bitbucket drops events of more than 256 KB without a word: leave polling on, "
        "which finds such pushes.");
    return section;
}

Section bitbucket_server_key(const GuideFacts& facts) {
    return {"Access key: lets Belay read the repository, and nothing else",
            {facts.place.web, "Repository settings, Access keys, Add key"},
            {{"Permission", "Read"}, key_field(facts)},
            {}};
}
Section bitbucket_server_token(const GuideFacts& facts) {
    return token_section(facts, facts.place.web + ": Repository settings, HTTP access tokens",
                         "Repository read");
}
Section bitbucket_server_hook(const GuideFacts& facts) {
    return {kHookHeading,
            {facts.place.web, "Repository settings, Webhooks, Create webhook"},
            {{"Name", "Belay"},
             {"URL", hook_url(facts)},
             {"Secret", secret_line(facts)},
             {"Events", "Repository: Push"},
             {"Active", "on"}},
            {{"Test connection sends a ping. A hook that fails five times is skipped for a "
              "while, "
              "for up to ten hours: polling covers that time."}}};
}

Section azure_token(const GuideFacts& facts) {
    auto organisation = facts.place.project.substr(0, facts.place.project.find('/'));
    return token_section(facts,
                         fmt::format("{}/{}/_usersSettings/tokens", facts.place.site, organisation),
                         "Code: Read");
}
// Its keys belong to people, and are RSA alone.
Section azure_key(const GuideFacts& facts) {
    auto section = azure_token(facts);
    section.title = "Access: use https and a token";
    auto rest = std::exchange(section.notes, {});
    section.note(
        fmt::format("Azure DevOps has no deploy keys, and of ssh keys takes RSA alone. "
                    "Write in {}:",
                    facts.app_file));
    section.copy(fmt::format("repo = \"{}\"", facts.place.web));
    section.notes.insert(section.notes.end(), rest.begin(), rest.end());
    return section;
}
Section azure_hook(const GuideFacts& facts) {
    auto mark = facts.place.project.rfind('/');
    Section section{
        kHookHeading,
        {facts.place.site + "/" + facts.place.project.substr(0, mark) + "/_settings/serviceHooks",
         "Create subscription, Web Hooks"},
        {{"Trigger", "Code pushed"},
         {"Repository", facts.place.project.substr(mark + 1)},
         {"Branch", facts.branch + " (or [Any], where you deploy tags)"},
         {"URL", hook_url(facts)},
         {"Basic authentication username", "belay"},
         {"Basic authentication password", secret_line(facts)},
         {"Resource details to send", "All"}},
        {}};
    section.note(
        "Azure DevOps signs nothing; it sends Authorization: Basic base64(belay:SECRET) "
        "instead, "
        "and does so over https alone.");
    if (!is_tls(facts) || is_local(facts))
        section.note(
            "With the present public_url it will refuse: it needs an https address that is "
            "reachable from the internet.");
    return section;
}

Section gitee_key(const GuideFacts& facts) {
    return {kKeyHeading,
            {facts.place.web,
             "Management (管理), Deploy public keys (部署公钥管理), add a public "
             "key (添加公钥)"},
            {kKeyTitle, key_field(facts, "Public key")},
            {{"Deploy keys can only read."}}};
}
Section gitee_token(const GuideFacts& facts) {
    return token_section(facts, facts.place.site + "/profile/personal_access_tokens", "projects");
}
Section gitee_hook(const GuideFacts& facts) {
    return {kHookHeading,
            {page(facts, "/hooks"), "Management (管理), WebHooks, add (添加 webHook)"},
            {{"URL", hook_url(facts)},
             {"WebHook password / signature key", "Signature key (签名密钥)"},
             {"Its value", secret_line(facts)},
             {"Events", "Push (and Tag Push, where you deploy tags)"},
             {"Active (激活)", "on"}},
            {{"Gitee's signature doesn't cover what a delivery says, so Belay believes "
              "none of it "
              "and looks into the repository itself."}}};
}

Section sourcehut_key(const GuideFacts& facts) {
    return {"Key: lets Belay read the repository",
            {"https://meta.sr.ht/keys"},
            {key_field(facts, "SSH key")},
            {{fmt::format("sr.ht has no deploy keys, and a key of your own account "
                          "could write. "
                          "Give it to an account made for Belay, and let that one "
                          "read only: {}, "
                          "Settings, Access, read-only.",
                          facts.place.web)}}};
}
Section sourcehut_token(const GuideFacts& facts) {
    auto section = sourcehut_key(facts);
    section.title = "Access: the repository can't be read";
    section.where.clear();
    section.fields.clear();
    section.notes.clear();
    section.note(
        "A private repository is read over ssh: remove the file that was "
        "written, and run "
        "`belay init` with its git@ address.");
    return section;
}
// What Belay reads of a push (reference/webhooks.md §8).
constexpr string_view kSourcehutQuery =
    "query { webhook { uuid event date ... on GitEvent { repository { name "
    "owner { canonicalName } } "
    "pusher { canonicalName } updates { ref { name } old { id } new { id } } } "
    "} }";

Section sourcehut_hook(const GuideFacts& facts) {
    auto name = facts.place.project.substr(facts.place.project.rfind('/') + 1);
    Section section{kHookHeading, {facts.place.site + "/graphql"}, {}, {}};
    section.copy("query { me { repository(name: \"" + name + "\") { id } } }");
    section.copy("");
    section.copy("mutation {");
    section.copy("  createGitWebhook(config: {");
    section.copy("    repositoryID: THE-ID-FROM-ABOVE");
    section.copy("    url: \"" + hook_url(facts) + "\"");
    section.copy("    events: [GIT_POST_RECEIVE]");
    section.copy("    query: \"" + string(kSourcehutQuery) + "\"");
    section.copy("  }) { id }");
    section.copy("}");
    section.note(
        fmt::format("There is no secret: sr.ht signs with a key of its own, "
                    "whose public half stands in {} "
                    "instead. `belay init` put the key there that sr.ht "
                    "published in 2019; compare it with the "
                    "one in its manual, https://man.sr.ht/api-conventions.md. "
                    "An instance of your own has its "
                    "own key.",
                    facts.secret_file));
    return section;
}

const std::vector<Forge>& forges() {
    static const std::vector<Forge> kForges{
        {"github", "GitHub", github_key, github_token, github_hook},
        {"gitlab", "GitLab", gitlab_key, gitlab_token, gitlab_hook},
        {"gitea", "Gitea", gitea_key, gitea_token, gitea_hook},
        {"forgejo", "Forgejo", gitea_key, gitea_token, forgejo_hook},
        {"gogs", "Gogs", gitea_key, gogs_token, gogs_hook},
        {"bitbucket-cloud", "Bitbucket Cloud", bitbucket_key, bitbucket_token, bitbucket_hook},
        {"bitbucket-server", "Bitbucket Data Center", bitbucket_server_key, bitbucket_server_token,
         bitbucket_server_hook},
        {"azure-devops", "Azure DevOps", azure_key, azure_token, azure_hook},
        {"gitee", "Gitee", gitee_key, gitee_token, gitee_hook},
        {"sourcehut", "Sourcehut", sourcehut_key, sourcehut_token, sourcehut_hook},
    };
    return kForges;
}

const Forge* find_forge(string_view name) {
    for (const auto& forge : forges())
        if (forge.name == name) return &forge;
    return nullptr;
}

// What stands between the forge and this server.
void add_way_in(Section& section, const GuideFacts& facts) {
    auto polling = facts.poll.empty()
                       ? fmt::format(
                             "Polling is off in this app's file, so nothing deploys by "
                             "itself meanwhile; `belay deploy {}` does.",
                             facts.app)
                       : fmt::format(
                             "Until then nothing is missed: Belay looks for new commits "
                             "every {}.",
                             facts.poll);
    auto forge_host = host_of(facts.place.site);
    if (facts.public_url.empty()) {
        section.note(
            fmt::format("YOUR-HOST: {} names no address by which a forge "
                        "reaches this server. {} To let "
                        "webhooks in, give the server a name that the forge "
                        "can resolve, and write there:",
                        facts.config_file, polling));
        section.copy("[server]");
        section.copy("public_url = \"https://deploy.example.com\"");
        section.note(
            fmt::format("Belay's proxy then answers /hooks/ for that host, on "
                        "the ports of [proxy] listen. "
                        "Where nginx, Caddy or another web server has those "
                        "ports, let it pass /hooks/ on to "
                        "http://{} as it comes, body and headers. A server "
                        "that nobody can reach from outside "
                        "needs no webhook: leave it out.",
                        facts.listen));
    } else if (is_local(facts) && is_public_forge(forge_host)) {
        section.note(
            fmt::format("{} lies in the local network, where {} can't reach it: put an "
                        "address that the "
                        "internet knows into [server] public_url of {}, or leave the "
                        "webhook out. {}",
                        host_of(facts.public_url), forge_host, facts.config_file, polling));
    } else if (!is_tls(facts) && !is_local(facts)) {
        section.note(
            "public_url is plain http: what is delivered can be read on the "
            "way.");
    }
}

}  // namespace

const std::vector<string_view>& guided_forges() {
    static const std::vector<string_view> kNames = [] {
        std::vector<string_view> names;
        for (const auto& forge : forges())
            names.push_back(forge.name);
        return names;
    }();
    return kNames;
}

string listed(const std::vector<string_view>& words, string_view last) {
    string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? fmt::format(" {} ", last) : ", ";
        text += words[i];
    }
    return text;
}

Guide setup_guide(const GuideFacts& facts) {
    Guide guide;
    std::vector<string_view> shown{facts.place.forge};
    const bool guessed = find_forge(facts.place.forge) == nullptr;
    if (guessed) {
        shown = {"gitlab", "gitea", "forgejo"};
        guide.text = wrapped(
            fmt::format("What forge {} is can't be told by its "
                        "name. Here is what to enter at the "
                        "likely ones; `belay init --name {} "
                        "--forge NAME` shows one alone, where "
                        "NAME is {}.",
                        host_of(facts.place.site), facts.app, listed(guided_forges(), "or")),
            "");
        guide.text += "\n";
    }
    for (auto name : shown) {
        const auto& forge = *find_forge(name);
        if (guessed) guide.text += fmt::format("--- {} ---\n\n", forge.title);
        int number = 0;
        if (!facts.public_key.empty())
            guide.text += rendered(forge.key(facts), ++number);
        else if (facts.needs_token)
            guide.text += rendered(forge.token(facts), ++number);
        auto hook = forge.hook(facts);
        add_way_in(hook, facts);
        guide.text += rendered(hook, ++number);
        guide.sections = number;
    }
    return guide;
}

}  // namespace belay::forge
