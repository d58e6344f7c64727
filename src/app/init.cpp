#include "init.hpp"

#include "known_hosts.hpp"
#include "stack.hpp"

#include <belay/async/task_group.hpp>
#include <belay/base/id.hpp>
#include <belay/config/app_file.hpp>
#include <belay/config/paths.hpp>
#include <belay/config/source.hpp>
#include <belay/forge/guide.hpp>
#include <belay/git/child_source.hpp>
#include <belay/git/repository_url.hpp>
#include <belay/sys/files.hpp>
#include <belay/sys/shim.hpp>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace belay::app {
namespace {

namespace fs = std::filesystem;

bool is_local(const std::string& url) {
    return url.starts_with('/') || url.starts_with("file://");
}

// "git@github.com:acme/My_Shop.git" -> "my-shop"
std::string name_from(const std::string& url) {
    auto text = url;
    while (text.ends_with('/'))
        text.pop_back();
    if (text.ends_with(".git")) text.resize(text.size() - 4);
    while (text.ends_with('/'))
        text.pop_back();
    if (auto cut = text.find_last_of("/:"); cut != text.npos) text.erase(0, cut + 1);
    std::string name;
    for (char c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9' && !name.empty());
        if (fits)
            name += c;
        else if (!name.empty() && !name.ends_with('-'))
            name += '-';
    }
    while (name.ends_with('-'))
        name.pop_back();
    if (name.size() > 32) name.resize(32);
    return name;
}

std::string random_hex(std::size_t bytes) {
    std::string raw(bytes, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes)) != 1)
        throw ErrorException(Error{Errc::internal, "the system gives no random bytes"});
    std::string text;
    for (unsigned char byte : raw)
        text += fmt::format("{:02x}", byte);
    return text;
}

// The branch that a local repository is on; empty where that can't be told.
std::string current_branch(const std::string& repository) {
    for (const auto* head : {"/.git/HEAD", "/HEAD"}) {
        auto text = sys::read_file(repository + head, 4096);
        if (!text || !text->starts_with("ref: refs/heads/")) continue;
        auto branch = text->substr(16);
        branch.erase(branch.find_last_not_of(" \n\r") + 1);
        return branch;
    }
    return {};
}

Result<std::string> make_deploy_key(const std::string& path, const std::string& name) {
    if (!fs::exists(path)) {
        std::vector<std::string> words{"ssh-keygen",    "-q", "-t", "ed25519", "-N", "", "-C",
                                       "belay-" + name, "-f", path};
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        pid_t child = 0;
        if (int failure =
                ::posix_spawnp(&child, "ssh-keygen", nullptr, nullptr, argv.data(), environ);
            failure != 0)
            return errno_error(failure,
                               "making the deploy key with ssh-keygen (package openssh-client)");
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            return Error{Errc::internal, fmt::format("ssh-keygen could not write {}", path)};
    }
    return sys::read_file(path + ".pub", 16 * 1024);
}

struct Looked {
    bool seen = false;
    bool needs_token = false;
    std::string problem;
};

