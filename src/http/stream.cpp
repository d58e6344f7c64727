#include "stream.hpp"

#include <fmt/format.h>

namespace belay::http {

Task<bool> Stream::send(std::string bytes) {
    if (connection_.gone.is_set()) co_return false;
    connection_.expires_after(options_.write_timeout);
    auto failure = co_await connection_.write(std::move(bytes), std::string());
    connection_.expires_never();
    if (failure) connection_.close();
    co_return !failure;
}

Task<bool> Stream::begin(std::string content_type, Headers headers) {
    begun_ = true;
    connection_.enter(Phase::streaming);
    connection_.expires_never();
    Response response;
    response.content_type = std::move(content_type);
    response.headers = std::move(headers);
    tasks_.spawn("watch", connection_.watch());
    auto head = response_head(response, std::nullopt, false, version_);
    co_return co_await send(std::move(head));
}

Task<bool> Stream::write(std::string bytes) {
    if (bytes.empty()) co_return !connection_.gone.is_set();
    if (version_ != 10) bytes = fmt::format("{:x}\r\n", bytes.size()) + std::move(bytes) + "\r\n";
    co_return co_await send(std::move(bytes));
}

Task<bool> Stream::end(Headers trailers) {
    if (version_ == 10) co_return !connection_.gone.is_set();
    std::string last = "0\r\n";
    for (const auto& [name, value] : trailers)
        last += fmt::format("{}: {}\r\n", name, value);
    last += "\r\n";
    co_return co_await send(std::move(last));
}

}  // namespace belay::http
