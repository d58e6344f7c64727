#include <belay/base/certificate.hpp>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace belay {
namespace {

// The ciphers of TLS 1.2; those of 1.3 are all good.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// RFC 7301: a length before each name.
constexpr unsigned char kHttp11[] = "\x08http/1.1";

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;
struct FreeCertificate {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

Result<File> open_file(const std::string& path) {
    File file(std::fopen(path.c_str(), "re"));
    if (file) return file;
    if (errno == ENOENT)
        return Error{Errc::not_found, path + " does not exist: make it, or leave server.tls out"};
    if (errno == EACCES)
        return Error{Errc::forbidden,
                     fmt::format("{} can't be read by this user: make it readable for the daemon "
                                 "(`chown` or `setfacl -m u:USER:r {}`)",
                                 path, path)};
    return errno_error(errno, "reading " + path);
}

int protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in,
             unsigned int in_length, void*) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, length, kHttp11, sizeof kHttp11 - 1, in, in_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// None is asked for: a daemon has nobody who could answer.
int no_passphrase(char*, int, int, void*) {
    return 0;
}

Result<std::shared_ptr<SSL_CTX>> make_context() {
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    auto* raw = context.get();
    if (!raw || SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(raw, kCiphers) != 1 ||
        SSL_CTX_set1_groups_list(raw, "X25519:P-256:P-384") != 1)
        return Error{Errc::internal, "TLS can't be set up: " + openssl_error()};
    // No tickets and no sessions: nothing is kept that a restart or another process would have to
    // know, and forges open few connections.
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(raw, 0);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    // Few bytes for idle connections; partial writes as a socket does them.
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(raw, protocol, nullptr);
    return context;
}

Result<TimePoint> add_chain(SSL_CTX* context, const std::string& path) {
    auto file = open_file(path);
    if (!file) return file.error();
    std::unique_ptr<X509, FreeCertificate> own(
        PEM_read_X509_AUX(file->get(), nullptr, no_passphrase, nullptr));
    if (!own)
        return Error{Errc::invalid, path +
                                        " holds no certificate in PEM form (-----BEGIN "
                                        "CERTIFICATE-----)"};
    if (SSL_CTX_use_certificate(context, own.get()) != 1)
        return Error{Errc::invalid, fmt::format("{}: {}", path, openssl_error())};
    while (auto* next = PEM_read_X509(file->get(), nullptr, no_passphrase, nullptr))
        if (SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            return Error{Errc::invalid, fmt::format("{}: {}", path, openssl_error())};
        }
    ERR_clear_error();  // the end of the file
    std::tm utc{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(own.get()), &utc) != 1)
        return Error{Errc::invalid, path + " says no time until which it is valid"};
    return TimePoint(std::chrono::duration_cast<Millis>(Seconds(::timegm(&utc))));
}

Result<void> add_key(SSL_CTX* context, const std::string& path,
                     const std::string& certificate_file) {
    auto file = open_file(path);
    if (!file) return file.error();
    std::unique_ptr<EVP_PKEY, FreeKey> key(
        PEM_read_PrivateKey(file->get(), nullptr, no_passphrase, nullptr));
    if (!key) {
        openssl_error();
        return Error{Errc::invalid, fmt::format("{0} holds no private key in PEM form, or one with "
                                                "a passphrase, which nobody can enter: `openssl "
                                                "pkey -in {0}` writes it without",
                                                path)};
    }
    if (SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1)
        return {};
    openssl_error();
    return Error{Errc::invalid,
                 fmt::format("the key {} does not fit the certificate {}: they are of two pairs. "
                             "The certificate file's first certificate must be the server's own",
                             path, certificate_file)};
}

}  // namespace

std::string openssl_error() {
    auto code = ERR_get_error();
    ERR_clear_error();
    char text[256] = "no reason given";
    if (code != 0) ERR_error_string_n(code, text, sizeof text);
    return text;
}

Result<Certificate> load_certificate(const std::string& certificate_file,
                                     const std::string& key_file) {
    ERR_clear_error();
    auto context = make_context();
    if (!context) return context.error();
    auto not_after = add_chain(context->get(), certificate_file);
    if (!not_after) return not_after.error();
    auto added = add_key(context->get(), key_file, certificate_file);
    if (!added) return added.error();
    return Certificate{std::move(*context), *not_after};
}

Result<void> check_not_expired(const Certificate& certificate, const std::string& certificate_file,
                               TimePoint now) {
    if (now <= certificate.not_after) return {};
    return Error{Errc::invalid,
                 fmt::format("the certificate {} expired on {}: renew it", certificate_file,
                             format_time(certificate.not_after).substr(0, 10))};
}

}  // namespace belay
