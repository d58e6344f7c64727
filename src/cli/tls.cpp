#include "tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <poll.h>

namespace belay::cli {
namespace {

struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;

std::string reason() {
    auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return errno != 0 ? errno_error(errno, "TLS").message : "it was closed";
    const char* text = ERR_reason_error_string(code);
    return text ? text : "TLS failed";
}

bool is_address(const std::string& host) {
    std::array<unsigned char, 16> binary;
    return ::inet_pton(AF_INET, host.c_str(), binary.data()) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), binary.data()) == 1;
}

// SSL_set_tlsext_host_name() is a macro with a cast of C.
bool set_server_name(SSL* ssl, std::string name) {
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

Result<ContextPtr> make_context(const Endpoint& endpoint) {
    ContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context) return Error{Errc::internal, "TLS can't be used: " + reason()};
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_default_verify_paths(context.get());
    ERR_clear_error();  // a machine without authorities may still have --ca
    if (!endpoint.ca.empty() &&
        SSL_CTX_load_verify_locations(context.get(), endpoint.ca.c_str(), nullptr) != 1)
        return Error{Errc::invalid, "the authorities in " + endpoint.ca +
                                        " (--ca or BELAY_CA) can't be read as PEM: " + reason()};
    return context;
}

Error not_trusted(const Endpoint& endpoint, long verdict) {
    std::string text = "the certificate of " + endpoint.name() +
                       " is not trusted: " + X509_verify_cert_error_string(verdict);
    if (verdict != X509_V_ERR_HOSTNAME_MISMATCH && verdict != X509_V_ERR_IP_ADDRESS_MISMATCH &&
        verdict != X509_V_ERR_CERT_HAS_EXPIRED)
        text += "; a private authority is named by --ca FILE or BELAY_CA";
    return Error{Errc::unavailable, std::move(text)};
}

}  // namespace

void Tls::Free::operator()(SSL* ssl) const {
    SSL_free(ssl);
}

Result<Tls> Tls::connect(int fd, const Endpoint& endpoint, Deadline deadline) {
    auto context = make_context(endpoint);
    if (!context) return context.error();
    Tls tls;
    tls.ssl_.reset(SSL_new(context->get()));  // keeps the context
    auto* ssl = tls.ssl_.get();
    if (!ssl || SSL_set_fd(ssl, fd) != 1)
        return Error{Errc::internal, "TLS can't be used: " + reason()};
    // RFC 6066 §3: a server's name is sent where it is one.
    const auto& host = endpoint.host;
    bool named = is_address(host)
                     ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
                     : set_server_name(ssl, host) && SSL_set1_host(ssl, host.c_str()) == 1;
    if (!named) return Error{Errc::invalid, "\"" + host + "\" is no host's name"};
    while (true) {
        errno = 0;
        int result = SSL_connect(ssl);
        if (result == 1) return tls;
        int failure = SSL_get_error(ssl, result);
        if (failure != SSL_ERROR_WANT_READ && failure != SSL_ERROR_WANT_WRITE) {
            auto verdict = SSL_get_verify_result(ssl);
            if (verdict != X509_V_OK) {
                ERR_clear_error();
                return not_trusted(endpoint, verdict);
            }
            return Error{Errc::unavailable, "no TLS with " + endpoint.name() + ": " + reason()};
        }
        auto ready = wait_for(fd, failure == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline);
        if (!ready) return ready.error();
        if (!*ready)
            return Error{Errc::timeout, "no TLS with " + endpoint.name() + ": no answer in time"};
    }
}

Result<Moved> Tls::moved(int result, std::size_t count, const char* what) {
    Moved moved;
    if (result == 1) {
        moved.count = count;
        return moved;
    }
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            moved.wait = POLLIN;
            return moved;
        case SSL_ERROR_WANT_WRITE:
            moved.wait = POLLOUT;
            return moved;
        case SSL_ERROR_ZERO_RETURN:
            moved.ended = true;
            return moved;
        default:
            return Error{Errc::unavailable, std::string(what) + ": " + reason()};
    }
}

Result<Moved> Tls::read(char* into, std::size_t size) {
    errno = 0;
    std::size_t count = 0;
    int result = SSL_read_ex(ssl_.get(), into, size, &count);
    return moved(result, count, "broke");
}

Result<Moved> Tls::write(const char* from, std::size_t size) {
    errno = 0;
    std::size_t count = 0;
    int result = SSL_write_ex(ssl_.get(), from, size, &count);
    return moved(result, count, "broke while sending");
}

}  // namespace belay::cli
