#include "forward_head.hpp"

namespace belay::proxy {
namespace {

void add(std::string& into, std::string_view name, std::string_view value) {
    into.append(name).append(": ").append(value).append("\r\n");
}

// Fields that the proxy takes out of every message, and puts in again where they hold for the next
// hop.
bool for_one_hop(FieldName name) {
    switch (name) {
        case FieldName::connection:
        case FieldName::keep_alive:
        case FieldName::proxy_connection:
        case FieldName::te:
        case FieldName::trailer:
        case FieldName::transfer_encoding:
        case FieldName::upgrade:
        case FieldName::http2_settings:
        case FieldName::x_belay_nonce:
        case FieldName::x_belay_release:
        case FieldName::lookalike:
            return true;
        default:
            return false;
    }
}

bool is_forwarded(FieldName name) {
    return name == FieldName::x_forwarded_for || name == FieldName::x_forwarded_proto ||
           name == FieldName::x_forwarded_host || name == FieldName::x_forwarded_port;
}

// A client that is not a trusted proxy could claim any address by these.
bool is_claim(FieldName name) {
    return name == FieldName::forwarded || name == FieldName::x_real_ip;
}

// A Connection field must not be able to take these away.
bool removable(FieldName name) {
    return name != FieldName::host && name != FieldName::content_length &&
           name != FieldName::expect;
}

bool passes(const Head& head, const Field& field, bool nominations) {
    if (for_one_hop(field.known)) return false;
    return !nominations || !removable(field.known) || !head.nominated(field.name);
}

// "keep-alive", "close" and "upgrade" are not names of fields; anything else in Connection may be
// one.
bool nominates(const Head& head) {
    for (const auto& field : head.fields)
        if (field.known == FieldName::connection && !same_word(field.value, "keep-alive") &&
            !same_word(field.value, "close") && !same_word(field.value, "upgrade"))
            return true;
    return false;
}

std::string joined(const Head& head, FieldName name, std::string_view last) {
    std::string list;
    for (const auto& field : head.fields)
        if (field.known == name) list.append(field.value).append(", ");
    return list.append(last);
}

std::string_view or_else(std::string_view value, std::string_view otherwise) {
    return value.empty() ? otherwise : value;
}

void add_forwarded(std::string& into, const RequestHead& head, const Origin& origin) {
    auto said = [&](FieldName name) {
        return origin.trusted ? head.first(name) : std::string_view();
    };
    if (origin.trusted)
        add(into, "X-Forwarded-For", joined(head, FieldName::x_forwarded_for, origin.peer));
    else
        add(into, "X-Forwarded-For", origin.peer);
    add(into, "X-Forwarded-Proto", or_else(said(FieldName::x_forwarded_proto), origin.proto));
    auto host = or_else(said(FieldName::x_forwarded_host), head.host);
    if (!host.empty()) add(into, "X-Forwarded-Host", host);
    add(into, "X-Forwarded-Port",
        or_else(said(FieldName::x_forwarded_port), std::to_string(origin.port)));
}

}  // namespace

std::string forwarded_request(const RequestHead& head, const Origin& origin, bool upgrade) {
    std::string out;
    out.reserve(1024);
    out.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
    // HTTP/1.0 may come without one, but 1.1 must not go so.
    add(out, "Host", head.host);
    bool nominations = nominates(head);
    for (const auto& field : head.fields) {
        if (field.known == FieldName::host || is_forwarded(field.known)) continue;
        if (is_claim(field.known) && !origin.trusted) continue;
        if (passes(head, field, nominations)) add(out, field.name, field.value);
    }
    add_forwarded(out, head, origin);
    if (head.framing == Framing::chunked) add(out, "Transfer-Encoding", "chunked");
    if (upgrade) {
        add(out, "Connection", "Upgrade");
        add(out, "Upgrade", head.first(FieldName::upgrade));
    }
    return out.append("\r\n");
}

std::string forwarded_response(const ResponseHead& head, const Answering& answering) {
    std::string out;
    out.reserve(512);
    out.append("HTTP/1.1 ")
        .append(std::to_string(head.status))
        .append(" ")
        .append(head.reason)
        .append("\r\n");
    bool nominations = nominates(head);
    for (const auto& field : head.fields) {
        if (field.known == FieldName::content_length && (head.status < 200 || head.status == 204))
            continue;
        if (passes(head, field, nominations)) add(out, field.name, field.value);
    }
    using Coding = Answering::Coding;
    bool chunked = answering.coding == Coding::chunked ||
                   (answering.coding == Coding::same && head.framing == Framing::chunked);
    if (chunked) add(out, "Transfer-Encoding", "chunked");
    if (answering.upgrade) {
        add(out, "Connection", "Upgrade");
        add(out, "Upgrade", head.first(FieldName::upgrade));
    } else if (head.status >= 200) {
        if (!answering.keep_alive)
            add(out, "Connection", "close");
        else if (answering.client_minor == 0)
            add(out, "Connection", "keep-alive");
    }
    if (!answering.release.empty()) add(out, "X-Belay-Release", answering.release);
    return out.append("\r\n");
}

}  // namespace belay::proxy
