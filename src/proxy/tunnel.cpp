#include "tunnel.hpp"

#include <utility>

namespace belay::proxy {
namespace {

constexpr Millis kGoodbye{2'000};  // for frames under way, and for the other side's close
constexpr std::int64_t kGoodbyeUs = 2'000'000;
constexpr Millis kStall{60'000};  // for a side that takes nothing

}  // namespace

Tunnel::Tunnel(Plane& plane, std::shared_ptr<Release> release, const Entrance& entrance,
               bool websocket)
    : plane_(plane), release_(std::move(release)), entrance_(entrance), websocket_(websocket) {
    ++release_->counters.open_streams;
    place_ = release_->streams.insert(release_->streams.end(), this);
}

Tunnel::~Tunnel() {
    if (client_) client_->observe(nullptr);
    if (listed_) release_->streams.erase(place_);
    --release_->counters.open_streams;
}

// The caller has taken it off the release's list.
void Tunnel::go_away() {
    listed_ = false;
    leaving_ = true;
    left_at_us_ = plane_.loop.now_us();
    if (websocket_) {
        told_ = true;
        app_->interrupt_read();
    } else {
        app_->cancel();
        client_->cancel();
    }
}

Flow<> Tunnel::run(Stream& client, Buffer& from_client, Stream& app, Buffer& from_app) {
    client_ = &client;
    app_ = &app;
    up_ = &from_client;
    down_ = &from_app;
    pump_up().start();
    half_closed_ = co_await pump_down();
    if (half_closed_) {
        client.read_within(kGoodbye);
    } else {
        app.cancel();
        client.cancel();
    }
    co_await up_end_;
}

Flow<> Tunnel::pump_up() {
    for (;;) {
        if (!up_->empty()) {
            auto result = co_await app_->write(up_->view(), kStall);
            if (result.status != Io::ok) break;
            up_->drop();
        }
        auto ready = co_await client_->readable(half_closed_ ? kGoodbye : kForever);
        if (ready.status != Io::ok) {
            app_->cancel();
            break;
        }
        up_->reserve();
        auto result = co_await client_->read(up_->space(), up_->space_size(), kForever);
        if (result.status == Io::eof) {
            app_->finish_writing();
            break;
        }
        if (result.status != Io::ok) {
            app_->cancel();  // the client is gone: so is the reason to listen to the app
            break;
        }
        up_->filled(result.bytes);
        if (up_->space_size() == 0) co_await Yield(plane_.loop);
    }
    client_->observe(this);
    on_unread(*client_);
    up_end_.open();
}

// Nobody reads from the client any more. When it is gone for good as well, or its session is
// canceled, an app that stays silent must not hold the connection.
void Tunnel::on_unread(Stream&) {
    if (client_->broken()) app_->cancel();
}

Flow<bool> Tunnel::pass_down() {
    auto bytes = down_->view();
    auto boundary = websocket_ ? frames_.track(bytes) : bytes.size();
    bool last = leaving_ && boundary > 0;
    auto part = last ? bytes.substr(0, boundary) : bytes;
    auto result = co_await client_->write(part, kStall);
    down_->drop();
    if (last) frames_ = FrameTracker();  // the rest is not passed on
    co_return result.status == Io::ok;
}

// True when the app ended its direction in good order, and the other may go on.
Flow<bool> Tunnel::pump_down() {
    for (;;) {
        bool passed = true;
        if (!down_->empty()) passed = co_await pass_down();
        if (!passed) co_return false;
        if (leaving_ && frames_.at_boundary()) break;
        if (leaving_ && plane_.loop.now_us() - left_at_us_ > kGoodbyeUs) co_return false;
        auto ready = co_await app_->readable(leaving_ ? kGoodbye : kForever);
        if (ready.status == Io::interrupted && std::exchange(told_, false)) continue;
        if (ready.status != Io::ok) co_return false;
        down_->reserve();
        auto result = co_await app_->read(down_->space(), down_->space_size(), kForever);
        if (result.status != Io::ok) {
            if (result.status == Io::eof) client_->finish_writing();
            co_return result.status == Io::eof && !leaving_;
        }
        down_->filled(result.bytes);
        if (down_->space_size() == 0) co_await Yield(plane_.loop);
    }
    co_await say_goodbye();
    co_return false;
}

// The client answers with its own close frame, which goes up to the app as any other; the app then
// closes.
Flow<> Tunnel::say_goodbye() {
    auto said = co_await client_->write(kGoingAway, kGoodbye);
    if (said.status != Io::ok) co_return;
    auto deadline = plane_.loop.now_us() + kGoodbyeUs;
    while (plane_.loop.now_us() < deadline) {
        down_->reserve();
        auto result = co_await app_->read(down_->space(), down_->space_size(), kGoodbye);
        if (result.status != Io::ok) break;
    }
    client_->finish_writing();
}

}  // namespace belay::proxy
