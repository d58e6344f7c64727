#include <belay/base/log.hpp>
#include <belay/sys/bus.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <list>
#include <poll.h>
#include <string_view>
#include <systemd/sd-bus.h>
#include <utility>

namespace belay::sys {

void BusMessageRelease::operator()(sd_bus_message* message) const {
    ::sd_bus_message_unref(message);
}

namespace {

namespace asio = boost::asio;

constexpr Millis kFirstPause{100};  // between attempts to connect
constexpr Millis kLongestPause{5'000};

struct SlotRelease {
    void operator()(sd_bus_slot* slot) const { ::sd_bus_slot_unref(slot); }
};
using Slot = std::unique_ptr<sd_bus_slot, SlotRelease>;

std::string system_address() {
    const char* given = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    return given != nullptr && *given != '\0' ? given : "unix:path=/run/dbus/system_bus_socket";
}

const char* or_null(const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
}

Errc code_of(std::string_view name) {
    auto is = [&](std::initializer_list<std::string_view> names) {
        return std::any_of(names.begin(), names.end(),
                           [&](std::string_view one) { return name.ends_with(one); });
    };
    if (is({".AccessDenied", ".AuthFailed", ".InteractiveAuthorizationRequired"}))
        return Errc::forbidden;
    if (is({".NoSuchUnit", ".UnknownObject", ".FileNotFound", ".NoSuchProcess"}))
        return Errc::not_found;
    if (is({".ServiceUnknown", ".NameHasNoOwner", ".NoServer", ".Disconnected", ".NoReply"}))
        return Errc::unavailable;
    if (is({".Timeout", ".TimedOut"})) return Errc::timeout;
    if (is({".UnitExists", ".FileExists", ".UnitMasked", ".TransactionIsDestructive",
            ".NoSuchDynamicUser", ".UnitInactive"}))
        return Errc::conflict;
    if (is({".InvalidArgs", ".JobTypeNotApplicable", ".BadUnitSetting", ".LoadFailed",
            ".UnknownMethod", ".OnlyByDependency"}))
        return Errc::invalid;
    if (is({".LimitsExceeded", ".NoMemory"})) return Errc::limit;
    return Errc::internal;
}

// A call under way; the frame that waits for it owns it.
struct Pending {
    async::Event done;
    BusMessage reply;
    Slot slot;
};

int on_reply(sd_bus_message* message, void* data, sd_bus_error*) {
    auto* pending = static_cast<Pending*>(data);
    pending->reply.reset(::sd_bus_message_ref(message));
    pending->done.set();
    return 1;
}

}  // namespace

// Shared with the waits and calls under way.
class Bus::Link : public std::enable_shared_from_this<Link> {
  public:
    Link(asio::any_io_executor executor, async::Timers& timers, std::string address)
        : executor_(std::move(executor)),
          timers_(timers),
          address_(address.empty() ? system_address() : std::move(address)) {}

    Task<Result<BusMessage>> call(BusMethod method, Write write);
    async::Subscription listen(BusMatch match, OnSignal callback);
    async::Subscription on_connected(std::function<void()> callback);
    bool connected() const { return connected_; }
    void close();

  private:
    struct Listener {
        BusMatch match;
        OnSignal callback;
        Slot slot;
        bool ended = false;
    };
    struct Watcher {
        std::function<void()> callback;
    };

    Result<void> connect();
    Error unreachable(int error_number) const;
    int add(Listener& listener);
    void pump();
    void arm();
    void wait(asio::posix::stream_descriptor::wait_type what, bool& waiting);
    void drop();
    void connect_later();
    void stand();
    Error error_in(sd_bus_message* reply, const BusMethod& method, bool late) const;

