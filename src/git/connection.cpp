#include "connection.hpp"

#include "host_check.hpp"
#include "temporary_home.hpp"

#include <belay/git/ssh_key.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <sys/mman.h>
#include <unistd.h>
#include <unordered_set>

namespace belay::git {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kRemoteTextMax = 64 * 1024;

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

// A server may well repeat what it was sent.
std::string without(std::string_view text, std::string_view secret) {
    std::string out(text);
    if (secret.empty()) return out;
    for (auto at = out.find(secret); at != std::string::npos; at = out.find(secret, at)) {
        out.replace(at, secret.size(), "***");
        at += 3;
    }
    return out;
}

bool is_mirrored(std::string_view name) {
    return name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
}

}  // namespace

Endpoint make_endpoint(RepositoryUrl url, const ports::SourceAccess& access,
                       const Material& material) {
    Endpoint endpoint;
    endpoint.username = access.username.empty() ? url.user : access.username;
    if (endpoint.username.empty()) endpoint.username = "git";
    endpoint.url = std::move(url);
    endpoint.key_file = access.key_file.string();
    endpoint.key = material.key;
    endpoint.known_hosts = material.known_hosts;
    endpoint.token = access.token.reveal();
    endpoint.ca_file = access.ca_file.string();
    return endpoint;
}

Endpoint without_credentials(Endpoint endpoint, RepositoryUrl url) {
    endpoint.url = std::move(url);
    endpoint.key.clear();
    endpoint.token.clear();
    endpoint.username = "git";
    return endpoint;
}

struct Connection::State {
    git_repository* repository;
    Endpoint endpoint;
    Progress& progress;
    Remote remote{};
    std::optional<Failure> refused{};  // by us, in a callback: libgit2's own words would say less
    int offers = 0;
    Clock::time_point said{};
    std::size_t remote_text = 0;

    int refuse(Failure failure) {
        refused = std::move(failure);
        git_error_set_str(GIT_ERROR_CALLBACK, refused->error.message.c_str());
        return GIT_EUSER;
    }

    std::optional<Failure> elsewhere(const char* asking) const;
    int offer(git_credential** out, const char* user, unsigned allowed);
    int offer_key(git_credential** out, const char* user);
    int check(git_cert* certificate, bool valid, const char* host);
    void say_progress(const git_indexer_progress& stats);
    Failure key_refused() const;
    Failure token_refused() const;
    Failure failure_of_open() const;
    git_remote_callbacks callbacks();
};

namespace {

Connection::State& state_of(void* payload) {
    return *static_cast<Connection::State*>(payload);
}

int on_credentials(git_credential** out, const char* url, const char* user, unsigned allowed,
                   void* payload) {
    auto& state = state_of(payload);
    if (auto failure = state.elsewhere(url)) return state.refuse(std::move(*failure));
    return state.offer(out, user, allowed);
}

int on_certificate(git_cert* certificate, int valid, const char* host, void* payload) {
    return state_of(payload).check(certificate, valid != 0, host);
}

int on_transfer(const git_indexer_progress* stats, void* payload) {
    state_of(payload).say_progress(*stats);
    return 0;
}

int on_remote_text(const char* text, int length, void* payload) {
    auto& state = state_of(payload);
    if (length <= 0 || state.remote_text > kRemoteTextMax) return 0;
    state.remote_text += static_cast<std::size_t>(length);
    std::string_view line(text, static_cast<std::size_t>(length));
    // Counters that a terminal would overwrite.
    if (line.ends_with('\r')) return 0;
    say(fmt::format("remote: {}", without(line, state.endpoint.token)));
    return 0;
}

}  // namespace

git_remote_callbacks Connection::State::callbacks() {
    git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
    callbacks.credentials = on_credentials;
    callbacks.certificate_check = on_certificate;
    callbacks.transfer_progress = on_transfer;
    callbacks.sideband_progress = on_remote_text;
    callbacks.payload = this;
    return callbacks;
}

// After a redirect it is another address that asks, and what we have is not meant for it.
std::optional<Failure> Connection::State::elsewhere(const char* asking) const {
    if (endpoint.url.scheme == "ssh") return std::nullopt;
    auto url = parse_repository_url(asking);
    if (url && same_host(*url, endpoint.url)) return std::nullopt;
    auto name = url ? url->text() : std::string("another address");
    return failed(
        SourceReason::auth_failed,
        fmt::format("{} redirects to {}, which asks for a user and token; they are not sent to "
                    "another host: if it moved, change `repo`",
                    endpoint.url.text(), name));
}

