// One request and its answer.
#pragma once

#include "buffer.hpp"
#include "chunked.hpp"
#include "flow.hpp"
#include "forward_head.hpp"
#include "http_head.hpp"
#include "page.hpp"
#include "plane.hpp"
#include "release.hpp"
#include "route_table.hpp"
#include "stream.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace belay::proxy {

// What becomes of the client's connection.
enum class After {
    keep,
    close,
    linger,  // close, but read on for a while, else the answer may be lost with a reset
    reset    // the answer is not whole, and the client must see that
};

// What a request comes with.
struct Incoming {
    Plane& plane;
    Stream& client;
    Buffer& in;               // begins with the head
    const RequestHead& head;  // its views point into `in`
    std::size_t head_size;
    const Endpoint& peer;
    const Entrance& entrance;
    std::string_view listener_name;
};

class Exchange final : StreamObserver {
  public:
    explicit Exchange(const Incoming& incoming);
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange() override { client_.observe(nullptr); }

    // On return `in` begins with what follows the request.
    Flow<After> run();

  private:
    // How far an attempt to have the request answered came.
    enum class Attempt {
        answered,  // after_ says what follows
        again,     // nothing reached an app, or it may be repeated: anew, perhaps elsewhere
        refused,   // no instance takes connections
        broken,    // the app closed without an answer
        late,      // no answer in time
        misread,   // an answer that is none
        client_gone,
        exhausted  // we have no descriptors left
    };

    Flow<Attempt> attempt();
    Flow<Attempt> attempt_fallback();
    void serve_by(std::shared_ptr<Live> live);
    Flow<Attempt> connect();
    std::shared_ptr<Target> choose(const std::vector<Target*>& tried);
    std::unique_ptr<Upstream> reuse();
    Flow<Attempt> send();
    Flow<Attempt> receive();
    Flow<Attempt> read_answer_head();
    Attempt judge_silence(Io status);
    Flow<> pass_interim();
    Flow<Attempt> pass_answer();
    Flow<bool> pass_body(std::string_view head, Answering::Coding coding);
    Flow<bool> pass_length(std::string_view head);
    Flow<bool> pass_chunked(std::string_view head, bool strip);
    Flow<bool> pass_until_close(std::string_view head, bool as_chunks);
    Flow<bool> more();
    Flow<bool> to_client(std::string_view a, std::string_view b = {}, std::string_view c = {});
    void count_cut_answer();
    Flow<Attempt> tunnel();

    // The request's body (upload.cpp).
    bool inspect_body();
    Flow<> upload();
    Flow<bool> fetch_body_bytes();
    std::string_view take_body_piece(std::size_t& consumed);
    Flow<> stop_upload();
    Flow<After> finish_request(bool keep);

    Flow<After> answer(Page page);
    Flow<After> answer_failure(Attempt attempt);
    Page failure_page(Attempt attempt) const;
    void count_request();
    void count_answer();
    bool repeatable() const;
    bool last_here() const { return plane_.leaving || entrance_.closing; }
    bool idempotent() const;
    void on_unread(Stream&) override;

    Plane& plane_;
    Stream& client_;
    Buffer& in_;
    const RequestHead& head_;
    std::size_t head_size_;
    const Endpoint& peer_;
    const Entrance& entrance_;
    std::string_view listener_name_;

    std::shared_ptr<Live> live_;
    std::shared_ptr<Target> target_;
    std::shared_ptr<Release> release_;
    std::shared_ptr<Release> counted_;  // whose requests include this one
    Claim claim_;
    std::unique_ptr<Upstream> upstream_;
    bool repeated_ =
        false;  // a fresh connection broke before an answer, and the request was sent again
    bool failed_over_ = false;  // counted as such
    bool fresh_only_ = false;   // a kept connection has failed: no more of them
    std::string request_;       // the head as sent
    std::int64_t begun_us_;

    // Of the request, as its head is gone once its body streams.
    bool head_only_;
    bool html_;
    bool keep_alive_;
    bool upgrade_;
    bool websocket_;
    int client_minor_;
    bool probe_;  // the nonce was right
    std::string shown_release_;

    // The request's body.
    Framing framing_;
    std::uint64_t body_left_;
    ChunkScanner body_scanner_;
    std::size_t body_size_ = 0;  // of what lies behind the head: all of it, or the first piece
    std::size_t body_kept_ = 0;  // and of that, what is to be forwarded
    bool whole_ = false;         // all of it lies there, and stays until the answer begins
    bool streaming_ = false;     // upload() has begun
    bool uploading_ = false;     // and not ended
    bool upload_stop_ = false;
    bool upload_broken_ = false;  // the app did not take all of it
    bool last_piece_ = false;
    bool body_done_ = false;  // read from the client
    bool body_seen_ = false;
    bool client_failed_ = false;  // while its body was read
    bool client_late_ = false;
    bool client_misspoke_ = false;
    Latch upload_end_;

    // The answer.
    Buffer out_;
    ResponseHead answer_;
    std::size_t answer_size_ = 0;
    bool answer_begun_ = false;  // something of it reached us
    bool client_took_ = true;    // all that was written to it
    bool app_late_ = false;
    bool answer_ended_ = false;  // in good order, by closing
    After after_ = After::close;
};

}  // namespace belay::proxy
