#include "http_head.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace belay::proxy {
namespace {

using Table = std::array<bool, 256>;

constexpr Table make_token_table() {
    Table table{};
    for (int c = '0'; c <= '9'; ++c)
        table[static_cast<std::size_t>(c)] = true;
    for (int c = 'a'; c <= 'z'; ++c)
        table[static_cast<std::size_t>(c)] = true;
    for (int c = 'A'; c <= 'Z'; ++c)
        table[static_cast<std::size_t>(c)] = true;
    for (char c : std::string_view("!#$%&'*+-.^_`|~"))
        table[static_cast<std::size_t>(c)] = true;
    return table;
}
constexpr Table kToken = make_token_table();

constexpr Table make_value_table() {
    Table table{};
    for (std::size_t c = 0x20; c < 256; ++c)
        table[c] = c != 0x7f;
    table['\t'] = true;
    return table;
}
constexpr Table kValue = make_value_table();

bool all_in(const Table& table, std::string_view text) {
    for (char c : text)
        if (!table[static_cast<unsigned char>(c)]) return false;
    return true;
}

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

struct Known {
    std::string_view name;
    FieldName field;
};
constexpr Known kKnown[] = {{"host", FieldName::host},
                            {"content-length", FieldName::content_length},
                            {"transfer-encoding", FieldName::transfer_encoding},
                            {"connection", FieldName::connection},
                            {"keep-alive", FieldName::keep_alive},
                            {"proxy-connection", FieldName::proxy_connection},
                            {"te", FieldName::te},
                            {"trailer", FieldName::trailer},
                            {"upgrade", FieldName::upgrade},
                            {"http2-settings", FieldName::http2_settings},
                            {"expect", FieldName::expect},
                            {"accept", FieldName::accept},
                            {"forwarded", FieldName::forwarded},
                            {"x-forwarded-for", FieldName::x_forwarded_for},
                            {"x-forwarded-proto", FieldName::x_forwarded_proto},
                            {"x-forwarded-host", FieldName::x_forwarded_host},
                            {"x-forwarded-port", FieldName::x_forwarded_port},
                            {"x-real-ip", FieldName::x_real_ip},
                            {"x-belay-nonce", FieldName::x_belay_nonce},
                            {"x-belay-release", FieldName::x_belay_release}};

bool matches(std::string_view name, std::string_view known, bool& underscored) {
    bool other_spelling = false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        auto c = lower(name[i]);
        if (c == '_' && known[i] == '-')
            other_spelling = true;
        else if (c != known[i])
            return false;
    }
    underscored = other_spelling;
    return true;
}

FieldName classify(std::string_view name) {
    for (const auto& known : kKnown) {
        if (known.name.size() != name.size()) continue;
        bool underscored = false;
        if (matches(name, known.name, underscored))
            return underscored ? FieldName::lookalike : known.field;
    }
    return FieldName::other;
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
    std::uint64_t value = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return {};
    if (value > (std::uint64_t{1} << 62)) return {};
    return value;
}

bool parse_version(std::string_view text, int& minor) {
    if (text != "HTTP/1.1" && text != "HTTP/1.0") return false;
    minor = text.back() - '0';
    return true;
}

// One line without its CRLF; nothing when the line does not end so. A bare CR or LF is left in and
// found by kValue.
std::optional<std::string_view> take_line(std::string_view& rest) {
    const auto* at = static_cast<const char*>(std::memchr(rest.data(), '\r', rest.size()));
    if (!at) return {};
    auto length = static_cast<std::size_t>(at - rest.data());
    if (length + 1 >= rest.size() || rest[length + 1] != '\n') return {};
    auto line = rest.substr(0, length);
    rest.remove_prefix(length + 2);
    return line;
}

std::optional<BadHead> parse_fields(std::string_view rest, Head& into) {
    into.fields.clear();
    for (;;) {
        auto line = take_line(rest);
        if (!line) return BadHead{400, "a header line does not end in CR LF"};
        if (line->empty()) break;
        if (into.fields.size() == kFieldsMax) return BadHead{431, "more than 256 header fields"};
        if (line->front() == ' ' || line->front() == '\t')
            return BadHead{400, "a header field is folded"};
        auto colon = line->find(':');
        if (colon == std::string_view::npos || colon == 0)
            return BadHead{400, "a header line has no name"};
        auto name = line->substr(0, colon);
        if (!all_in(kToken, name))
            return BadHead{400, "a header name has characters that it must not"};
        auto value = trim(line->substr(colon + 1));
        if (!all_in(kValue, value)) return BadHead{400, "a header value has control characters"};
        into.fields.push_back({classify(name), name, value});
    }
    return {};
}

