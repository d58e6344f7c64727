// TLS on the listener: the pair of files in force, and one connection's session.
#pragma once

#include <belay/base/certificate.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <sys/stat.h>

namespace belay::http {

// Loop thread only.
class TlsFiles {
  public:
    // Both empty: no TLS. Errors as those of load_certificate, and of a certificate whose time is
    // over; what was in force stays so then.
    Result<void> use(const std::string& certificate, const std::string& key);

    bool wanted() const { return !certificate_file_.empty(); }
    // Of the certificate in force; none: there is none.
    std::optional<TimePoint> ends() const {
        if (!certificate_) return std::nullopt;
        return certificate_->not_after;
    }
    // For a new connection; null where there is no TLS, or no pair that works. Looks whether the
    // files have changed, once a second at most: a pair that does not work is said in the log and
    // changes nothing.
    std::shared_ptr<SSL_CTX> context();

  private:
    struct Stamp {
        timespec changed{};
        ino_t file = 0;
        bool operator==(const Stamp& other) const {
            return changed.tv_sec == other.changed.tv_sec &&
                   changed.tv_nsec == other.changed.tv_nsec && file == other.file;
        }
    };
    static Stamp stamp_of(const std::string& path);
    Result<void> load(const std::string& certificate, const std::string& key);

    std::string certificate_file_;
    std::string key_file_;
    std::optional<Certificate> certificate_;
    Stamp certificate_stamp_;
    Stamp key_stamp_;
    std::chrono::steady_clock::time_point looked_{};
};

// What a call could do, or what has to happen on the socket before it is made again.
enum class Progress { done, wants_read, wants_write, ended, failed };

// Over a non-blocking socket. One thread at a time.
class TlsSession {
  public:
    TlsSession(const std::shared_ptr<SSL_CTX>& context, int fd);

    Progress handshake();
    Progress read(char* into, std::size_t most, std::size_t& count);
    Progress write(const char* from, std::size_t size, std::size_t& count);
    // Says that nothing more will be sent.
    void end();

  private:
    Progress progress(int result);

    struct Free {
        void operator()(SSL* ssl) const;
    };
    std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace belay::http
