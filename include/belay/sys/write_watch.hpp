// Tells that files are written to and that new ones appear, without waking anybody for each write
// [inotify(7)].
#pragma once

#include <belay/base/error.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <functional>
#include <memory>

namespace belay::sys {

// Loop thread only.
class WriteWatch {
  public:
    using path = std::filesystem::path;

    // `on_written` gets the file of await_write(); `on_created` says that some directory of
    // watch_directory() has a new entry, or that so much happened that some of it was lost.
    // Errc::limit: this user has too many instances [fs.inotify.max_user_instances].
    static Result<std::unique_ptr<WriteWatch>> open(const boost::asio::any_io_executor& executor,
                                                    std::function<void(const path&)> on_written,
                                                    std::function<void()> on_created);
    ~WriteWatch();
    WriteWatch(const WriteWatch&) = delete;
    WriteWatch& operator=(const WriteWatch&) = delete;

    // The next write to the file is told, and none after it. Errc::not_found; Errc::limit
    // [fs.inotify.max_user_watches].
    Result<void> await_write(const path& file);
    // Until it is removed; repeating it changes nothing. Errors as above.
    Result<void> watch_directory(const path& directory);

  private:
    struct Queue;
    explicit WriteWatch(std::shared_ptr<Queue> queue);
    Result<void> add(const path& what, std::uint32_t events);

    std::shared_ptr<Queue> queue_;
};

}  // namespace belay::sys
