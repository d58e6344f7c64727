#include "transfer.hpp"

#include "address.hpp"

#include <belay/base/masker.hpp>

#include <fmt/format.h>

#include <mutex>
#include <unistd.h>

namespace belay::outbound {
namespace {

void start_curl() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

long milliseconds(Millis time) {
    return static_cast<long>(time.count());
}

Errc errc_of(CURLcode code) {
    switch (code) {
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_NOT_BUILT_IN:
        case CURLE_BAD_FUNCTION_ARGUMENT:
        case CURLE_UNKNOWN_OPTION:
            return Errc::invalid;
        case CURLE_OPERATION_TIMEDOUT:
            return Errc::timeout;
        case CURLE_LOGIN_DENIED:
        case CURLE_AUTH_ERROR:
            return Errc::unauthorized;
        case CURLE_OUT_OF_MEMORY:
            return Errc::internal;
        default:
            return Errc::unavailable;
    }
}

Course::Hop hop_of(CURLcode code) {
    switch (code) {
        case CURLE_OK:
        case CURLE_WRITE_ERROR:  // more came than is kept
            return Course::Hop::done;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
            return Course::Hop::name;
        case CURLE_COULDNT_CONNECT:
            return Course::Hop::connect;
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
            return Course::Hop::tls;
        default:
            return Course::Hop::answer;
    }
}

}  // namespace

Transfer::Transfer(std::string host, const Limits& limits, std::vector<Secret> secrets)
    : host_(std::move(host)), total_(limits.total), secrets_(std::move(secrets)) {
    start_curl();
    handle_.reset(curl_easy_init());
    if (!handle_) throw std::bad_alloc();
    set(CURLOPT_ERRORBUFFER, message_);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(limits.connect));
    set(CURLOPT_TIMEOUT_MS, milliseconds(limits.total));
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!limits.ca_file.empty()) set(CURLOPT_CAINFO, limits.ca_file.c_str());
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_opensocket_callback open = &Transfer::open_socket;
    set(CURLOPT_OPENSOCKETFUNCTION, open);
    set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
}

curl_socket_t Transfer::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    if (is_refused(&address->addr)) {
        static_cast<Transfer*>(self)->refused_address_ = true;
        return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void Transfer::append(List& list, const std::string& line) {
    auto* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)list.release();
    list.reset(longer);
}

void Transfer::add_header(const std::string& line) {
    append(headers_, line);
}
void Transfer::add_recipient(const std::string& address) {
    append(recipients_, address);
}

CURLcode Transfer::perform() {
    if (headers_) set(CURLOPT_HTTPHEADER, headers_.get());
    if (recipients_) set(CURLOPT_MAIL_RCPT, recipients_.get());
    return refused_ != CURLE_OK ? refused_ : curl_easy_perform(handle_.get());
}

long Transfer::response_code() const {
    long code = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &code);
    return code;
}

Course Transfer::course(CURLcode code) const {
    auto time = [this](CURLINFO what) {
        curl_off_t microseconds = 0;
        curl_easy_getinfo(handle_.get(), what, &microseconds);
        return microseconds;
    };
    Course course;
    course.failed_at = refused_address_ ? Course::Hop::connect : hop_of(code);
    course.certificate = code == CURLE_PEER_FAILED_VERIFICATION;
    char* ip = nullptr;
    long port = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(handle_.get(), CURLINFO_PRIMARY_PORT, &port);
    if (ip != nullptr && *ip != '\0') {
        const bool v6 = std::string_view(ip).find(':') != std::string_view::npos;
        course.peer = fmt::format("{}{}{}:{}", v6 ? "[" : "", ip, v6 ? "]" : "", port);
    }
    // Whatever it waited for first had not come; a peer is known once the connection stands, even
    // where TLS on it does not.
    if (code == CURLE_OPERATION_TIMEDOUT)
        course.failed_at = time(CURLINFO_NAMELOOKUP_TIME_T) == 0           ? Course::Hop::name
                           : course.peer.empty()                           ? Course::Hop::connect
                           : tls_ && time(CURLINFO_APPCONNECT_TIME_T) == 0 ? Course::Hop::tls
                                                                           : Course::Hop::answer;
    course.took = Millis{time(CURLINFO_TOTAL_TIME_T) / 1'000};
    return course;
}

std::string Transfer::masked(std::string text) const {
    Masker masker(secrets_);
    auto shown = masker.feed(text);
    return shown + masker.flush();
}

Error Transfer::error(CURLcode code) const {
    if (refused_address_)
        return {Errc::forbidden,
                fmt::format("{} leads to a link-local or metadata address, which Belay never "
                            "connects to",
                            host_)};
    if (code == CURLE_OPERATION_TIMEDOUT)
        return {Errc::timeout,
                fmt::format("{} did not answer within {}", host_, format_duration(total_))};
    std::string why = message_[0] != '\0' ? message_ : curl_easy_strerror(code);
    return {errc_of(code), masked(fmt::format("{}: {}", host_, why))};
}

}  // namespace belay::outbound
