// A connected socket that flows read and write. Edge-triggered and registered once: a read is tried
// only when the kernel said that there is something, so no call is made in vain.
#pragma once

#include "fd.hpp"
#include "loop.hpp"

#include <array>
#include <coroutine>
#include <cstddef>
#include <string_view>
#include <sys/socket.h>
#include <sys/uio.h>

namespace belay::proxy {

enum class Io {
    ok,
    eof,
    timeout,
    failed,      // reset, broken pipe
    interrupted  // by another flow
};

struct IoResult {
    Io status = Io::ok;
    std::size_t bytes = 0;  // also of what was done before a failure
};

inline constexpr Millis kForever{-1};

class Stream;

// Told of what came while no flow was reading: bytes, the end, or a reset. May destroy the stream.
class StreamObserver {
  public:
    virtual ~StreamObserver() = default;
    virtual void on_unread(Stream& stream) = 0;
};

// One flow may read while another writes. Loop thread only.
class Stream final : Watcher {
  public:
    // Takes a non-blocking socket. `connecting`: not writable before the kernel says so.
    Stream(Loop& loop, Fd socket, bool connecting = false);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream();

    class Operation : protected Timer {
      public:
        bool await_ready() { return attempt(); }
        IoResult await_resume() const { return result_; }

      protected:
        Operation(Stream& stream, Millis timeout) : stream_(stream), timeout_(timeout) {}
        // True when there is a result.
        virtual bool attempt() = 0;
        void suspend(Operation*& place, std::coroutine_handle<> flow);
        void finish(IoResult result);
        void on_expired() override { finish({Io::timeout, result_.bytes}); }

        friend class Stream;
        Stream& stream_;
        Millis timeout_;
        Operation** place_ = nullptr;
        std::coroutine_handle<> flow_;
        IoResult result_;
    };

    // co_await: some bytes, at least one. Without a place for them: until there is something to
    // read (or the end).
    class Read final : public Operation {
      public:
        Read(Stream& stream, char* data, std::size_t size, Millis timeout)
            : Operation(stream, timeout), data_(data), size_(size) {}
        void await_suspend(std::coroutine_handle<> flow) {
            stream_.acknowledge();
            suspend(stream_.reader_, flow);
        }

      private:
        bool attempt() override;
        char* data_;
        std::size_t size_;
    };

    // co_await: all of up to three pieces; the timeout begins anew with each progress.
    class Write final : public Operation {
      public:
        Write(Stream& stream, std::array<std::string_view, 3> pieces, Millis timeout);
        void await_suspend(std::coroutine_handle<> flow) { suspend(stream_.writer_, flow); }

      private:
        bool attempt() override;
        void advance(std::size_t bytes);
        std::array<iovec, 3> pieces_{};
        std::size_t at_ = 0;
    };

    // co_await: the end of connect(2).
    class Connect final : public Operation {
      public:
        Connect(Stream& stream, Millis timeout) : Operation(stream, timeout) {}
        void await_suspend(std::coroutine_handle<> flow) { suspend(stream_.writer_, flow); }

      private:
        bool attempt() override;
    };

    Read read(char* data, std::size_t size, Millis timeout) { return {*this, data, size, timeout}; }
    Read readable(Millis timeout) { return {*this, nullptr, 0, timeout}; }
    Write write(std::string_view a, Millis timeout) { return {*this, {a, {}, {}}, timeout}; }
    Write write(std::string_view a, std::string_view b, Millis timeout) {
        return {*this, {a, b, {}}, timeout};
    }
    Write write(std::string_view a, std::string_view b, std::string_view c, Millis timeout) {
        return {*this, {a, b, c}, timeout};
    }
    Connect connected(Millis timeout) { return {*this, timeout}; }

    // For whoever reads the descriptor himself: the kernel has no more for now.
    void drained() { readable_ = ending_; }
    // Gives the pending read a new deadline.
    void read_within(Millis timeout);
    // Ends the pending read or write, if any, with Io::interrupted.
    void interrupt_read();
    void interrupt_write();
    // Interrupts both, and every later one at once.
    void cancel();
    // Null: nobody.
    void observe(StreamObserver* observer) { observer_ = observer; }

    // The peer is gone for good (not only half-closed).
    bool broken() const { return broken_; }
    // Nothing (and no end) waits to be read, as far as the kernel told; `ask`: asks it.
    bool quiet(bool ask) const;
    void finish_writing() { ::shutdown(socket_.get(), SHUT_WR); }
    int fd() const { return socket_.get(); }
    Loop& loop() { return loop_; }

  private:
    void on_events(std::uint32_t events) override;
    void acknowledge();

    Loop& loop_;
    Fd socket_;
    bool readable_ = false;
    bool writable_ = true;
    bool ending_ = false;  // the end follows what is there: no further edge will tell
    bool broken_ = false;
    bool canceled_ = false;
    bool unanswered_ = false;  // something came since we last wrote
    Operation* reader_ = nullptr;
    Operation* writer_ = nullptr;
    StreamObserver* observer_ = nullptr;
    bool* gone_ = nullptr;  // set by the destructor while on_events() runs
};

}  // namespace belay::proxy
