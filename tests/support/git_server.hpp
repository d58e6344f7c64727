// Real git servers on 127.0.0.1, each on a port of its own, dead with the test.
#pragma once

#include "support/git_repository.hpp"

#include <fmt/format.h>

#include <pwd.h>
#include <string>
#include <unistd.h>

namespace belay::test {

// git:// of all below `root`.
class GitDaemon {
  public:
    explicit GitDaemon(const std::filesystem::path& root)
        : port_(free_port()),
          server_(
              {"/usr/lib/git-core/git-daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1",
               "--port=" + std::to_string(port_), "--base-path=" + root.string(), root.string()},
              with_safe_directory()) {
        wait_for_port(port_);
    }
    std::uint16_t port() const { return port_; }
    std::string url(const std::string& name) const {
        return fmt::format("git://127.0.0.1:{}/{}", port_, name);
    }

    static Environment with_safe_directory() {
        auto environment = git_environment();
        environment["GIT_CONFIG_COUNT"] = "1";
        environment["GIT_CONFIG_KEY_0"] = "safe.directory";
        environment["GIT_CONFIG_VALUE_0"] = "*";
        return environment;
    }

  private:
    std::uint16_t port_;
    Server server_;
};

// git http-backend behind a small server; see git_http_server.py for the paths with a meaning of
// their own.
class GitHttpServer {
  public:
    // With a token, user "git" and it are asked for. With a certificate and key it speaks https.
    explicit GitHttpServer(const std::filesystem::path& root, const std::string& token = "",
                           const std::string& certificate = "", const std::string& key = "")
        : secure_(!certificate.empty()),
          server_({"/usr/bin/python3", BELAY_SOURCE_DIR "/tests/support/git_http_server.py",
                   root.string(), token, certificate, key},
                  GitDaemon::with_safe_directory()),
          port_(static_cast<std::uint16_t>(std::stoi(server_.first_line()))) {}
    std::uint16_t port() const { return port_; }
    std::string url(const std::string& name) const {
        return fmt::format("{}://127.0.0.1:{}/{}", secure_ ? "https" : "http", port_, name);
    }

  private:
    bool secure_;
    Server server_;
    std::uint16_t port_;
};

// Hands on what `target` sends, up to so many bytes, then is silent for ever. 0: says nothing at
// all.
class StallingServer {
  public:
    StallingServer(std::uint16_t target, std::size_t bytes)
        : server_({"/usr/bin/python3", BELAY_SOURCE_DIR "/tests/support/stalling_proxy.py",
                   std::to_string(target), std::to_string(bytes)}),
          port_(static_cast<std::uint16_t>(std::stoi(server_.first_line()))) {}
    std::uint16_t port() const { return port_; }

  private:
    Server server_;
    std::uint16_t port_;
};

// sshd, as whoever runs the test, with host keys and authorized keys of its own.
class SshServer {
  public:
    explicit SshServer(const std::filesystem::path& directory)
        : directory_(directory), port_(free_port()) {
        std::filesystem::create_directories(directory);
        make_key("ed25519", "host_ed25519");
        make_key("ecdsa", "host_ecdsa");
        make_key("ed25519", "client");
        make_key("rsa", "client_rsa");
        make_key("ed25519", "stranger");
        std::ofstream(directory / "authorized") << public_key("client") << '\n'
                                                << public_key("client_rsa") << '\n';
        start();
    }

    void start() {
        // Its chroot for privilege separation, which a running sshd service would have made.
        if (::geteuid() == 0) ::mkdir("/run/sshd", 0755);
        auto in = [this](const char* name) { return (directory_ / name).string(); };
        std::ofstream(directory_ / "config")
            << "ListenAddress 127.0.0.1\nPort " << port_ << "\nHostKey " << in("host_ed25519")
            << "\nHostKey " << in("host_ecdsa") << "\nAuthorizedKeysFile " << in("authorized")
            << "\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n"
               "PermitRootLogin prohibit-password\nKbdInteractiveAuthentication no\n"
               "SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n";
        server_ = Server({"/usr/sbin/sshd", "-D", "-e", "-f", in("config")});
        wait_for_port(port_);
    }
    void stop() { server_.stop(); }
    void change_host_key() {
        stop();
        std::filesystem::remove(directory_ / "host_ed25519");
        std::filesystem::remove(directory_ / "host_ed25519.pub");
        make_key("ed25519", "host_ed25519");
        start();
    }

    std::uint16_t port() const { return port_; }
    std::filesystem::path file(const std::string& name) const { return directory_ / name; }
    std::string public_key(const std::string& name) const {
        std::ifstream stream(directory_ / (name + ".pub"));
        std::string line;
        std::getline(stream, line);
        return line;
    }
    std::string url(const std::filesystem::path& repository) const {
        return fmt::format("ssh://{}@127.0.0.1:{}{}", user(), port_, repository.string());
    }
    // A known_hosts line of one of the host keys.
    std::string host_line(const std::string& name = "host_ed25519") const {
        return fmt::format("[127.0.0.1]:{} {}\n", port_, public_key(name));
    }
    static std::string user() { return ::getpwuid(::geteuid())->pw_name; }

  private:
    void make_key(const std::string& type, const std::string& name) const {
        run({"ssh-keygen", "-q", "-t", type, "-N", "", "-C", name, "-f",
             (directory_ / name).string()});
    }

    std::filesystem::path directory_;
    std::uint16_t port_;
    Server server_;
};

}  // namespace belay::test