// Host may only hold what host names, addresses and ports are made of.
bool good_host(std::string_view host) {
    return std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    });
}

// What Content-Length and Transfer-Encoding say together; several of either are an error, not a
// choice.
struct FramingFields {
    std::size_t lengths = 0;
    std::size_t encodings = 0;
    std::string_view length;
    std::string_view encoding;
};

FramingFields framing_fields(const Head& head) {
    FramingFields found;
    for (const auto& field : head.fields) {
        if (field.known == FieldName::content_length) {
            ++found.lengths;
            found.length = field.value;
        } else if (field.known == FieldName::transfer_encoding) {
            ++found.encodings;
            found.encoding = field.value;
        }
    }
    return found;
}

std::optional<BadHead> read_framing(RequestHead& head) {
    auto found = framing_fields(head);
    if (found.lengths > 1) return BadHead{400, "several Content-Length"};
    if (found.encodings > 1) return BadHead{400, "several Transfer-Encoding"};
    if (found.lengths && found.encodings)
        return BadHead{400, "both Content-Length and Transfer-Encoding"};
    head.framing = Framing::none;
    head.length = 0;
    if (found.encodings) {
        if (head.minor == 0) return BadHead{400, "Transfer-Encoding in HTTP/1.0"};
        if (!same_word(found.encoding, "chunked"))
            return BadHead{501, "a Transfer-Encoding other than chunked"};
        head.framing = Framing::chunked;
    } else if (found.lengths) {
        auto length = parse_length(found.length);
        if (!length) return BadHead{400, "Content-Length is no number"};
        head.length = *length;
        head.framing = *length ? Framing::length : Framing::none;
    }
    return {};
}

std::optional<BadHead> read_framing(ResponseHead& head, bool to_head) {
    auto found = framing_fields(head);
    head.length = 0;
    head.framing = Framing::none;
    if (found.lengths > 1 || found.encodings > 1 || (found.lengths && found.encodings))
        return BadHead{502, "its length is given in two ways"};
    if (found.encodings && !same_word(found.encoding, "chunked"))
        return BadHead{502, "a Transfer-Encoding other than chunked"};
    std::optional<std::uint64_t> length;
    if (found.lengths) {
        length = parse_length(found.length);
        if (!length) return BadHead{502, "Content-Length is no number"};
    }
    if (to_head || head.status < 200 || head.status == 204 || head.status == 304) return {};
    if (found.encodings) {
        head.framing = Framing::chunked;
    } else if (found.lengths) {
        head.length = *length;
        head.framing = *length ? Framing::length : Framing::none;
    } else {
        head.framing = Framing::until_close;
    }
    return {};
}

void read_connection(Head& head) {
    bool close = false, keep = false, asks_upgrade = false;
    for (const auto& field : head.fields) {
        if (field.known != FieldName::connection) continue;
        close = close || has_word(field.value, "close");
        keep = keep || has_word(field.value, "keep-alive");
        asks_upgrade = asks_upgrade || has_word(field.value, "upgrade");
    }
    head.keep_alive = !close && (head.minor == 1 || keep);
    auto protocol = head.first(FieldName::upgrade);
    head.upgrade =
        asks_upgrade && head.minor == 1 && !protocol.empty() && !has_word(protocol, "h2c");
}

std::optional<BadHead> read_host(RequestHead& head) {
    std::size_t hosts = 0;
    std::string_view host;
    for (const auto& field : head.fields)
        if (field.known == FieldName::host) {
            ++hosts;
            host = field.value;
        }
    if (hosts > 1) return BadHead{400, "several Host fields"};
    if (hosts == 0 && head.minor == 1) return BadHead{400, "no Host field"};
    if (head.host.empty()) head.host = host;  // else of the absolute form, which wins
    if (!good_host(head.host) || !good_host(host)) return BadHead{400, "a Host that is none"};
    return {};
}

