// The heads of HTTP/1 messages, read strictly (RFC 9112): whatever two implementations could read
// differently is refused, which is the whole defence against request smuggling. Views point into
// the caller's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace belay::proxy {

inline constexpr std::size_t kHeadMax = 64 * 1024;
inline constexpr std::size_t kFieldsMax = 256;

// Fields that the proxy itself acts on; the rest passes.
enum class FieldName : std::uint8_t {
    other,
    host,
    content_length,
    transfer_encoding,
    connection,
    keep_alive,
    proxy_connection,
    te,
    trailer,
    upgrade,
    http2_settings,
    expect,
    accept,
    forwarded,
    x_forwarded_for,
    x_forwarded_proto,
    x_forwarded_host,
    x_forwarded_port,
    x_real_ip,
    x_belay_nonce,
    x_belay_release,
    // Spelled with an underscore where the above have a dash: CGI-like servers can't tell them
    // apart.
    lookalike
};

struct Field {
    FieldName known = FieldName::other;
    std::string_view name;
    std::string_view value;  // without surrounding blanks
};

// How the body's end is found.
enum class Framing : std::uint8_t { none, length, chunked, until_close };

struct Head {
    int minor = 1;  // HTTP/1.x
    std::vector<Field> fields;
    Framing framing = Framing::none;
    std::uint64_t length = 0;  // with Framing::length
    bool keep_alive = true;
    bool upgrade = false;  // `Connection: upgrade` and an Upgrade field that is not HTTP/2

    std::string_view first(FieldName name) const;
    // Named by a Connection field, so for this hop only.
    bool nominated(std::string_view name) const;
};

struct RequestHead : Head {
    std::string_view method;
    std::string_view target;  // origin form or "*"
    std::string_view host;    // of the absolute form or the Host field; with port
    bool expects_continue = false;
};

struct ResponseHead : Head {
    int status = 0;
    std::string_view reason;
};

// What to answer a request that can't be read, with the reason in a few words.
struct BadHead {
    int status = 400;
    std::string_view why;
};

// The length of the head with its empty line, 0 while it is not whole; `seen` bytes were searched
// in vain before.
std::size_t find_head_end(std::string_view bytes, std::size_t seen);

// Both take a whole head, as found above. `into.fields` keeps its capacity.
std::optional<BadHead> parse_request(std::string_view bytes, RequestHead& into);
// `to_head`: answers a HEAD request.
std::optional<BadHead> parse_response(std::string_view bytes, bool to_head, ResponseHead& into);

bool same_word(std::string_view a, std::string_view b);  // ASCII, case-insensitive
// Whether a comma-separated list has the word.
bool has_word(std::string_view list, std::string_view word);

}  // namespace belay::proxy