int Connection::State::offer(git_credential** out, const char* user, unsigned allowed) {
    if ((allowed & GIT_CREDENTIAL_USERNAME) != 0 && (allowed & GIT_CREDENTIAL_SSH_KEY) == 0) {
        return git_credential_username_new(out, endpoint.url.user.c_str());
    }
    bool ssh = endpoint.url.scheme == "ssh";
    // libgit2 asks again for ever: one refusal is enough.
    if (offers++ > 0) return refuse(ssh ? key_refused() : token_refused());
    if (ssh) return offer_key(out, user);
    if (endpoint.token.empty()) return refuse(token_refused());
    if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) == 0) {
        return refuse(
            failed(SourceReason::auth_failed,
                   fmt::format("{}: the server takes no user and token", endpoint.url.text())));
    }
    return git_credential_userpass_plaintext_new(out, endpoint.username.c_str(),
                                                 endpoint.token.c_str());
}

int Connection::State::offer_key(git_credential** out, const char* user) {
    if (endpoint.key.empty()) {
        auto where = endpoint.key_file.empty()
                         ? std::string("no key is configured")
                         : fmt::format("there is no key {}", endpoint.key_file);
        return refuse(failed(
            SourceReason::auth_failed,
            fmt::format("{} asks for an ssh key, and {}; make one (ssh-keygen -t ed25519 -N '' -f "
                        "FILE) and add its .pub as deploy key of the repository",
                        endpoint.url.text(), where)));
    }
    auto key = parse_ssh_key(endpoint.key);
    if (!key || key->encrypted) {
        const auto* why =
            key ? "has a passphrase, and nobody is there to type it" : "is not a private ssh key";
        return refuse(failed(SourceReason::auth_failed,
                             fmt::format("the key {} {}; make another: ssh-keygen -t "
                                         "ed25519 -N '' -f FILE",
                                         endpoint.key_file, why)));
    }
    const auto* name = user != nullptr && *user != '\0' ? user : endpoint.url.user.c_str();
    return git_credential_ssh_key_memory_new(out, name, nullptr, endpoint.key.c_str(), nullptr);
}

Failure Connection::State::key_refused() const {
    auto key = parse_ssh_key(endpoint.key);
    if (key && key->type == "ssh-rsa") {
        return failed(
            SourceReason::auth_failed,
            fmt::format(
                "{} did not accept the key {}: it is an RSA key, which this ssh library can use "
                "with SHA-1 only; use ed25519: ssh-keygen -t ed25519 -N '' -f {}",
                endpoint.url.text(), endpoint.key_file, endpoint.key_file));
    }
    auto line = key && !key->public_line.empty()
                    ? fmt::format("add this public key as deploy key: {}", key->public_line)
                    : std::string("add its public half as deploy key");
    return failed(SourceReason::auth_failed,
                  fmt::format("{} did not accept the key {}; {}", endpoint.url.text(),
                              endpoint.key_file, line));
}

Failure Connection::State::token_refused() const {
    if (endpoint.token.empty()) {
        return failed(SourceReason::auth_failed,
                      fmt::format("{} asks for a user and token (401), and none is given: set "
                                  "[credentials] token, or "
                                  "the repository is private or misspelt",
                                  endpoint.url.text()));
    }
    return failed(
        SourceReason::auth_failed,
        fmt::format(
            "{} did not accept the token of user \"{}\" (401); check [credentials] token and "
            "username, and that it may read this repository",
            endpoint.url.text(), endpoint.username));
}

int Connection::State::check(git_cert* certificate, bool valid, const char* host) {
    if (certificate->cert_type == GIT_CERT_HOSTKEY_LIBSSH2) {
        auto key = raw_host_key(*reinterpret_cast<const git_cert_hostkey*>(certificate));
        auto problem = host_key_problem(endpoint.known_hosts, endpoint.url, key);
        return problem ? refuse(std::move(*problem)) : 0;
    }
    if (valid) return 0;
    auto authority =
        endpoint.ca_file.empty()
            ? std::string(
                  "the system's authorities don't vouch for it, or it is expired or another "
                  "host's; a private one goes into [credentials] ca")
            : fmt::format("{} doesn't vouch for it, or it is expired or another host's",
                          endpoint.ca_file);
    refuse(failed(SourceReason::fetch_failed,
                  fmt::format("{}: the TLS certificate of {} is not trusted: {}",
                              endpoint.url.text(), host, authority)));
    return GIT_ECERTIFICATE;
}

void Connection::State::say_progress(const git_indexer_progress& stats) {
    progress.phase = Phase::receiving;
    progress.objects = stats.received_objects;
    progress.objects_total = stats.total_objects;
    progress.bytes = stats.received_bytes;
    auto now = Clock::now();
    if (now - said < std::chrono::seconds(1)) return;
    said = now;
    say(fmt::format("received {} of {} objects, {}", stats.received_objects, stats.total_objects,
                    format_size(stats.received_bytes)));
}