// Looks into the repository as a deployment would, in a throw-away directory; needs no clone of the
// user's.
Task<void> look(ports::Source& source, ports::SourceAccess access, fs::path folder,
                std::string branch, Looked& looked) {
    ports::FetchJob fetch;
    fetch.child.app = "init";
    fetch.child.timeout = Millis{60'000};
    fetch.access = access;
    fetch.mirror = folder / "mirror.git";
    fetch.wanted.branch = branch;
    auto fetched = co_await source.fetch(fetch, async::Cancel());
    if (!fetched) {
        looked.problem = fetched.error().message;
        looked.needs_token = fetched.error().reason == ports::SourceReason::auth_failed;
        co_return;
    }
    ports::ExportJob job;
    job.child = fetch.child;
    job.mirror = fetch.mirror;
    job.repository = access.url;
    job.allow = access.allow;
    job.commit = fetched->commit;
    job.into = folder / "tree";
    job.submodules = ports::Submodules::empty;
    auto exported = co_await source.export_tree(std::move(job), async::Cancel());
    if (!exported)
        looked.problem = exported.error().message;
    else
        looked.seen = true;
}

Looked look_into(config::AppFileDraft& draft, const std::string& key,
                 const config::Beside& beside) {
    Looked looked;
    auto shim = sys::find_shim();
    if (!shim) {
        looked.problem = shim.error().message;
        return looked;
    }
    auto pattern = (fs::temp_directory_path() / "belay-init-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) return looked;
    fs::path folder = pattern;
    fs::create_directory(folder / "tree");
    ports::SourceAccess access;
    access.url = draft.repo;
    access.allow = {"https", "ssh", "git", "http", "file"};
    access.key_file = key;
    access.known_hosts = {
        beside.known_hosts,
        fs::path(std::getenv("HOME") ? std::getenv("HOME") : "/root") / ".ssh/known_hosts"};
    boost::asio::io_context loop{1};
    auto source =
        git::make_child_source(loop.get_executor(), {fs::read_symlink("/proc/self/exe"), *shim});
    async::TaskGroup tasks(loop.get_executor());
    tasks.spawn("look", look(*source, access, folder, draft.branch, looked));
    loop.run();
    if (looked.seen)
        detect_stack(draft, [&](const std::string& file) {
            auto text = sys::read_file(folder / "tree" / file, 1 << 20);
            return text ? *text : std::string();
        });
    auto removed = sys::remove_tree(folder);
    if (!removed) std::cerr << "belay: " << removed.error().message << '\n';
    return looked;
}

struct Made {
    bool wrote = false;  // not: the app is set up already, and the guide is wanted again
    std::string stack;
    std::string problem;  // why the repository could not be looked into
    bool local = false;
    std::string repo;
    forge::GuideFacts facts;
};

void print(const Made& made) {
    const auto& facts = made.facts;
    if (!made.wrote) {
        std::cout << facts.app << " is set up already, in " << facts.app_file
                  << ": nothing was written.\n";
    } else {
        std::cout << "wrote " << facts.app_file;
        if (!made.stack.empty()) std::cout << " for " << made.stack;
        std::cout << '\n';
    }
    if (!made.problem.empty())
        std::cout << "the repository could not be looked into, so fill in [build], [test] and "
                     "[service]:\n  "
                  << made.problem << '\n';
    std::cout << '\n';
    forge::Guide guide;
    if (made.local)
        guide = {fmt::format("1. Pushes\n     belay hook install {} {}\n   delivers them at once; "
                             "without it Belay looks every 5 minutes.\n\n",
                             facts.app, made.repo),
                 1};
    else
        guide = forge::setup_guide(facts);
    std::cout << guide.text << guide.sections + 1 << ". Start: look at " << facts.app_file
              << ", then\n     belay check\n     belay serve"
              << std::string(11 + facts.app.size(), ' ') << "or, where it runs, belay reload\n";
    if (!made.local)
        std::cout << "     belay hook test " << facts.app
                  << "      sends itself a signed ping by the way that the forge's come\n";
}

void print_json(const Made& made) {
    const auto& facts = made.facts;
    auto text_or_null = [](const std::string& text) {
        return text.empty() ? nlohmann::json() : nlohmann::json(text);
    };
    auto base = facts.public_url.empty() ? "http://" + facts.listen : facts.public_url;
    nlohmann::json json{{"name", facts.app},
                        {"file", facts.app_file},
                        {"secret_file", facts.secret_file},
                        {"hook_url", base + "/hooks/" + facts.app},
                        {"forge", text_or_null(facts.place.forge)},
                        {"stack", made.stack},
                        {"public_key", text_or_null(facts.public_key)},
                        {"problem", text_or_null(made.problem)}};
    std::cout << json.dump(2) << '\n';
}

int refuse(const Error& error) {
    std::cerr << "belay: " << error.message << '\n';
    return cli::kFailed;
}

bool is_ssh(const std::string& repo) {
    auto url = git::parse_repository_url(repo);
    return url && url->scheme == "ssh";
}

// A sourcehut instance signs with a key of its own and knows no secret.
Result<void> make_secret(const std::string& file, const std::string& forge) {
    if (fs::exists(file)) return {};
    auto secret = forge == "sourcehut" ? std::string(forge::kSourcehutKey) : random_hex(32);
    return sys::write_file(file, secret + "\n", 0600);
}

// What belay.toml says of the way in.
void add_server(forge::GuideFacts& facts, const std::string& config_path,
                const config::Surroundings& surroundings) {
    auto loaded = config::make_source(config_path, surroundings)->load();
    auto server = loaded.server.value_or(config::default_server(surroundings, config_path));
    facts.config_file = config_path;
    facts.public_url = server.public_url;
    while (facts.public_url.ends_with('/'))
        facts.public_url.pop_back();
    facts.listen = server.listen.starts_with(':') ? "127.0.0.1" + server.listen : server.listen;
}

// The guide of an app that has its file, for a public_url that came later or another forge.
std::optional<Made> set_up_already(const cli::InitOptions& options, const std::string& repo,
                                   const std::string& name, const std::string& config_path,
                                   const config::Beside& beside) {
    auto file = config::load_app_file(config_path, beside.app_file(name)).config;
    if (!file || (!options.url.empty() && file->repo != repo)) return std::nullopt;
    Made made;
    made.local = is_local(file->repo);
    made.repo = file->repo;
    auto& facts = made.facts;
    facts.app = name;
    facts.branch = file->branch.empty() ? "main" : file->branch;
    facts.place = forge::place_of(
        file->repo, options.forge.empty() ? file->webhook.forge : options.forge, file->status_url);
    facts.secret_file = beside.hook_secret(name);
    facts.app_file = beside.app_file(name);
    facts.poll = file->poll ? format_duration(*file->poll) : "";
    if (is_ssh(file->repo))
        if (auto key = sys::read_file(beside.deploy_key(name) + ".pub", 16 * 1024))
            facts.public_key = key->substr(0, key->find('\n'));
    return made;
}

}  // namespace

int init(const cli::InitOptions& options) {
    auto surroundings = config::current_surroundings();
    auto config_path = options.config.empty() ? config::default_config_path(surroundings)
                                              : fs::absolute(options.config).string();
    const config::Beside beside(config_path);
    const auto& known = forge::guided_forges();
    if (!options.forge.empty() &&
        std::find(known.begin(), known.end(), options.forge) == known.end()) {
        std::cerr << "belay: there is no forge \"" << options.forge << "\"; --forge takes "
                  << forge::listed(known, "or") << '\n';
        return cli::kUsage;
    }
    auto show = [&](Made& made) {
        add_server(made.facts, config_path, surroundings);
        options.json ? print_json(made) : print(made);
        return cli::kDone;
    };
    config::AppFileDraft draft;
    draft.repo = options.url.empty() ? "." : options.url;
    if (fs::is_directory(draft.repo)) draft.repo = fs::canonical(draft.repo).string();
    draft.name = options.name.empty() ? name_from(draft.repo) : options.name;
    if (auto good = check_app_name(draft.name); !good) {
        std::cerr << "belay: " << good.error().message << "; choose one with --name\n";
        return cli::kUsage;
    }
    const auto file = beside.app_file(draft.name);
    if (fs::exists(file)) {
        if (auto made = set_up_already(options, draft.repo, draft.name, config_path, beside))
            return show(*made);
        std::cerr << "belay: " << file << " exists; remove it first, or choose another --name\n";
        return cli::kFailed;
    }
    Made made;
    made.wrote = true;
    made.local = is_local(draft.repo);
    const auto path = draft.repo.starts_with("file://") ? draft.repo.substr(7) : draft.repo;
    if (made.local && !fs::exists(path + "/.git") && !fs::exists(path + "/objects")) {
        std::cerr
            << "belay: " << path
            << " is no git repository; give its address: belay init git@host:owner/name.git\n";
        return cli::kUsage;
    }
    draft.branch = !options.branch.empty() ? options.branch
                   : made.local            ? current_branch(path)
                                           : "main";
    if (draft.branch.empty()) draft.branch = "main";
    made.repo = path;
    auto& facts = made.facts;
    facts.app = draft.name;
    facts.branch = draft.branch;
    facts.place = forge::place_of(draft.repo, options.forge, "");
    draft.forge = options.forge;
    // Its "secret" is a public key: no other forge's check may ever take it for one.
    if (facts.place.forge == "sourcehut") draft.forge = "sourcehut";
    facts.secret_file = beside.hook_secret(draft.name);
    facts.app_file = file;
    facts.poll = format_duration(Millis{300'000});
    for (auto [directory, mode] : {std::pair{beside.apps, 0755}, std::pair{beside.secrets, 0700}})
        if (auto ready = sys::make_directories(directory, static_cast<mode_t>(mode)); !ready)
            return refuse(ready.error());
    if (!fs::exists(beside.known_hosts)) {
        auto shipped = sys::write_file(beside.known_hosts, std::string(kPublicHostKeys), 0644);
        if (!shipped) return refuse(shipped.error());
    }
    if (auto kept = make_secret(facts.secret_file, facts.place.forge); !kept)
        return refuse(kept.error());
    if (is_ssh(draft.repo)) {
        auto key = make_deploy_key(beside.deploy_key(draft.name), draft.name);
        if (!key) return refuse(key.error());
        facts.public_key = key->substr(0, key->find('\n'));
    }
    auto looked = look_into(draft, beside.deploy_key(draft.name), beside);
    made.problem = looked.problem;
    made.stack = draft.stack;
    facts.needs_token = looked.needs_token;
    if (!looked.seen) draft.services = {{"web", "./start"}};
    if (auto written = sys::write_file(file, config::write_app_file(draft), 0644); !written)
        return refuse(written.error());
    return show(made);
}

}  // namespace belay::app
