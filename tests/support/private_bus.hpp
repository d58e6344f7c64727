// A message bus of a test's own: a real dbus-daemon with a socket in a temporary directory.
#pragma once

#include "support/eventually.hpp"
#include "support/temp_directory.hpp"

#include <csignal>
#include <fstream>
#include <spawn.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace belay::test {

class PrivateBus {
  public:
    PrivateBus() = default;
    PrivateBus(const PrivateBus&) = delete;
    PrivateBus& operator=(const PrivateBus&) = delete;
    ~PrivateBus() { stop(); }

    static bool possible() { return ::access("/usr/bin/dbus-daemon", X_OK) == 0; }

    std::string socket() const { return (directory_.path() / "socket").string(); }
    std::string address() const { return "unix:path=" + socket(); }

    // False where it did not come up.
    bool start() {
        const auto file = (directory_.path() / "bus.conf").string();
        std::ofstream(file) << R"(<busconfig>
  <type>session</type>
  <listen>unix:path=)" << socket()
                            << R"(</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus" send_member="GetConnectionUnixUser"/>
  </policy>
</busconfig>)";
        std::string option = "--config-file=" + file;
        std::string words[] = {"dbus-daemon", option, "--nofork", "--nosyslog"};
        char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                        nullptr};
        if (::posix_spawn(&daemon_, "/usr/bin/dbus-daemon", nullptr, nullptr, argv, environ) != 0)
            return false;
        return eventually([this] { return answers(); });
    }
    void stop() {
        if (daemon_ == 0) return;
        ::kill(daemon_, SIGKILL);
        ::waitpid(daemon_, nullptr, 0);
        ::unlink(socket().c_str());
        daemon_ = 0;
    }

  private:
    // The socket's name is there before anybody listens to it.
    bool answers() const {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        socket().copy(name.sun_path, sizeof name.sun_path - 1);
        const int end = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const bool connected =
            ::connect(end, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
        ::close(end);
        return connected;
    }

    TempDirectory directory_;
    pid_t daemon_ = 0;
};

}  // namespace belay::test
