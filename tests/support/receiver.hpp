// Starts receiver.py and reads what came to it.
#pragma once

#include "support/git_process.hpp"
#include "support/temp_directory.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>
#include <vector>

namespace belay::test {

// A certificate for localhost and 127.0.0.1 that signs itself; PEM files in the directory.
inline void make_certificate(const TempDirectory& directory) {
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", directory / "key.pem", "-out",
         directory / "cert.pem"});
}

class Receiver {
  public:
    // `kind` and `script` as in receiver.py. Debian's own Python, as python3-aiosmtpd is there.
    Receiver(const TempDirectory& directory, const std::string& kind,
             const std::string& script = "[{}]")
        : log_(directory / (kind + ".log")) {
        Argv argv{"/usr/bin/python3", BELAY_SOURCE_DIR "/tests/support/receiver.py", kind, log_,
                  script};
        if (kind == "https" || kind == "smtp") {
            argv.push_back(directory / "cert.pem");
            argv.push_back(directory / "key.pem");
        }
        server_ = Server(argv);
        port_ = std::stoi(server_.first_line());
    }

    int port() const { return port_; }
    std::string url(const std::string& path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }
    std::vector<nlohmann::json> received() const {
        std::vector<nlohmann::json> all;
        std::ifstream file(log_);
        for (std::string line; std::getline(file, line);)
            all.push_back(nlohmann::json::parse(line));
        return all;
    }
    void stop() { server_.stop(); }

  private:
    std::string log_;
    Server server_;
    int port_ = 0;
};

}  // namespace belay::test