std::optional<BadHead> read_target(RequestHead& head) {
    auto target = head.target;
    head.host = {};
    if (head.method == "CONNECT") return BadHead{501, "CONNECT is not offered here"};
    if (target.front() == '/') return {};
    if (target == "*" && head.method == "OPTIONS") return {};
    auto scheme = target.size() > 7 && same_word(target.substr(0, 7), "http://")    ? 7u
                  : target.size() > 8 && same_word(target.substr(0, 8), "https://") ? 8u
                                                                                    : 0u;
    if (!scheme) return BadHead{400, "a target that is neither a path nor an http URL"};
    target.remove_prefix(scheme);
    auto end = target.find_first_of("/?#");
    head.host = target.substr(0, end);
    if (head.host.empty()) return BadHead{400, "a target without a host"};
    head.target = end == std::string_view::npos ? std::string_view("/") : target.substr(end);
    if (head.target.front() != '/') return BadHead{400, "a target without a path"};
    return {};
}

std::optional<BadHead> read_expect(RequestHead& head) {
    head.expects_continue = false;
    auto expect = head.first(FieldName::expect);
    if (expect.empty()) return {};
    if (!same_word(expect, "100-continue"))
        return BadHead{417, "an expectation other than 100-continue"};
    head.expects_continue = head.minor == 1;
    return {};
}

std::optional<BadHead> parse_request_line(std::string_view line, RequestHead& into) {
    auto first = line.find(' ');
    auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return BadHead{400, "no request line"};
    into.method = line.substr(0, first);
    into.target = line.substr(first + 1, last - first - 1);
    auto version = line.substr(last + 1);
    if (into.method.empty() || into.method.size() > 32 || !all_in(kToken, into.method))
        return BadHead{400, "a method that is none"};
    if (!parse_version(version, into.minor))
        return version.starts_with("HTTP/") ? BadHead{505, "only HTTP/1.0 and 1.1 are spoken here"}
                                            : BadHead{400, "no HTTP version"};
    if (into.target.empty() || !all_in(kValue, into.target) ||
        into.target.find_first_of(" \t") != std::string_view::npos)
        return BadHead{400, "a target with blanks or control characters"};
    return read_target(into);
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

bool has_word(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        auto comma = list.find(',');
        if (same_word(trim(list.substr(0, comma)), word)) return true;
        if (comma == std::string_view::npos) break;
        list.remove_prefix(comma + 1);
    }
    return false;
}

std::string_view Head::first(FieldName name) const {
    for (const auto& field : fields)
        if (field.known == name) return field.value;
    return {};
}

bool Head::nominated(std::string_view name) const {
    return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
        return field.known == FieldName::connection && has_word(field.value, name);
    });
}

std::size_t find_head_end(std::string_view bytes, std::size_t seen) {
    auto at = bytes.find("\r\n\r\n", seen > 3 ? seen - 3 : 0);
    return at == std::string_view::npos ? 0 : at + 4;
}

std::optional<BadHead> parse_request(std::string_view bytes, RequestHead& into) {
    auto rest = bytes;
    auto line = take_line(rest);
    if (!line) return BadHead{400, "no request line"};
    if (auto bad = parse_request_line(*line, into)) return bad;
    if (auto bad = parse_fields(rest, into)) return bad;
    if (auto bad = read_host(into)) return bad;
    if (auto bad = read_framing(into)) return bad;
    read_connection(into);
    return read_expect(into);
}

std::optional<BadHead> parse_response(std::string_view bytes, bool to_head, ResponseHead& into) {
    auto rest = bytes;
    auto line = take_line(rest);
    if (!line || line->size() < 12 || !parse_version(line->substr(0, 8), into.minor) ||
        (*line)[8] != ' ')
        return BadHead{502, "no HTTP/1 status line"};
    auto digits = line->substr(9, 3);
    auto [end, failure] = std::from_chars(digits.data(), digits.data() + 3, into.status);
    if (failure != std::errc{} || end != digits.data() + 3 || into.status < 100 ||
        into.status > 599 || (line->size() > 12 && (*line)[12] != ' '))
        return BadHead{502, "a status that is none"};
    into.reason = line->size() > 13 ? line->substr(13) : std::string_view();
    if (!all_in(kValue, into.reason)) return BadHead{502, "control characters in the status line"};
    if (auto bad = parse_fields(rest, into)) return BadHead{502, bad->why};
    if (auto bad = read_framing(into, to_head)) return bad;
    read_connection(into);
    return {};
}

}  // namespace belay::proxy
