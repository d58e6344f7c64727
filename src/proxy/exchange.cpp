#include "exchange.hpp"

#include "tunnel.hpp"

#include <belay/base/log.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace belay::proxy {
namespace {

constexpr int kAttemptsMax = 8;
// How long a request waits while no instance takes connections, and how often it looks: an
// automatic rollback takes some milliseconds, a first restart a second.
constexpr Millis kRefusedPatience{700};
constexpr Millis kRefusedPause{10};

// An instance's share of the work, for choosing the least busy.
class Busy {
  public:
    explicit Busy(std::shared_ptr<Target> target) : target_(std::move(target)) {
        ++target_->in_flight;
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() { --target_->in_flight; }

  private:
    std::shared_ptr<Target> target_;
};

// A peer that vanished without a word is noticed after two minutes.
void detect_dead_peer(int fd) {
    int on = 1, idle = 60, interval = 15, count = 4;
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

}  // namespace

Exchange::Exchange(const Incoming& incoming)
    : plane_(incoming.plane),
      client_(incoming.client),
      in_(incoming.in),
      head_(incoming.head),
      head_size_(incoming.head_size),
      peer_(incoming.peer),
      entrance_(incoming.entrance),
      listener_name_(incoming.listener_name),
      begun_us_(plane_.loop.now_us()),
      head_only_(head_.method == "HEAD"),
      html_(head_.first(FieldName::accept).find("text/html") != std::string_view::npos),
      keep_alive_(head_.keep_alive),
      // A body and an upgrade in one request are not worth the doubt about where which ends.
      upgrade_(head_.upgrade && head_.framing == Framing::none),
      websocket_(upgrade_ && has_word(head_.first(FieldName::upgrade), "websocket")),
      client_minor_(head_.minor),
      probe_(false),
      framing_(head_.framing),
      body_left_(head_.length),
      out_(plane_.blocks) {
    auto nonce = head_.first(FieldName::x_belay_nonce);
    probe_ = !nonce.empty() && plane_.nonce.matches(nonce, begun_us_);
}

Flow<After> Exchange::run() {
    if (!inspect_body()) {
        Page page{400, "The request's body is not in the chunked coding that its head announces.",
                  html_, false};
        co_return co_await answer(std::move(page));
    }
    client_.observe(this);
    auto attempt = Attempt::again;
    const auto patience = plane_.loop.now_us() + kRefusedPatience.count() * 1000;
    for (int tries = 0; attempt == Attempt::again && tries < kAttemptsMax; ++tries) {
        upstream_.reset();
        live_ = plane_.routing.table().find(listener_name_, head_.host, head_.target);
        if (!live_) {
            ++plane_.unrouted;
            Page page{404, "No app here answers to \"" + std::string(head_.host) + "\".", html_};
            co_return co_await answer(std::move(page));
        }
        release_ = live_->release;
        if (probe_) shown_release_ = std::to_string(live_->route.release);
        if (live_->targets.empty()) {
            count_request();
            ++release_->counters.gateway_errors;
            Page page{503, "This app has no running release at the moment.", html_};
            page.retry_after = 5;
            co_return co_await answer(std::move(page));
        }
        claim_ = Claim(release_);
        attempt = co_await this->attempt();
        // Who looks for the routed release wants its answer, not another's.
        if (attempt == Attempt::refused && live_->fallback && !probe_)
            attempt = co_await attempt_fallback();
        // Nothing was sent: an app that just died is being restarted, or replaced by the release
        // before.
        if (attempt == Attempt::refused && plane_.loop.now_us() < patience) {
            co_await Sleep(plane_.loop, kRefusedPause);
            if (client_.broken()) co_return co_await answer_failure(Attempt::client_gone);
            attempt = Attempt::again;
            tries = -1;
        }
    }
    if (attempt == Attempt::answered) co_return after_;
    co_return co_await answer_failure(attempt);
}

Flow<Exchange::Attempt> Exchange::attempt() {
    auto connected = co_await connect();
    if (connected != Attempt::answered) co_return connected;
    Busy busy(target_);
    auto result = co_await send();
    if (uploading_) co_await stop_upload();
    co_return result;
}

// While a release is watched, the one before it still runs.
Flow<Exchange::Attempt> Exchange::attempt_fallback() {
    auto routed = live_;
    serve_by(routed->fallback);
    auto result = co_await attempt();
    if (result == Attempt::refused) {
        serve_by(std::move(routed));
        co_return result;
    }
    if (!std::exchange(failed_over_, true)) {
        ++routed->release->counters.requests;
        ++routed->release->counters.failed_over;
    }
    if (!std::exchange(routed->failed_over, true))
        log::warning("a release takes no connections; the one before it answers",
                     {{"app", routed->route.app},
                      {"release", std::to_string(routed->route.release)},
                      {"fallback", std::to_string(routed->route.fallback)}});
    co_return result;
}

void Exchange::serve_by(std::shared_ptr<Live> live) {
    live_ = std::move(live);
    release_ = live_->release;
    claim_ = Claim(release_);
}

// Those that refused lately come last; of the rest the least busy, in turn.
std::shared_ptr<Target> Exchange::choose(const std::vector<Target*>& tried) {
    const auto& targets = live_->targets;
    if (targets.size() == 1) return targets.front();
    auto now = plane_.loop.now_us();
    std::shared_ptr<Target> best;
    auto start = live_->turn++;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const auto& target = targets[(start + i) % targets.size()];
        if (std::find(tried.begin(), tried.end(), target.get()) != tried.end()) continue;
        if (!best || (best->avoided(now) && !target->avoided(now)) ||
            (best->avoided(now) == target->avoided(now) && target->in_flight < best->in_flight))
            best = target;
    }
    return best;
}

// A kept connection may have been closed at this moment. Where the request can't be repeated, the
// kernel is asked.
std::unique_ptr<Upstream> Exchange::reuse() {
    if (fresh_only_) return nullptr;
    bool ask = !repeatable();
    for (;;) {
        auto kept = target_->take();
        if (!kept || kept->stream.quiet(ask)) return kept;
    }
}

Flow<Exchange::Attempt> Exchange::connect() {
    std::vector<Target*> tried;
    bool relieved = false;
    while (tried.size() < live_->targets.size()) {
        target_ = choose(tried);
        upstream_ = reuse();
        if (upstream_) co_return Attempt::answered;
        upstream_ = co_await target_->connect(plane_.loop, plane_.options.connect_timeout);
        auto failure = upstream_ ? 0 : errno;
        if (client_.broken()) co_return Attempt::client_gone;
        // Replaced while we connected: nothing was sent, so it goes to the new release.
        if (live_->retired) co_return Attempt::again;
        if (upstream_) {
            target_->trust();
            co_return Attempt::answered;
        }
        if (failure == EMFILE || failure == ENFILE) {
            if (std::exchange(relieved, true)) co_return Attempt::exhausted;
            plane_.relieve();
            continue;
        }
        ++release_->counters.connect_errors;
        target_->avoid(plane_.loop.now_us());
        tried.push_back(target_.get());
    }
    co_return Attempt::refused;
}

Flow<Exchange::Attempt> Exchange::send() {
    count_request();
    if (request_.empty()) {
        Origin origin{peer_.text, plane_.routing.trusts(peer_.address), entrance_.address.port};
        request_ = forwarded_request(head_, origin, upgrade_);
    }
    auto& stream = upstream_->stream;
    auto body = whole_ ? in_.view().substr(head_size_, body_kept_) : std::string_view();
    auto sent = co_await stream.write(request_, body, plane_.options.body_timeout);
    // Of a connection that takes nothing, nothing can have reached the app.
    if (sent.status != Io::ok && sent.bytes == 0) {
        fresh_only_ = fresh_only_ || upstream_->reused;
        co_return upstream_->reused ? Attempt::again : judge_silence(sent.status);
    }
    if (whole_) {
        body_done_ = true;
    } else if (sent.status == Io::ok) {
        in_.consume(head_size_);
        streaming_ = uploading_ = true;
        upload().start();
    }
    co_return co_await receive();
}

Flow<Exchange::Attempt> Exchange::receive() {
    for (;;) {
        auto got = co_await read_answer_head();
        if (got != Attempt::answered) co_return got;
        if (answer_.status == 101) {
            if (!upgrade_) co_return Attempt::misread;
            co_return co_await tunnel();
        }
        if (answer_.status >= 200) co_return co_await pass_answer();
        co_await pass_interim();
    }
}

Flow<Exchange::Attempt> Exchange::read_answer_head() {
    std::size_t seen = 0;
    for (;;) {
        answer_size_ = find_head_end(out_.view(), seen);
        if (answer_size_ > 0) break;
        seen = out_.size();
        if (seen >= kHeadMax) co_return Attempt::misread;
        out_.reserve();
        if (out_.space_size() == 0) out_.grow(kHeadMax + kBlockSize);
        auto timeout = uploading_ ? kForever : live_->route.response_timeout;
        auto got = co_await upstream_->stream.read(out_.space(), out_.space_size(), timeout);
        if (got.status != Io::ok) co_return judge_silence(got.status);
        out_.filled(got.bytes);
        answer_begun_ = true;
    }
    if (parse_response(out_.view().substr(0, answer_size_), head_only_, answer_))
        co_return Attempt::misread;
    co_return Attempt::answered;
}

Exchange::Attempt Exchange::judge_silence(Io status) {
    if (client_failed_ || client_late_ || client_misspoke_ || client_.broken())
        return Attempt::client_gone;
    if (status == Io::interrupted) return Attempt::client_gone;
    if (status == Io::timeout) {
        ++release_->counters.timeouts;
        return Attempt::late;
    }
    // A kept connection may have been closed before the request came; an app that died took it
    // along. Once more, then.
    if (!answer_begun_ && repeatable() && (upstream_->reused || !std::exchange(repeated_, true))) {
        fresh_only_ = true;
        return Attempt::again;
    }
    ++release_->counters.resets;
    return Attempt::broken;
}

Flow<> Exchange::pass_interim() {
    // A client that did not ask for 100 may take it for the answer.
    bool wanted = client_minor_ == 1 && (answer_.status != 100 || head_.expects_continue);
    if (wanted) {
        auto head = forwarded_response(answer_, Answering());
        co_await to_client(head);
    }
    out_.consume(answer_size_);
}

Flow<Exchange::Attempt> Exchange::pass_answer() {
    ++release_->counters.status[static_cast<std::size_t>(answer_.status / 100 - 1)];
    Answering answering;
    answering.client_minor = client_minor_;
    answering.keep_alive = keep_alive_ && !last_here();
    answering.release = shown_release_;
    if (answer_.framing == Framing::until_close) answering.coding = Answering::Coding::chunked;
    if (client_minor_ == 0 &&
        (answer_.framing == Framing::until_close || answer_.framing == Framing::chunked)) {
        answering.coding = Answering::Coding::plain;
        answering.keep_alive = false;
    }
    auto head = forwarded_response(answer_, answering);
    out_.consume(answer_size_);
    bool passed = co_await pass_body(head, answering.coding);
    if (!passed) {
        count_cut_answer();
        co_return Attempt::answered;
    }
    count_answer();
    if (uploading_) co_await stop_upload();
    bool reusable = answer_.keep_alive && answer_.framing != Framing::until_close && body_done_ &&
                    !upload_broken_ && out_.empty();
    if (reusable) target_->give(std::move(upstream_), live_->route.upstream_idle);
    upstream_.reset();
    claim_.end();
    after_ = co_await finish_request(answering.keep_alive);
    co_return Attempt::answered;
}

void Exchange::count_cut_answer() {
    auto& counters = release_->counters;
    after_ = After::close;
    if (!client_took_) {
        ++counters.client_aborts;
        return;
    }
    ++counters.truncated;
    ++(app_late_ ? counters.timeouts : counters.resets);
    after_ = After::reset;
}

Flow<Exchange::Attempt> Exchange::tunnel() {
    ++release_->counters.status[0];
    Answering answering;
    answering.upgrade = true;
    answering.release = shown_release_;
    auto head = forwarded_response(answer_, answering);
    out_.consume(answer_size_);
    in_.consume(head_size_);
    whole_ = false;
    bool taken = co_await to_client(head);
    if (!taken) co_return Attempt::client_gone;
    client_.observe(nullptr);
    detect_dead_peer(client_.fd());
    {
        Tunnel upgraded(plane_, release_, entrance_, websocket_);
        claim_.end();
        co_await upgraded.run(client_, in_, upstream_->stream, out_);
    }
    after_ = After::close;
    co_return Attempt::answered;
}

Flow<After> Exchange::answer(Page page) {
    page.head_only = head_only_;
    page.release = shown_release_;
    page.keep_alive = keep_alive_ && whole_ && !last_here();
    claim_.end();
    auto text = format_page(page);
    bool taken = co_await to_client(text);
    if (!taken) co_return After::close;
    if (!whole_) co_return After::linger;
    co_return co_await finish_request(page.keep_alive);
}

Page Exchange::failure_page(Attempt attempt) const {
    auto app =
        live_->route.app.empty() ? std::string("Belay") : "The app \"" + live_->route.app + "\"";
    Page page{502, "", html_};
    if (client_misspoke_) {
        page = {400, "The request's body is not in the chunked coding that its head announces.",
                html_};
    } else if (client_late_) {
        page = {408, "The request's body did not arrive in time.", html_};
    } else if (attempt == Attempt::refused) {
        page.text = app + " takes no connections at the moment.";
        page.retry_after = 1;
    } else if (attempt == Attempt::late) {
        page = {504, app + " did not answer in time.", html_};
    } else if (attempt == Attempt::misread) {
        page.text = app + " sent an answer that is not valid HTTP.";
    } else if (attempt == Attempt::exhausted) {
        page = {503, "The server has too many connections at the moment.", html_};
        page.retry_after = 5;
    } else {
        page.text = app + " closed the connection without an answer.";
    }
    return page;
}

Flow<After> Exchange::answer_failure(Attempt attempt) {
    upstream_.reset();
    count_request();
    auto page = failure_page(attempt);
    if (page.status < 500 || attempt == Attempt::client_gone)
        ++release_->counters.client_aborts;
    else
        ++release_->counters.gateway_errors;
    if (attempt == Attempt::client_gone && page.status >= 500) co_return After::close;
    co_return co_await answer(std::move(page));
}

void Exchange::count_request() {
    if (counted_ == release_) return;
    counted_ = release_;
    ++release_->counters.requests;
}

void Exchange::count_answer() {
    auto& counters = release_->counters;
    auto taken = plane_.loop.now_us() - begun_us_;
    counters.latency_sum_us += static_cast<std::uint64_t>(taken);
    auto bucket = std::lower_bound(ports::kLatencyBounds.begin(), ports::kLatencyBounds.end(),
                                   (taken + 999) / 1000);
    ++counters.latency[static_cast<std::size_t>(bucket - ports::kLatencyBounds.begin())];
}

bool Exchange::idempotent() const {
    auto method = head_.method;
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
           method == "DELETE" || method == "TRACE";
}

bool Exchange::repeatable() const {
    return whole_ && idempotent();
}

// The client is gone for good: the app's answer has no taker.
void Exchange::on_unread(Stream&) {
    if (client_.broken() && upstream_) upstream_->stream.interrupt_read();
}

}  // namespace belay::proxy
