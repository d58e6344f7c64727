// One libcurl transfer with what holds for all of them: deadlines, TLS, addresses, and errors that
// tell no secret.
#pragma once

#include <belay/outbound/outbound.hpp>

#include <curl/curl.h>
#include <memory>
#include <string>
#include <vector>

namespace belay::outbound {

class Transfer {
  public:
    // `host` is shown in errors; `secrets` are not.
    Transfer(std::string host, const Limits& limits, std::vector<Secret> secrets);
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    template <class Value>
    void set(CURLoption option, Value value) {
        auto set = curl_easy_setopt(handle_.get(), option, value);
        if (set != CURLE_OK && refused_ == CURLE_OK) refused_ = set;
    }
    // One more line of a list; the list lives as long as the transfer.
    void add_header(const std::string& line);
    void add_recipient(const std::string& address);

    // Only for course(): whether the URL begins with https.
    void expect_tls(bool tls) { tls_ = tls; }
    CURLcode perform();
    long response_code() const;
    // How far perform() came.
    Course course(CURLcode code) const;
    // How perform() failed, for the caller.
    Error error(CURLcode code) const;
    std::string masked(std::string text) const;

  private:
    struct FreeHandle {
        void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    };
    struct FreeList {
        void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    };
    using List = std::unique_ptr<curl_slist, FreeList>;

    static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
    static void append(List& list, const std::string& line);

    std::string host_;
    Millis total_;
    std::vector<Secret> secrets_;
    std::unique_ptr<CURL, FreeHandle> handle_;
    List headers_;
    List recipients_;
    CURLcode refused_ = CURLE_OK;
    bool refused_address_ = false;
    bool tls_ = false;
    char message_[CURL_ERROR_SIZE] = {};
};

}  // namespace belay::outbound
