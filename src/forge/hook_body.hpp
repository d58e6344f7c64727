// A delivery's JSON text, out of whatever encoding it came in.
#pragma once

#include <belay/ports/forge.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace belay::forge {

// Views the request's body, or owns what was decoded from a form or a query.
struct HookBody {
    std::string decoded;
    std::string_view json;

    HookBody() = default;
    HookBody(const HookBody&) = delete;
    HookBody& operator=(const HookBody&) = delete;
};

// The field `payload` of a form (application/x-www-form-urlencoded), decoded while it comes in.
class FormPayload {
  public:
    // Adds what is decoded of it to `text`.
    void feed(std::string_view bytes, std::string& text);
    // After the last byte. Errc::invalid: there is none, there are two, or a % has no two hex
    // digits; `place` is "form" or "query".
    Result<void> finish(std::string_view place) const;

  private:
    enum class Part { name, payload, other };

    void end_field();
    void decode(char c, std::string& text);

    Part part_ = Part::name;
    std::string name_;    // of the field, while it can be "payload"
    std::string escape_;  // what came of %XX
    int payloads_ = 0;
    bool broken_ = false;
};

// application/json as it is, application/x-www-form-urlencoded by its field `payload`; and of a
// GET, where the forge does that, the query's. Errc::invalid says what is wrong.
Result<void> read_body(const ports::HookRequest& request, HookBody& body, bool get = false);

bool is_form(const ports::HookRequest& request);

// The query of a request's target, field by field, not decoded.
void for_each_query_field(std::string_view target,
                          const std::function<void(std::string_view, std::string_view)>& visit);

// A form's %XX and +; Errc::invalid for a % without two hex digits.
Result<std::string> decode_form(std::string_view text);

// A header that goes into records: printable ASCII of at most 128 characters, or Errc::invalid.
Result<std::string> short_header(const ports::HookRequest& request, std::string_view name);

// ... and not empty.
Result<std::string> event_header(const ports::HookRequest& request, std::string_view name);

// A push that knows its event and its delivery's id so far, each from the header of that name.
Result<domain::Push> push_of_headers(const ports::HookRequest& request, std::string_view event,
                                     std::string_view id);

// ASCII only.
bool equal_ignoring_case(std::string_view left, std::string_view right);

// The first line, cut to 200 bytes between code points.
std::string first_line(std::string_view text);

}  // namespace belay::forge
