#include "init.hpp"

#include "stack.hpp"

#include <belay/async/task_group.hpp>
#include <belay/base/id.hpp>
#include <belay/config/app_file.hpp>
#include <belay/config/paths.hpp>
#include <belay/config/source.hpp>
#include <belay/git/child_source.hpp>
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
    std::string problem;
    std::string branch;
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
    std::string name;
    std::string file;
    std::string secret_file;
    std::string secret;
    std::string hook_url;
    std::string public_key;  // empty: no key is needed
    std::string stack;
    std::string problem;  // why the repository could not be looked into
    bool local = false;
    std::string repo;
};

void print(const Made& made) {
    std::cout << "wrote " << made.file;
    if (!made.stack.empty()) std::cout << " for " << made.stack;
    std::cout << "\n";
    if (!made.problem.empty())
        std::cout << "the repository could not be looked into, so fill in [build], [test] and "
                     "[service]:\n  "
                  << made.problem << "\n";
    if (!made.public_key.empty())
        std::cout << "\ndeploy key: add this to the repository, read only:\n  " << made.public_key;
    if (made.local) {
        std::cout << "\npushes: `belay hook install " << made.name << " " << made.repo
                  << "` delivers them; without it belay looks every 5 minutes\n";
    } else {
        std::cout << "\nwebhook: enter at the forge\n  URL           " << made.hook_url
                  << "\n  content type  application/json\n  secret        the line in "
                  << made.secret_file << "\n  events        push only\n";
    }
    std::cout << "\nnext: look at " << made.file
              << ", then\n  belay check\n  belay serve        (or `belay reload` where it runs)\n";
}

}  // namespace

int init(const cli::InitOptions& options) {
    auto surroundings = config::current_surroundings();
    auto config_path = options.config.empty() ? config::default_config_path(surroundings)
                                              : fs::absolute(options.config).string();
    const config::Beside beside(config_path);
    config::AppFileDraft draft;
    draft.repo = options.url.empty() ? "." : options.url;
    if (fs::is_directory(draft.repo)) draft.repo = fs::canonical(draft.repo).string();
    Made made;
    made.local = is_local(draft.repo);
    const auto path = draft.repo.starts_with("file://") ? draft.repo.substr(7) : draft.repo;
    if (made.local && !fs::exists(path + "/.git") && !fs::exists(path + "/objects")) {
        std::cerr
            << "belay: " << path
            << " is no git repository; give its address: belay init git@host:owner/name.git\n";
        return cli::kUsage;
    }
    draft.name = options.name.empty() ? name_from(draft.repo) : options.name;
    if (auto good = check_app_name(draft.name); !good) {
        std::cerr << "belay: " << good.error().message << "; choose one with --name\n";
        return cli::kUsage;
    }
    draft.branch = !options.branch.empty() ? options.branch
                   : made.local            ? current_branch(path)
                                           : "main";
    if (draft.branch.empty()) draft.branch = "main";
    made.name = draft.name;
    made.repo = path;
    made.file = beside.app_file(draft.name);
    if (fs::exists(made.file)) {
        std::cerr << "belay: " << made.file
                  << " exists; remove it first, or choose another --name\n";
        return cli::kFailed;
    }
    for (auto [directory, mode] : {std::pair{beside.apps, 0755}, std::pair{beside.secrets, 0700}})
        if (auto ready = sys::make_directories(directory, static_cast<mode_t>(mode)); !ready) {
            std::cerr << "belay: " << ready.error().message << '\n';
            return cli::kFailed;
        }
    made.secret_file = beside.hook_secret(draft.name);
    if (!fs::exists(made.secret_file))
        if (auto written = sys::write_file(made.secret_file, random_hex(32) + "\n", 0600);
            !written) {
            std::cerr << "belay: " << written.error().message << '\n';
            return cli::kFailed;
        }
    const bool ssh =
        draft.repo.starts_with("ssh://") ||
        (draft.repo.find("://") == std::string::npos && draft.repo.find('@') != std::string::npos);
    if (ssh) {
        auto key = make_deploy_key(beside.deploy_key(draft.name), draft.name);
        if (!key) {
            std::cerr << "belay: " << key.error().message << '\n';
            return cli::kFailed;
        }
        made.public_key = *key;
    }
    auto looked = look_into(draft, beside.deploy_key(draft.name), beside);
    made.problem = looked.problem;
    made.stack = draft.stack;
    if (!looked.seen) draft.services = {{"web", "./start"}};
    if (auto written = sys::write_file(made.file, config::write_app_file(draft), 0644); !written) {
        std::cerr << "belay: " << written.error().message << '\n';
        return cli::kFailed;
    }
    auto loaded = config::make_source(config_path, surroundings)->load();
    auto server = loaded.server.value_or(config::default_server(surroundings, config_path));
    auto base = server.public_url.empty() ? "http://" + server.listen : server.public_url;
    while (base.ends_with('/'))
        base.pop_back();
    made.hook_url = base + "/hooks/" + made.name;
    if (options.json) {
        nlohmann::json json{
            {"name", made.name},
            {"file", made.file},
            {"secret_file", made.secret_file},
            {"hook_url", made.hook_url},
            {"stack", made.stack},
            {"public_key",
             made.public_key.empty() ? nlohmann::json() : nlohmann::json(made.public_key)},
            {"problem", made.problem.empty() ? nlohmann::json() : nlohmann::json(made.problem)}};
        std::cout << json.dump(2) << '\n';
    } else {
        print(made);
    }
    return cli::kDone;
}

}  // namespace belay::app
