#include "tls.hpp"

#include <belay/base/log.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace belay::http {

using std::chrono::steady_clock;

TlsFiles::Stamp TlsFiles::stamp_of(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {status.st_mtim, status.st_ino};
}

Result<void> TlsFiles::load(const std::string& certificate, const std::string& key) {
    certificate_stamp_ = stamp_of(certificate);
    key_stamp_ = stamp_of(key);
    looked_ = steady_clock::now();
    auto loaded = load_certificate(certificate, key);
    if (!loaded) return loaded.error();
    auto now = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
    auto valid = check_not_expired(*loaded, certificate, now);
    // Where there is nothing better it is served all the same: some senders don't check.
    if (valid || !certificate_) certificate_ = std::move(*loaded);
    return valid;
}

Result<void> TlsFiles::use(const std::string& certificate, const std::string& key) {
    if (certificate.empty()) {
        *this = TlsFiles();
        return {};
    }
    auto loaded = load(certificate, key);
    certificate_file_ = certificate;
    key_file_ = key;
    return loaded;
}

std::shared_ptr<SSL_CTX> TlsFiles::context() {
    if (!wanted()) return nullptr;
    if (steady_clock::now() - looked_ >= std::chrono::seconds(1)) {
        looked_ = steady_clock::now();
        if (stamp_of(certificate_file_) != certificate_stamp_ ||
            stamp_of(key_file_) != key_stamp_) {
            auto loaded = load(certificate_file_, key_file_);
            if (loaded)
                log::info("the TLS certificate was read again", {{"file", certificate_file_}});
            else
                log::error("the new TLS certificate is not used; the one before stays in force",
                           {{"error", loaded.error().message}});
        }
    }
    return certificate_ ? certificate_->context : nullptr;
}

void TlsSession::Free::operator()(SSL* ssl) const {
    SSL_free(ssl);
}

TlsSession::TlsSession(const std::shared_ptr<SSL_CTX>& context, int fd)
    : ssl_(SSL_new(context.get())) {
    if (!ssl_ || SSL_set_fd(ssl_.get(), fd) != 1) {
        ssl_.reset();
        return;
    }
    SSL_set_accept_state(ssl_.get());
}

Progress TlsSession::progress(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_NONE:
            return Progress::done;
        case SSL_ERROR_WANT_READ:
            return Progress::wants_read;
        case SSL_ERROR_WANT_WRITE:
            return Progress::wants_write;
        case SSL_ERROR_ZERO_RETURN:
            return Progress::ended;
        default:
            ERR_clear_error();
            return Progress::failed;
    }
}

Progress TlsSession::handshake() {
    if (!ssl_) return Progress::failed;
    ERR_clear_error();
    return progress(SSL_do_handshake(ssl_.get()));
}

Progress TlsSession::read(char* into, std::size_t most, std::size_t& count) {
    ERR_clear_error();
    count = 0;
    return progress(SSL_read_ex(ssl_.get(), into, most, &count));
}

Progress TlsSession::write(const char* from, std::size_t size, std::size_t& count) {
    ERR_clear_error();
    count = 0;
    return progress(SSL_write_ex(ssl_.get(), from, size, &count));
}

void TlsSession::end() {
    ERR_clear_error();
    if (ssl_ && SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

}  // namespace belay::http