// libgit2 gives one code for nearly all of it; its texts are what tells.
Failure Connection::State::failure_of_open() const {
    if (refused) return *refused;
    auto name = endpoint.url.text();
    auto message = git_message();
    auto with = [&](std::string_view why) { return fmt::format("{}: {}", name, why); };
    if (contains(message, "status code: 401") || contains(message, "authentication replays"))
        return token_refused();
    if (contains(message, "status code: 403")) {
        return failed(SourceReason::auth_failed,
                      with("the server forbids it (403); may the token read this repository?"));
    }
    if (contains(message, "status code: 404")) {
        return failed(SourceReason::fetch_failed,
                      with("no such repository (404); or a private one, which some servers show "
                           "only with a token"));
    }
    if (contains(message, "parsing REF pkt") || contains(message, "OID pkt") ||
        contains(message, "parse oid")) {
        return failed(SourceReason::sha256_repository_unsupported,
                      with("it speaks in object ids that are not SHA-1: a SHA-256 repository, "
                           "which is not supported "
                           "(or a shallow one: deploy from a full repository)"));
    }
    if (endpoint.url.scheme == "ssh" && offers > 0 &&
        (contains(message, "authenticat") || contains(message, "getting response"))) {
        return key_refused();
    }
    return failed_for_now(SourceReason::fetch_failed, with(message));
}

Connection::Connection(git_repository* repository, Endpoint endpoint, Progress& progress)
    : state_(new State{repository, std::move(endpoint), progress}) {}

Connection::~Connection() = default;

Outcome<void> Connection::open() {
    auto& state = *state_;
    state.progress.phase = Phase::connecting;
    const auto& url = state.endpoint.url;
    auto text = url.text();
    int made = state.repository != nullptr
                   ? git_remote_create_anonymous(state.remote.out(), state.repository, text.c_str())
                   : git_remote_create_detached(state.remote.out(), text.c_str());
    if (made < 0) return git_failed(SourceReason::config_invalid, text);
    std::vector<std::string> lines;
    if (url.scheme == "ssh")
        lines = lines_for_host(state.endpoint.known_hosts, url.host, url.effective_port());
    TemporaryHome home(lines);
    git_remote_connect_options options = GIT_REMOTE_CONNECT_OPTIONS_INIT;
    options.callbacks = state.callbacks();
    options.follow_redirects = GIT_REMOTE_REDIRECT_INITIAL;
    if (git_remote_connect_ext(state.remote.get(), GIT_DIRECTION_FETCH, &options) < 0)
        return state.failure_of_open();
    state.progress.phase = Phase::negotiating;
    return {};
}

Outcome<RemoteRefs> Connection::refs() {
    const git_remote_head** heads = nullptr;
    std::size_t count = 0;
    if (git_remote_ls(&heads, &count, state_->remote.get()) < 0) return state_->failure_of_open();
    RemoteRefs refs;
    for (std::size_t i = 0; i < count; ++i) {
        std::string name = heads[i]->name;
        bool peeled = name.ends_with("^{}");
        if (peeled) name.resize(name.size() - 3);
        int valid = 0;
        if (!is_mirrored(name) || git_reference_name_is_valid(&valid, name.c_str()) < 0 ||
            valid == 0)
            continue;
        if (peeled) {
            refs[name].peeled = heads[i]->oid;
        } else {
            refs[name].id = heads[i]->oid;
        }
    }
    return refs;
}

Outcome<void> Connection::download() {
    auto& state = *state_;
    git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
    options.callbacks = state.callbacks();
    options.update_fetchhead = 0;
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.follow_redirects = GIT_REMOTE_REDIRECT_INITIAL;
    std::string heads = "+refs/heads/*:refs/heads/*";
    std::string tags = "+refs/tags/*:refs/tags/*";
    std::array<char*, 2> list = {heads.data(), tags.data()};
    git_strarray refspecs{list.data(), list.size()};
    if (git_remote_download(state.remote.get(), &refspecs, &options) < 0) {
        if (state.refused) return *state.refused;
        auto failure =
            git_failed(SourceReason::fetch_failed,
                       fmt::format("{}: the transfer broke off", state.endpoint.url.text()));
        failure.error.transient = true;
        return failure;
    }
    return {};
}

Outcome<void> set_up_libgit2(const std::string& ca) {
    git_libgit2_init();
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    for (auto level : {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_XDG,
                       GIT_CONFIG_LEVEL_PROGRAMDATA}) {
        git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "/nonexistent");
    }
    const char* extensions[] = {"worktreeconfig", "preciousobjects"};
    git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, std::size(extensions));
    if (ca.empty()) return {};
    // mbedTLS reads a path, and the child may not be allowed to read the configured one.
    int memory = ::memfd_create("ca", MFD_CLOEXEC);
    if (memory < 0 || ::write(memory, ca.data(), ca.size()) != static_cast<ssize_t>(ca.size())) {
        return errno_failed(errno, "handing the CA's file to the TLS library");
    }
    auto path = fmt::format("/proc/self/fd/{}", memory);
    if (git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, path.c_str(), nullptr) < 0) {
        return git_failed(SourceReason::config_invalid,
                          "[credentials] ca is no PEM file of certificates");
    }
    return {};
}

}  // namespace belay::git
