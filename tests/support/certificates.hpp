// Self-signed certificates for tests, and a TLS client that shares no code with the servers.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace belay::test {

// Writes PATH.crt and PATH.key; valid from a day ago for so many seconds from now on.
inline void write_certificate(const std::string& path, const std::string& name,
                              long seconds = 3600) {
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    std::unique_ptr<X509, void (*)(X509*)> made(X509_new(), X509_free);
    if (!key || !made) throw std::runtime_error("no certificate could be made");
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -86'400);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), seconds);
    X509_set_pubkey(made.get(), key.get());
    auto* subject = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made.get(), subject);
    X509_sign(made.get(), key.get(), EVP_sha256());
    // As tools that renew do it: a new file under the old name.
    auto write = [&](const std::string& file, auto put) {
        auto* out = std::fopen((file + ".new").c_str(), "we");
        if (!out) throw std::runtime_error("can't write " + file);
        put(out);
        std::fclose(out);
        if (std::rename((file + ".new").c_str(), file.c_str()) != 0)
            throw std::runtime_error("can't name " + file);
    };
    write(path + ".crt", [&](std::FILE* out) { PEM_write_X509(out, made.get()); });
    write(path + ".key", [&](std::FILE* out) {
        PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

// Over a connected, blocking socket with time-outs, which it closes.
class TlsClient {
  public:
    explicit TlsClient(int fd, int version = 0, std::string_view alpn = {}) : fd_(fd) {
        SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
        if (version != 0) {
            SSL_CTX_set_security_level(context_.get(), 0);
            SSL_CTX_set_min_proto_version(context_.get(), version);
            SSL_CTX_set_max_proto_version(context_.get(), version);
        }
        ssl_.reset(SSL_new(context_.get()));
        if (!alpn.empty()) {
            std::string wire(1, static_cast<char>(alpn.size()));
            wire += alpn;
            SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size()));
        }
        SSL_set_fd(ssl_.get(), fd_);
        connected_ = SSL_connect(ssl_.get()) == 1;
    }
    TlsClient(const TlsClient&) = delete;
    ~TlsClient() {
        ssl_.reset();
        ::close(fd_);
    }

    bool connected() const { return connected_; }
    std::string protocol() const { return SSL_get_version(ssl_.get()); }
    std::string alpn() const {
        const unsigned char* name = nullptr;
        unsigned length = 0;
        SSL_get0_alpn_selected(ssl_.get(), &name, &length);
        return {reinterpret_cast<const char*>(name), length};
    }
    std::string server_name() const {
        std::unique_ptr<X509, void (*)(X509*)> peer(SSL_get1_peer_certificate(ssl_.get()),
                                                    X509_free);
        char name[256] = "";
        if (peer)
            X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name,
                                      sizeof name);
        return name;
    }
    bool send(std::string_view bytes) {
        return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
               static_cast<int>(bytes.size());
    }
    // Until so many bytes have come, or the end.
    std::string read(std::size_t count) {
        std::string bytes;
        char piece[16384];
        while (bytes.size() < count) {
            auto got = SSL_read(ssl_.get(), piece, sizeof piece);
            if (got <= 0) break;
            bytes.append(piece, static_cast<std::size_t>(got));
        }
        return bytes;
    }
    std::string until_closed() { return read(std::string::npos); }

  private:
    int fd_;
    bool connected_ = false;
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{SSL_CTX_new(TLS_client_method()),
                                                          SSL_CTX_free};
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
};

}  // namespace belay::test
