// The answer's body on its way to the client, in each of its framings.
#include "exchange.hpp"

#include <algorithm>
#include <cstdio>

namespace belay::proxy {

Flow<bool> Exchange::to_client(std::string_view a, std::string_view b, std::string_view c) {
    auto sent = co_await client_.write(a, b, c, plane_.options.body_timeout);
    client_took_ = sent.status == Io::ok;
    co_return client_took_;
}

// More of the answer into out_, which is empty.
Flow<bool> Exchange::more() {
    out_.reserve();
    auto timeout = uploading_ ? kForever : plane_.options.body_timeout;
    auto got = co_await upstream_->stream.read(out_.space(), out_.space_size(), timeout);
    if (got.status == Io::ok) {
        // A fast app and a fast client could go on for ever: others want to be served, too.
        if (got.bytes == out_.space_size()) co_await Yield(plane_.loop);
        out_.filled(got.bytes);
        co_return true;
    }
    if (got.status == Io::interrupted) client_took_ = false;
    app_late_ = got.status == Io::timeout;
    answer_ended_ = got.status == Io::eof;
    co_return false;
}

Flow<bool> Exchange::pass_body(std::string_view head, Answering::Coding coding) {
    using Coding = Answering::Coding;
    switch (answer_.framing) {
        case Framing::none:
            co_return co_await to_client(head);
        case Framing::length:
            co_return co_await pass_length(head);
        case Framing::chunked:
            co_return co_await pass_chunked(head, coding == Coding::plain);
        case Framing::until_close:
            break;
    }
    co_return co_await pass_until_close(head, coding == Coding::chunked);
}

Flow<bool> Exchange::pass_length(std::string_view head) {
    auto left = answer_.length;
    for (;;) {
        auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, out_.size()));
        bool taken = co_await to_client(head, out_.view().substr(0, size));
        if (!taken) co_return false;
        head = {};
        out_.consume(size);
        left -= size;
        if (left == 0) co_return true;
        bool came = co_await more();
        if (!came) co_return false;
    }
}

Flow<bool> Exchange::pass_chunked(std::string_view head, bool strip) {
    ChunkScanner scanner(strip);
    for (;;) {
        auto progress = scanner.scan(out_.data(), out_.size());
        if (progress.bad) co_return false;
        bool taken = co_await to_client(head, out_.view().substr(0, progress.kept));
        if (!taken) co_return false;
        head = {};
        out_.consume(progress.consumed);
        if (progress.done) co_return true;
        bool came = co_await more();
        if (!came) co_return false;
    }
}

Flow<bool> Exchange::pass_until_close(std::string_view head, bool as_chunks) {
    char size[24];
    for (;;) {
        if (!out_.empty() || !head.empty()) {
            std::string first(head);
            bool sized = as_chunks && !out_.empty();
            if (sized) {
                std::snprintf(size, sizeof size, "%zx\r\n", out_.size());
                first += size;
            }
            const std::string_view tail = sized ? "\r\n" : "";
            bool taken = co_await to_client(first, out_.view(), tail);
            if (!taken) co_return false;
            head = {};
            out_.drop();
        }
        bool came = co_await more();
        if (came) continue;
        if (!answer_ended_) co_return false;
        if (!as_chunks) co_return true;
        co_return co_await to_client("0\r\n\r\n");
    }
}

}  // namespace belay::proxy
