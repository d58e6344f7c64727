#include "hook_body.hpp"

#include <algorithm>
#include <optional>

namespace belay::forge {
namespace {

constexpr std::size_t kLongestLine = 200;
constexpr std::size_t kLongestHeader = 128;
constexpr std::string_view kPayload = "payload";

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view query_of(std::string_view target) {
    auto mark = target.find('?');
    return mark == target.npos ? std::string_view() : target.substr(mark + 1);
}

Result<void> read_payload(std::string_view form, std::string_view place, HookBody& body) {
    FormPayload payload;
    body.decoded.reserve(form.size());
    payload.feed(form, body.decoded);
    body.json = body.decoded;
    return payload.finish(place);
}

}  // namespace

void FormPayload::end_field() {
    if (!escape_.empty()) broken_ = true;
    escape_.clear();
    name_.clear();
    part_ = Part::name;
}

void FormPayload::decode(char c, std::string& text) {
    if (!escape_.empty()) {
        escape_ += c;
        if (hex_digit(c) < 0) broken_ = true;
        if (escape_.size() < 3) return;
        if (!broken_) text += static_cast<char>(hex_digit(escape_[1]) * 16 + hex_digit(escape_[2]));
        escape_.clear();
    } else if (c == '%') {
        escape_ = c;
    } else {
        text += c == '+' ? ' ' : c;
    }
}

void FormPayload::feed(std::string_view bytes, std::string& text) {
    for (char c : bytes) {
        if (c == '&') {
            end_field();
        } else if (part_ == Part::payload) {
            decode(c, text);
        } else if (part_ == Part::name && c == '=') {
            part_ = name_ == kPayload && ++payloads_ == 1 ? Part::payload : Part::other;
        } else if (part_ == Part::name && name_.size() <= kPayload.size()) {
            name_ += c;
        }
    }
}

Result<void> FormPayload::finish(std::string_view place) const {
    auto where = std::string(place);
    if (payloads_ == 0) return Error{Errc::invalid, "the " + where + " has no field \"payload\""};
    if (payloads_ > 1)
        return Error{Errc::invalid, "the " + where + " has the field \"payload\" twice"};
    if (broken_ || !escape_.empty())
        return Error{Errc::invalid,
                     "the " + where + "'s field \"payload\" has a % without two hex digits"};
    return {};
}

Result<void> read_body(const ports::HookRequest& request, HookBody& body, bool get) {
    if (request.method == "GET") {
        if (!get) return Error{Errc::invalid, "this forge's deliveries are POST requests"};
        return read_payload(query_of(request.target), "query", body);
    }
    if (is_form(request)) return read_payload(request.body, "form", body);
    body.json = request.body;
    return {};
}

bool is_form(const ports::HookRequest& request) {
    auto type = request.header("Content-Type");
    return equal_ignoring_case(type.substr(0, type.find_first_of("; \t")),
                               "application/x-www-form-urlencoded");
}

void for_each_query_field(std::string_view target,
                          const std::function<void(std::string_view, std::string_view)>& visit) {
    auto query = query_of(target);
    while (!query.empty()) {
        auto end = std::min(query.find('&'), query.size());
        auto field = query.substr(0, end);
        auto equals = std::min(field.find('='), field.size());
        visit(field.substr(0, equals), field.substr(std::min(equals + 1, field.size())));
        query.remove_prefix(std::min(end + 1, query.size()));
    }
}

Result<std::string> decode_form(std::string_view text) {
    std::string field = "payload=";
    field += text;
    FormPayload payload;
    std::string decoded;
    payload.feed(field, decoded);
    if (auto read = payload.finish("text"); !read) return read.error();
    return decoded;
}

Result<std::string> short_header(const ports::HookRequest& request, std::string_view name) {
    auto value = request.header(name);
    if (value.size() > kLongestHeader ||
        !std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; }))
        return Error{Errc::invalid, "the header " + std::string(name) +
                                        " is longer than 128 characters or not printable"};
    return std::string(value);
}

Result<std::string> event_header(const ports::HookRequest& request, std::string_view name) {
    auto event = short_header(request, name);
    if (event && event->empty())
        return Error{Errc::invalid, "the header " + std::string(name) + " is missing"};
    return event;
}

Result<domain::Push> push_of_headers(const ports::HookRequest& request, std::string_view event,
                                     std::string_view id) {
    domain::Push push;
    auto named = event_header(request, event);
    if (!named) return named.error();
    push.event = std::move(*named);
    auto delivery = short_header(request, id);
    if (!delivery) return delivery.error();
    push.delivery_id = std::move(*delivery);
    return push;
}

bool equal_ignoring_case(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return lower(a) == lower(b); });
}

std::string first_line(std::string_view text) {
    text = text.substr(0, text.find_first_of("\r\n"));
    if (text.size() > kLongestLine) {
        auto end = kLongestLine;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u)
            --end;
        text = text.substr(0, end);
    }
    return std::string(text);
}

}  // namespace belay::forge
