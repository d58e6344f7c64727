#include "routes_file.hpp"

#include "wire.hpp"

#include <belay/base/log.hpp>

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace belay::proxy {
namespace {

using nlohmann::json;

constexpr const char* kName = "/routes.json";
constexpr const char* kPrevious = "/routes.json.1";
constexpr const char* kTemporary = "/routes.json.new";

Result<std::string> read_whole(const std::string& path) {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        if (errno == ENOENT) return Error{Errc::not_found, path + " is not there"};
        return errno_error(errno, "opening " + path);
    }
    std::string text;
    char block[16384];
    for (;;) {
        auto bytes = ::read(file.get(), block, sizeof block);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0) return errno_error(errno, "reading " + path);
        if (bytes == 0) return text;
        text.append(block, static_cast<std::size_t>(bytes));
    }
}

Result<void> write_durably(const std::string& path, std::string_view text) {
    Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return errno_error(errno, "making " + path);
    while (!text.empty()) {
        auto bytes = ::write(file.get(), text.data(), text.size());
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0) return errno_error(errno, "writing " + path);
        text.remove_prefix(static_cast<std::size_t>(bytes));
    }
    if (::fsync(file.get()) != 0) return errno_error(errno, "syncing " + path);
    return {};
}

Result<void> sync_directory(const std::string& directory) {
    Fd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0) return errno_error(errno, "syncing " + directory);
    return {};
}

Result<RoutingState> load_one(const std::string& path) {
    auto text = read_whole(path);
    if (!text) return text.error();
    auto state = parse_routes(*text);
    if (!state) return prefixed(path, state.error());
    return state;
}

}  // namespace

std::string format_routes(const RoutingState& state) {
    json routes = json::array();
    for (const auto& route : state.routes)
        routes.push_back(to_json(route));
    json whole = {{"schema", kRoutesSchema},
                  {"settings", to_json(state.settings)},
                  {"routes", std::move(routes)},
                  {"removed", state.tombstones}};
    return whole.dump(1) + "\n";
}

Result<RoutingState> parse_routes(std::string_view text) {
    auto whole = json::parse(text, nullptr, false);
    if (!whole.is_object()) return Error{Errc::invalid, "not whole, or not JSON"};
    auto schema = whole.find("schema");
    if (schema == whole.end() || !schema->is_number_integer())
        return Error{Errc::invalid, "has no schema"};
    if (schema->get<int>() > kRoutesSchema)
        return Error{Errc::forbidden, "has schema " + std::to_string(schema->get<int>()) +
                                          ", this proxy knows up to " +
                                          std::to_string(kRoutesSchema) +
                                          "; start the newer belay again, or move the file away"};
    RoutingState state;
    auto settings = read_settings(whole.value("settings", json::object()));
    if (!settings) return prefixed("settings", settings.error());
    state.settings = *settings;
    for (const auto& item : whole.value("routes", json::array())) {
        auto route = read_route(item);
        if (!route) return prefixed("routes", route.error());
        state.routes.push_back(*route);
    }
    auto removed = whole.value("removed", json::object());
    for (const auto& [app, epoch] : removed.items())
        if (epoch.is_number_integer()) state.tombstones[app] = epoch.get<std::int64_t>();
    return state;
}

Result<LoadedRoutes> load_routes(const std::string& directory) {
    LoadedRoutes loaded;
    for (const auto* name : {kName, kPrevious}) {
        auto state = load_one(directory + name);
        if (state) {
            loaded.state = *state;
            return loaded;
        }
        if (state.error().code == Errc::forbidden) return state.error();
        if (state.error().code != Errc::not_found) loaded.warning = state.error().message;
    }
    return loaded;
}

Result<void> store_routes(const std::string& directory, std::string_view text) {
    auto path = directory + kName, previous = directory + kPrevious,
         temporary = directory + kTemporary;
    if (auto done = write_durably(temporary, text); !done) return done;
    // A torn routes.json must not take the place of a whole previous generation.
    if (load_one(path)) {
        ::unlink(previous.c_str());
        if (::link(path.c_str(), previous.c_str()) != 0)
            return errno_error(errno, "keeping " + previous);
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0)
        return errno_error(errno, "replacing " + path);
    return sync_directory(directory);
}

RoutesWriter::RoutesWriter(Loop& loop, std::string directory)
    : loop_(loop),
      directory_(std::move(directory)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) throw ErrorException(errno_error(errno, "making an eventfd"));
    loop_.watch(wake_.get(), *this, EPOLLIN);
}

RoutesWriter::~RoutesWriter() {
    if (thread_.joinable()) thread_.join();
    loop_.forget(wake_.get(), *this);
}

void RoutesWriter::changed(std::function<RoutingState()> state) {
    pending_ = std::move(state);
    failed_ = nullptr;
    if (!writing_) begin();
}

void RoutesWriter::when_stored(Done done) {
    if (failed_ && !busy()) changed(std::exchange(failed_, nullptr));
    if (pending_)
        next_.push_back(std::move(done));
    else if (writing_)
        present_.push_back(std::move(done));
    else
        done(last_);
}

// A thread per change: changes are rare, and an fsync may take as long as the disk likes.
void RoutesWriter::begin() {
    auto text = format_routes(pending_());
    failed_ = std::exchange(pending_, nullptr);
    writing_ = true;
    present_ = std::exchange(next_, {});
    auto write = [this, text = std::move(text)] {
        written_ = store_routes(directory_, text);
        std::uint64_t one = 1;
        if (::write(wake_.get(), &one, sizeof one) < 0) std::abort();
    };
    try {
        thread_ = std::thread(write);
    } catch (const std::system_error&) {
        write();  // no thread to be had: late is better than never
    }
}

void RoutesWriter::on_events(std::uint32_t) {
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof count) < 0) return;
    if (thread_.joinable()) thread_.join();
    writing_ = false;
    last_ = written_;
    if (last_)
        failed_ = nullptr;
    else
        log::error("routes are in force but not on disk", {{"error", last_.error().message}});
    auto done = std::exchange(present_, {});
    if (pending_) begin();
    for (auto& callback : done)
        callback(last_);
}

}  // namespace belay::proxy