    asio::any_io_executor executor_;
    async::Timers& timers_;
    std::string address_;
    sd_bus* bus_ = nullptr;
    std::shared_ptr<asio::posix::stream_descriptor> descriptor_;
    bool connected_ = false;
    bool processing_ = false;
    bool reading_ = false;
    bool writing_ = false;
    bool closed_ = false;
    bool told_ = false;  // that it is away
    Millis pause_ = kFirstPause;
    async::Subscription wake_;
    async::Subscription again_;
    std::list<std::shared_ptr<Listener>> listeners_;
    std::list<std::shared_ptr<Watcher>> watchers_;
    std::list<std::weak_ptr<Pending>> pending_;
};

Error Bus::Link::unreachable(int error_number) const {
    return Error{
        Errc::unavailable,
        fmt::format("the system's message bus at {} can't be reached ({}): where systemd runs, "
                    "install `dbus` and see `systemctl status dbus.socket`",
                    address_, std::strerror(error_number))};
}

Result<void> Bus::Link::connect() {
    if (bus_ != nullptr) return {};
    if (closed_) return Error{Errc::canceled, "the connection to the message bus is closed"};
    sd_bus* made = nullptr;
    int code = ::sd_bus_new(&made);
    if (code >= 0) code = ::sd_bus_set_address(made, address_.c_str());
    if (code >= 0) code = ::sd_bus_set_bus_client(made, 1);
    if (code >= 0) code = ::sd_bus_set_connected_signal(made, 1);
    if (code >= 0) code = ::sd_bus_start(made);
    if (code < 0) {
        ::sd_bus_unref(made);
        return unreachable(-code);
    }
    const int own = ::fcntl(::sd_bus_get_fd(made), F_DUPFD_CLOEXEC, 0);
    if (own < 0) {
        const int why = errno;
        ::sd_bus_close_unref(made);
        return unreachable(why);
    }
    bus_ = made;
    descriptor_ = std::make_shared<asio::posix::stream_descriptor>(executor_, own);
    reading_ = writing_ = connected_ = false;
    auto standing = [](sd_bus_message*, void* data, sd_bus_error*) {
        static_cast<Link*>(data)->stand();
        return 0;
    };
    ::sd_bus_match_signal_async(bus_, nullptr, "org.freedesktop.DBus.Local", nullptr,
                                "org.freedesktop.DBus.Local", "Connected", standing, nullptr, this);
    for (auto& listener : listeners_)
        add(*listener);
    arm();
    return {};
}

void Bus::Link::stand() {
    connected_ = true;
    pause_ = kFirstPause;
    if (std::exchange(told_, false)) log::info("the message bus is back");
    auto watchers = watchers_;
    for (auto& watcher : watchers)
        if (watcher->callback) watcher->callback();
}

int Bus::Link::add(Listener& listener) {
    auto heard = [](sd_bus_message* message, void* data, sd_bus_error*) {
        auto* one = static_cast<Listener*>(data);
        if (!one->ended) one->callback(message);
        return 0;
    };
    sd_bus_slot* slot = nullptr;
    const auto& match = listener.match;
    const int code = ::sd_bus_match_signal_async(bus_, &slot, or_null(match.sender),
                                                 or_null(match.path), or_null(match.interface),
                                                 or_null(match.member), heard, nullptr, &listener);
    listener.slot.reset(slot);
    return code;
}

async::Subscription Bus::Link::listen(BusMatch match, OnSignal callback) {
    auto listener = std::make_shared<Listener>();
    listener->match = std::move(match);
    listener->callback = std::move(callback);
    listeners_.push_back(listener);
    if (bus_ != nullptr) {
        add(*listener);
        arm();
    } else if (!closed_) {
        auto connected = connect();
        if (!connected) connect_later();
    }
    return async::Subscription([weak = weak_from_this(), listener] {
        listener->ended = true;
        auto link = weak.lock();
        if (!link) return;
        // Not now, as it may be the callback that ends it.
        asio::post(link->executor_, [link, listener] {
            listener->slot.reset();
            link->listeners_.remove(listener);
            if (link->bus_ != nullptr) link->arm();
        });
    });
}

async::Subscription Bus::Link::on_connected(std::function<void()> callback) {
    auto watcher = std::make_shared<Watcher>();
    watcher->callback = std::move(callback);
    watchers_.push_back(watcher);
    return async::Subscription([weak = weak_from_this(), watcher] {
        watcher->callback = nullptr;
        if (auto link = weak.lock()) link->watchers_.remove(watcher);
    });
}

// sd_bus_process(3) is called until it has nothing more to do.
void Bus::Link::pump() {
    if (bus_ == nullptr || processing_) return;
    processing_ = true;
    int code = 0;
    do {
        code = ::sd_bus_process(bus_, nullptr);
    } while (code > 0 && !closed_);
    processing_ = false;
    if (code < 0 || closed_) return drop();
    arm();
}

void Bus::Link::wait(asio::posix::stream_descriptor::wait_type what, bool& waiting) {
    if (waiting) return;
    waiting = true;
    auto descriptor = descriptor_;
    descriptor->async_wait(
        what, [self = shared_from_this(), descriptor, &waiting](boost::system::error_code failure) {
            // `waiting` is the next connection's where there is one.
            if (self->descriptor_ != descriptor) return;
            waiting = false;
            if (failure == asio::error::operation_aborted) return;
            self->pump();
        });
}

void Bus::Link::arm() {
    if (bus_ == nullptr || processing_) return;
    const int events = ::sd_bus_get_events(bus_);
    std::uint64_t until = UINT64_MAX;
    if (events < 0 || ::sd_bus_get_timeout(bus_, &until) < 0) return drop();
    if ((events & POLLIN) != 0) wait(asio::posix::stream_descriptor::wait_read, reading_);
    if ((events & POLLOUT) != 0) wait(asio::posix::stream_descriptor::wait_write, writing_);
    wake_.end();
    if (until == UINT64_MAX) return;
    timespec clock{};
    ::clock_gettime(CLOCK_MONOTONIC, &clock);
    const auto now = static_cast<std::uint64_t>(clock.tv_sec) * 1'000'000 +
                     static_cast<std::uint64_t>(clock.tv_nsec) / 1'000;
    const auto left = until > now ? (until - now + 999) / 1'000 : 0;
    wake_ = timers_.after(Millis{static_cast<std::int64_t>(left)},
                          [self = shared_from_this()] { self->pump(); });
}

void Bus::Link::drop() {
    if (bus_ == nullptr) return;
    const bool stood = std::exchange(connected_, false);
    wake_.end();
    for (auto& listener : listeners_)
        listener->slot.reset();
    for (auto& weak : pending_)
        if (auto pending = weak.lock()) {
            pending->slot.reset();
            pending->done.set();
        }
    pending_.clear();
    boost::system::error_code ignored;
    descriptor_->close(ignored);
    descriptor_ = nullptr;
    ::sd_bus_close_unref(std::exchange(bus_, nullptr));
    if (stood && !closed_ && !std::exchange(told_, true))
        log::warning("the message bus went away", {{"address", address_}});
    connect_later();
}

void Bus::Link::connect_later() {
    if (closed_ || listeners_.empty()) return;
    again_ = timers_.after(pause_, [weak = weak_from_this()] {
        auto self = weak.lock();
        if (!self || self->closed_ || self->bus_ != nullptr) return;
        auto connected = self->connect();
        if (!connected) self->connect_later();
    });
    pause_ = std::min(pause_ * 2, kLongestPause);
}

void Bus::Link::close() {
    closed_ = true;
    again_.end();
    for (auto& listener : listeners_)
        listener->ended = true;
    for (auto& watcher : watchers_)
        watcher->callback = nullptr;
    if (!processing_) drop();
}

Error Bus::Link::error_in(sd_bus_message* reply, const BusMethod& method, bool late) const {
    if (reply == nullptr)
        return Error{
            Errc::unavailable,
            fmt::format("the message bus went away before {} was answered", method.member)};
    const sd_bus_error* error = ::sd_bus_message_get_error(reply);
    const std::string_view name = error->name != nullptr ? error->name : "";
    if (name.ends_with(".NoReply") && late)
        return Error{Errc::timeout, fmt::format("{} was not answered within {}", method.member,
                                                format_duration(method.timeout))};
    return Error{
        code_of(name),
        fmt::format("{} [{}]", error->message != nullptr ? error->message : "refused", name)};
}

Task<Result<BusMessage>> Bus::Link::call(BusMethod method, Write write) {
    auto self = shared_from_this();
    auto linked = connect();
    if (!linked) co_return linked.error();
    sd_bus_message* made = nullptr;
    int code = ::sd_bus_message_new_method_call(bus_, &made, or_null(method.destination),
                                                method.path.c_str(), or_null(method.interface),
                                                method.member.c_str());
    BusMessage message(made);
    if (code >= 0 && write) code = write(made);
    if (code < 0) co_return errno_error(-code, "composing a call of " + method.member);
    auto pending = std::make_shared<Pending>();
    sd_bus_slot* slot = nullptr;
    const auto asked = timers_.steady_now();
    code = ::sd_bus_call_async(bus_, &slot, made, on_reply, pending.get(),
                               static_cast<std::uint64_t>(method.timeout.count()) * 1'000);
    if (code < 0) co_return unreachable(-code);
    pending->slot.reset(slot);
    pending_.remove_if([](const std::weak_ptr<Pending>& one) { return one.expired(); });
    pending_.push_back(pending);
    arm();
    co_await pending->done.wait();
    pending->slot.reset();
    const bool late = timers_.steady_now() - asked >= method.timeout;
    auto* reply = pending->reply.get();
    if (reply == nullptr || ::sd_bus_message_is_method_error(reply, nullptr) > 0)
        co_return error_in(reply, method, late);
    co_return std::move(pending->reply);
}

Bus::Bus(asio::any_io_executor executor, async::Timers& timers, std::string address)
    : link_(std::make_shared<Link>(std::move(executor), timers, std::move(address))) {}

Bus::~Bus() {
    link_->close();
}

Task<Result<BusMessage>> Bus::call(BusMethod method, Write write) {
    return link_->call(std::move(method), std::move(write));
}

Task<Result<std::string>> Bus::property(std::string destination, std::string path,
                                        std::string interface, std::string name) {
    BusMethod method;
    method.destination = std::move(destination);
    method.path = std::move(path);
    method.interface = "org.freedesktop.DBus.Properties";
    method.member = "Get";
    Write write = [interface, name](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "ss", interface.c_str(), name.c_str());
    };
    auto reply = co_await link_->call(std::move(method), std::move(write));
    if (!reply) co_return prefixed("reading " + name, reply.error());
    const char* contents = nullptr;
    char type = 0;
    const char* text = nullptr;
    int code = ::sd_bus_message_peek_type(reply->get(), &type, &contents);
    if (code > 0) code = ::sd_bus_message_enter_container(reply->get(), type, contents);
    if (code > 0) code = ::sd_bus_message_read_basic(reply->get(), contents[0], &text);
    if (code <= 0 || text == nullptr)
        co_return Error{Errc::internal, fmt::format("the property {} is no text", name)};
    co_return std::string(text);
}

async::Subscription Bus::on_signal(BusMatch match, OnSignal callback) {
    return link_->listen(std::move(match), std::move(callback));
}

async::Subscription Bus::on_connected(std::function<void()> callback) {
    return link_->on_connected(std::move(callback));
}

bool Bus::connected() const {
    return link_->connected();
}

}  // namespace belay::sys
