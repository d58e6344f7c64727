// The request's body on its way to the app, while the answer may already be coming.
#include "exchange.hpp"

#include <algorithm>

namespace belay::proxy {
namespace {

// Of a body that the app did not want to read to its end: worth reading to keep the connection, up
// to here.
constexpr std::size_t kDiscardMax = 1024 * 1024;

}  // namespace

// Looks at what came with the head. False: it is not what the head says.
bool Exchange::inspect_body() {
    auto there = in_.size() - head_size_;
    if (framing_ == Framing::chunked) {
        auto progress = body_scanner_.scan(in_.data() + head_size_, there);
        if (progress.bad) return false;
        body_size_ = progress.consumed;
        body_kept_ = progress.kept;
        whole_ = progress.done;
    } else {
        body_size_ = body_kept_ =
            static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, there));
        whole_ = body_size_ == body_left_;
    }
    body_seen_ = body_size_ > 0;
    last_piece_ = whole_;
    return true;
}

// What of in_ is to be forwarded next; `consumed` bytes of it are done with then.
std::string_view Exchange::take_body_piece(std::size_t& consumed) {
    auto kept = std::exchange(body_kept_, 0);
    consumed = std::exchange(body_size_, 0);
    if (framing_ == Framing::chunked && consumed == 0) {
        auto progress = body_scanner_.scan(in_.data(), in_.size());
        client_misspoke_ = progress.bad;
        last_piece_ = progress.done;
        consumed = progress.consumed;
        kept = progress.kept;
    } else if (framing_ != Framing::chunked) {
        kept = consumed = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, in_.size()));
        body_left_ -= consumed;
        last_piece_ = body_left_ == 0;
    }
    return in_.view().substr(0, kept);
}

Flow<bool> Exchange::fetch_body_bytes() {
    in_.reserve();
    auto got = co_await client_.read(in_.space(), in_.space_size(), plane_.options.body_timeout);
    if (got.status == Io::ok) {
        if (got.bytes == in_.space_size()) co_await Yield(plane_.loop);
        in_.filled(got.bytes);
        body_seen_ = true;
        co_return true;
    }
    client_late_ = got.status == Io::timeout;
    client_failed_ = got.status == Io::eof || got.status == Io::failed;
    co_return false;
}

Flow<> Exchange::upload() {
    while (!body_done_ && !upload_stop_) {
        bool there = !in_.empty();
        if (!there) there = co_await fetch_body_bytes();
        if (!there) break;
        if (upload_stop_) break;
        std::size_t consumed = 0;
        auto piece = take_body_piece(consumed);
        if (client_misspoke_) break;
        auto sent = co_await upstream_->stream.write(piece, plane_.options.body_timeout);
        in_.consume(consumed);
        body_done_ = last_piece_;
        // The app no longer listens; what it says about that may still come.
        upload_broken_ = sent.status != Io::ok;
        if (upload_broken_) break;
    }
    uploading_ = false;
    if (client_late_ || client_failed_ || client_misspoke_)
        upstream_->stream.interrupt_read();
    else if (!upload_stop_)
        upstream_->stream.read_within(live_->route.response_timeout);
    upload_end_.open();
}

Flow<> Exchange::stop_upload() {
    upload_stop_ = true;
    client_.interrupt_read();
    upstream_->stream.interrupt_write();
    co_await upload_end_;
}

// The answer is out. Reads what is left of the request, so that the next one can be found.
Flow<After> Exchange::finish_request(bool keep) {
    if (whole_) {
        in_.consume(head_size_ + body_size_);
        body_done_ = true;
    }
    bool never_coming = head_.expects_continue && !body_seen_;
    std::size_t discarded = 0;
    while (!body_done_ && keep && !never_coming && discarded < kDiscardMax && !client_misspoke_) {
        bool there = !in_.empty();
        if (!there) there = co_await fetch_body_bytes();
        if (!there) break;
        std::size_t consumed = 0;
        take_body_piece(consumed);
        in_.consume(consumed);
        discarded += consumed;
        body_done_ = last_piece_ && !client_misspoke_;
    }
    if (!body_done_ || (!keep && !in_.empty())) co_return After::linger;
    co_return keep ? After::keep : After::close;
}

}  // namespace belay::proxy
